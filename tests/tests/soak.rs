//! Many answers at once over sick servers and a model process that is killed again and again, for
//! a while: nothing grows, nothing hangs, and the healthy go on. A usual run takes seconds;
//! `VALECHAT_FULL` takes ten minutes at 200 streams.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use vale_host::{Host, HostConfig, Paths, TurnStep};
use vale_types::{Message, ModelRef, Request, Role};

/// What a server does to one request; some of them to most.
async fn misbehave(
    mut socket: TcpStream,
    mut dice: fastrand::Rng,
    illness: u32,
) -> std::io::Result<()> {
    loop {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            if socket.read(&mut byte).await? == 0 {
                return Ok(());
            }
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).to_lowercase();
        let length = head
            .split("content-length: ")
            .nth(1)
            .and_then(|rest| rest.lines().next());
        let mut body = vec![
            0;
            length
                .and_then(|length| length.trim().parse().ok())
                .unwrap_or(0)
        ];
        socket.read_exact(&mut body).await?;
        let fate = if dice.u32(0..100) < illness {
            dice.u32(1..7)
        } else {
            0
        };
        let pieces = dice.u32(1..30);
        let refuse = |status: &str, more: &str| {
            let body = "{\"error\":{\"message\":\"on purpose\"}}";
            format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{more}content-length: {}\r\n\r\n{body}",
                body.len()
            )
        };
        match fate {
            1 => return Ok(()),
            2 => {
                socket.write_all(refuse("500 Oh", "").as_bytes()).await?;
                continue;
            }
            3 => {
                socket
                    .write_all(refuse("429 Slow", "retry-after-ms: 20\r\n").as_bytes())
                    .await?;
                continue;
            }
            4 => {
                socket.write_all(refuse("529 Busy", "").as_bytes()).await?;
                continue;
            }
            _ => {}
        }
        socket
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
            .await?;
        for piece in 0..pieces {
            // Cut off, or left hanging for a while and then cut off.
            if fate > 4 && piece == pieces / 2 {
                if fate == 6 {
                    tokio::time::sleep(Duration::from_millis(400)).await;
                }
                return Ok(());
            }
            let event = format!(
                "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"word {piece} \"}}}}]}}\n\n"
            );
            socket
                .write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes())
                .await?;
            tokio::time::sleep(Duration::from_millis(dice.u64(1..10))).await;
        }
        let end = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
        let end = format!("{:x}\r\n{end}\r\n0\r\n\r\n", end.len());
        socket.write_all(end.as_bytes()).await?;
    }
}

async fn server(illness: u32) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(misbehave(socket, fastrand::Rng::new(), illness));
        }
    });
    port
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Resident memory of this process, KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[derive(Default)]
struct Counted {
    whole: AtomicU64,
    failed: AtomicU64,
    local: AtomicU64,
    slowest_ms: AtomicU64,
}

fn host(home: &std::path::Path, ports: &[(&str, u16)]) -> Host {
    let mut paths = Paths::under(home);
    let needed = |variable: &str| std::env::var_os(variable).unwrap().into();
    paths.plugins = vec![needed("VALECHAT_PLUGINS")];
    paths.built_in_plugins = 1;
    paths.infer = vec![needed("VALECHAT_INFER")];
    paths.model = Some(needed("VALECHAT_MODEL"));
    let program: std::path::PathBuf = needed("VALECHAT_BIN");
    paths.confine = program
        .parent()
        .map(|folder| folder.join("valechat-confine"));
    let mut config = "[keys]\nstore = \"file\"\n[policy.limits]\nmax_in_flight = 1000\n[policy.breaker]\nopen_for_s = 0.5\nmax_open_for_s = 2.0\n[policy.retry.backoff]\nfirst_s = 0.02\n".to_owned();
    for (name, port) in ports {
        writeln!(
            config,
            "[providers.{name}]\nplugin = \"openai\"\nsettings = {{ base_url = \"http://127.0.0.1:{port}/v1\" }}\ngrant = {{ local_server = \"http://127.0.0.1:{port}\" }}"
        )
        .unwrap();
    }
    std::fs::write(&paths.config_file, config).unwrap();
    Host::start(HostConfig {
        paths,
        ask_passphrase: None,
    })
    .unwrap()
}

