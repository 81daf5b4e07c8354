//! Versions of a plugin come and go while it answers: every answer ends exactly once and on the version
//! that it began with, and nothing is left of the old ones.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests: helpers fail the test that calls them"
)]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use vale_host::{Host, HostConfig, Paths, TurnStep};
use vale_plugins::{Package, Shelf};
use vale_tests::packages::{manifest, packed};
use vale_types::{Event, Message, ModelRef, Request, Role};

const ID: &str = "org.example.x";
const STREAMS: usize = 200;
const PIECES: usize = 20;

fn needed(variable: &str) -> PathBuf {
    let value = std::env::var_os(variable);
    value
        .unwrap_or_else(|| panic!("{variable} is not set: run this through `cargo xtask test`"))
        .into()
}

/// Says in each piece which address was asked.
async fn answer(mut socket: TcpStream) -> Option<()> {
    loop {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(socket.read_u8().await.ok()?);
        }
        let head = String::from_utf8(request).unwrap();
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let is_length = name.eq_ignore_ascii_case("content-length");
            is_length.then(|| value.trim().parse::<usize>().unwrap())
        });
        let mut body = vec![0; length.unwrap_or(0)];
        socket.read_exact(&mut body).await.ok()?;
        let version = head.split('/').nth(1).unwrap_or_default();
        socket
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
            .await
            .ok()?;
        for piece in 0..=PIECES {
            let text = if piece < PIECES {
                format!(
                    "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{version} \"}}}}]}}\n\n"
                )
            } else {
                "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n".to_owned()
            };
            let chunk = format!("{:x}\r\n{text}\r\n", text.len());
            socket.write_all(chunk.as_bytes()).await.ok()?;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        socket.write_all(b"0\r\n\r\n").await.ok()?;
    }
}

async fn upstream() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(answer(socket));
        }
    });
    port
}

/// A version whose address names it.
fn version(component: &[u8], port: u16, number: u32) -> Vec<u8> {
    let more = format!(
        "[settings.properties.base_url]\ntype = \"string\"\nformat = \"uri\"\n\
         default = \"http://127.0.0.1:{port}/v{number}\"\n\
         [settings.properties.api]\ntype = \"string\"\ndefault = \"chat\"\n\
         [[egress]]\norigin = \"{{settings.base_url}}\"\nmethods = [\"GET\", \"POST\"]\nlocal_server = true\n"
    );
    packed(component, &manifest(ID, &format!("{number}.0.0"), &more))
}

struct World {
    host: Host,
    shelf: Shelf,
    versions: [Vec<u8>; 2],
    _home: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let port = upstream().await;
        let component = std::fs::read(needed("VALECHAT_PLUGINS").join("openai/component.wasm"));
        let component = component.unwrap();
        let versions = [version(&component, port, 1), version(&component, port, 2)];
        let mut paths = Paths::under(home.path());
        paths.infer = Vec::new();
        let config = format!(
            "[keys]\nstore = \"file\"\n[policy.limits]\nmax_in_flight = 1000\n\
             [plugins.\"{ID}\".grant]\nlocal_server = \"http://127.0.0.1:{port}\"\n"
        );
        std::fs::write(&paths.config_file, config).unwrap();
        let shelf = paths.shelf();
        put(&shelf, &versions[0]);
        let host = Host::start(HostConfig {
            paths,
            ask_passphrase: None,
        })
        .unwrap();
        Self {
            host,
            shelf,
            versions,
            _home: home,
        }
    }

    /// The text of one answer, which ends well and once.
    async fn ask(&self) -> String {
        let model = ModelRef {
            provider: ID.parse().unwrap(),
            model: "m".to_owned(),
        };
        let request = Request {
            messages: vec![Message::text(Role::User, "Which version?")],
            ..Request::default()
        };
        let mut turn = self.host.send(&model, request).unwrap();
        let (mut text, mut ends) = (String::new(), Vec::new());
        while let Some(step) = turn.next().await {
            match step {
                TurnStep::Events(events) => {
                    text.extend(events.iter().filter_map(|event| match event {
                        Event::Text(text) => Some(text.as_str()),
                        _ => None,
                    }))
                }
                TurnStep::End(end) => ends.push(end),
                _ => {}
            }
        }
        assert!(matches!(ends.as_slice(), [Ok(_)]), "{ends:?}");
        text
    }
}