async fn ask(host: &Host, provider: &str, model: &str, tokens: Option<u32>) -> bool {
    let model = ModelRef {
        provider: provider.parse().unwrap(),
        model: model.to_owned(),
    };
    let request = Request {
        messages: vec![Message::text(Role::User, "Write about the sea.")],
        max_output_tokens: tokens,
        ..Request::default()
    };
    let mut turn = host.send(&model, request).unwrap();
    let mut ends = Vec::new();
    while let Some(step) = turn.next().await {
        if let TurnStep::End(end) = step {
            ends.push(end.is_ok());
        }
    }
    assert_eq!(ends.len(), 1, "every request ends exactly once");
    ends == [true]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_grows_while_servers_fail_and_the_model_is_killed() {
    let full = std::env::var_os("VALECHAT_FULL").is_some();
    let (time, streams) = if full { (600, 200) } else { (6, 40) };
    let home = tempfile::tempdir().unwrap();
    let ports = [
        ("well", server(0).await),
        ("ill", server(30).await),
        ("dying", server(90).await),
    ];
    let host = host(home.path(), &ports);
    let counted = Arc::new(Counted::default());
    let end = Instant::now() + Duration::from_secs(time);

    let mut work = tokio::task::JoinSet::new();
    for number in 0..streams {
        let (host, counted) = (host.clone(), Arc::clone(&counted));
        work.spawn(async move {
            let name = ["well", "ill", "dying"][number % 3];
            while Instant::now() < end {
                let begun = Instant::now();
                let whole = ask(&host, name, "m", None).await;
                let counter = if whole {
                    &counted.whole
                } else {
                    &counted.failed
                };
                counter.fetch_add(1, Ordering::Relaxed);
                if name == "well" {
                    assert!(whole, "the healthy one fails for nobody's sake");
                    let ms = u64::try_from(begun.elapsed().as_millis()).unwrap();
                    counted.slowest_ms.fetch_max(ms, Ordering::Relaxed);
                } else if !whole {
                    // What rests fails at once; a person would wait a moment too.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        });
    }
    // The real model, whose process is killed while it answers.
    let (local, tally) = (host.clone(), Arc::clone(&counted));
    work.spawn(async move {
        while Instant::now() < end {
            let answered = ask(&local, "local", "SmolLM2-135M-Instruct.Q4_1", Some(20)).await;
            tally
                .local
                .fetch_add(u64::from(answered), Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let killed = host.clone();
    work.spawn(async move {
        // Rarely enough that it is not left alone: it may end five times a minute.
        while Instant::now() + Duration::from_secs(1) < end {
            tokio::time::sleep(Duration::from_secs(if full { 20 } else { 3 })).await;
            if let Some(process) = killed.infer_process().await {
                let kill = tokio::process::Command::new("kill")
                    .args(["-KILL", &process.to_string()])
                    .status();
                assert!(kill.await.unwrap().success());
            }
        }
    });
    // A third of the time to warm up: caches, pools, the allocator.
    tokio::time::sleep(Duration::from_secs(time / 3)).await;
    let (warm_fds, warm_rss) = (descriptors(), resident());
    while let Some(done) = work.join_next().await {
        done.unwrap();
    }
    let (end_fds, end_rss) = (descriptors(), resident());
    println!(
        "{streams} streams, {time} s: {} whole, {} failed, {} of the local model; slowest healthy answer {} ms; descriptors {warm_fds} → {end_fds}, resident {warm_rss} → {end_rss} KiB",
        counted.whole.load(Ordering::Relaxed),
        counted.failed.load(Ordering::Relaxed),
        counted.local.load(Ordering::Relaxed),
        counted.slowest_ms.load(Ordering::Relaxed),
    );
    assert!(
        counted.failed.load(Ordering::Relaxed) > 10,
        "the sick were sick"
    );
    assert!(
        counted.local.load(Ordering::Relaxed) > 0,
        "the local model came back"
    );
    assert!(
        end_fds <= warm_fds + 20,
        "descriptors: {warm_fds} → {end_fds}"
    );
    assert!(
        end_rss <= warm_rss + warm_rss / 5 + 10_000,
        "memory: {warm_rss} → {end_rss} KiB"
    );
    for report in host.tree() {
        assert_eq!(
            report.vitals.in_flight,
            u32::from(report.path == "processes/local-model" && report.vitals.process.is_some())
                as usize,
            "{report:?}"
        );
    }
    host.shut_down(Duration::ZERO).await;
}