fn put(shelf: &Shelf, file: &[u8]) {
    let package = Package::of_bytes(file).unwrap();
    shelf.put(&package, file, "test", 1).unwrap();
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.unwrap().split_whitespace().nth(1);
    number.unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_end_on_the_version_they_began_with_while_versions_alternate() {
    let world = Arc::new(World::new().await);
    assert_eq!(world.ask().await, "v1 ".repeat(PIECES));
    let before = resident_kib();
    let (done, seen) = (
        AtomicBool::new(false),
        [AtomicUsize::new(0), AtomicUsize::new(0)],
    );
    let (done, seen) = (Arc::new(done), Arc::new(seen));
    let mut work = tokio::task::JoinSet::new();
    for _ in 0..STREAMS {
        let (world, seen) = (Arc::clone(&world), Arc::clone(&seen));
        work.spawn(async move {
            for _ in 0..3 {
                let text = world.ask().await;
                let version = text.split(' ').next().unwrap();
                assert_eq!(
                    text,
                    format!("{version} ").repeat(PIECES),
                    "one version only"
                );
                let index = usize::from(version == "v2");
                seen[index].fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    let replacing = {
        let (world, done) = (Arc::clone(&world), Arc::clone(&done));
        tokio::spawn(async move {
            let mut turns = 0;
            while !done.load(Ordering::SeqCst) {
                turns += 1;
                let (world, next) = (Arc::clone(&world), turns % 2);
                tokio::task::spawn_blocking(move || {
                    put(&world.shelf, &world.versions[next]);
                    world.host.reload().unwrap();
                })
                .await
                .unwrap();
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            turns
        })
    };
    while let Some(ended) = work.join_next().await {
        ended.unwrap();
    }
    done.store(true, Ordering::SeqCst);
    let turns = replacing.await.unwrap();
    let counts = [&seen[0], &seen[1]].map(|count| count.load(Ordering::SeqCst));
    assert_eq!(counts[0] + counts[1], STREAMS * 3);
    assert!(counts[0] > 0 && counts[1] > 0, "both answered: {counts:?}");
    assert!(turns > 10, "{turns}");
    // Nothing of the old ones is left: no turn, and no actor but the provider's own.
    assert_eq!(world.host.core().active(), 0);
    let providers: Vec<_> = world
        .host
        .tree()
        .into_iter()
        .filter(|node| node.path.starts_with("providers/"))
        .collect();
    assert_eq!(providers.len(), 1, "{providers:?}");
    let grown = resident_kib().saturating_sub(before);
    // 200 stores at once take about 30 MB; hundreds of versions that stayed would take far more.
    assert!(grown < 200 * 1024, "{grown} KiB after {turns} replacements");
    println!("{counts:?} answers by version, {turns} replacements, {grown} KiB grown");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_goes_on_when_its_plugin_is_removed_or_switched_off() {
    let world = Arc::new(World::new().await);
    let answers: Vec<_> = (0..20)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.ask().await })
        })
        .collect();
    // Until all are in their stores.
    while world.host.core().active() < 20 {
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_millis(60)).await;
    world.shelf.remove(&ID.parse().unwrap()).unwrap();
    world.host.reload().unwrap();
    for answer in answers {
        assert_eq!(answer.await.unwrap(), "v1 ".repeat(PIECES));
    }
    let model = ModelRef {
        provider: ID.parse().unwrap(),
        model: "m".to_owned(),
    };
    let error = world.host.send(&model, Request::default());
    assert!(error.is_err(), "it is gone");
}
