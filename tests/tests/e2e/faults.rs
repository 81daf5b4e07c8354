//! What can be wrong on this machine or with the server: each tried, each a clear sentence.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

use crate::support::{Profile, Said, needed};

/// A server that gives every request the same bytes and closes.
pub(crate) fn server(answer: impl Into<Vec<u8>>) -> String {
    let answer = answer.into();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            answer_one(socket, &answer);
        }
    });
    format!("http://{address}/v1")
}

fn answer_one(mut socket: TcpStream, answer: &[u8]) {
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(read) = socket.read(&mut piece) {
        request.extend_from_slice(&piece[..read]);
        if read == 0 || is_whole(&request) {
            break;
        }
    }
    let _ = socket.write_all(answer);
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    body.len()
        >= length
            .and_then(|length| length.trim().parse().ok())
            .unwrap_or(0)
}

/// The command failed with this code and a sentence that holds these words, and a next step.
fn assert_clear(said: &Said, code: i32, words: &str) {
    assert_eq!(said.code, Some(code), "{said:?}");
    assert!(
        said.err.to_lowercase().contains(&words.to_lowercase()),
        "“{words}” is not in {said:?}"
    );
    assert!(said.err.contains('→'), "no next step: {said:?}");
    assert!(
        !said.err.contains("panicked") && !said.err.contains("RUST_BACKTRACE"),
        "{said:?}"
    );
}

#[test]
fn bad_toml_is_named_by_line_and_nothing_is_changed() {
    let profile = Profile::new();
    profile.configure("default_model = \n");
    assert_clear(&profile.run(&["chat", "hi"]), 3, "line 1");
    let kept = std::fs::read_to_string(profile.path().join("config.toml")).unwrap();
    assert_eq!(kept, "default_model = \n");
}

#[test]
fn a_missing_key_is_asked_for_before_anything_is_sent() {
    let mut profile = Profile::new();
    // No keyring answers here: the environment decides.
    profile.set("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent");
    profile.configure("[keys]\nstore = \"file\"\n");
    assert_clear(
        &profile.run(&["chat", "-m", "openai/gpt-4o", "hi"]),
        4,
        "needs a key",
    );
}

#[test]
fn a_dead_server_html_and_a_cut_stream_are_told_apart() {
    let dead = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/v1", listener.local_addr().unwrap())
    };
    let html = server(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 44\r\n\r\n<html><body><h1>Welcome to nginx</h1></html>");
    let cut = server(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {\"choices\":[{\"delta\":{\"content\":\"Half an answ\"}}]}\n\n");
    let leaving = server(b"HTTP/1.1 302 Found\r\nlocation: http://192.0.2.1/v1/chat/completions\r\ncontent-length: 0\r\n\r\n");
    let table = [
        (dead, 5, "Nobody answers"),
        (html, 1, "not its own protocol"),
        (cut, 5, "cut off"),
        (leaving, 5, "not granted"),
    ];
    for (base_url, code, words) in table {
        let profile = Profile::with_peer(&base_url);
        let said = profile.run(&["chat", "-m", "peer/any", "hi"]);
        assert_clear(&said, code, words);
        assert!(!said.err.contains("<html>"), "{said:?}");
        if words == "cut off" {
            assert!(
                said.out.contains("Half an answ"),
                "what came is kept: {said:?}"
            );
        }
    }
}

#[test]
fn a_host_that_nobody_agreed_to_is_refused_before_any_connection() {
    let profile = Profile::new();
    profile.configure(
        "[providers.lan]\nplugin = \"openai\"\nsettings = { base_url = \"http://127.0.0.1:9/v1\" }\n",
    );
    assert_clear(&profile.run(&["chat", "-m", "lan/any", "hi"]), 5, "agree");
}

/// Copies the built plugins, so that one can be damaged.
fn own_plugins(profile: &mut Profile) -> std::path::PathBuf {
    let own = profile.path().join("own-plugins");
    for name in ["local", "openai"] {
        std::fs::create_dir_all(own.join(name)).unwrap();
        for file in ["plugin.toml", "component.wasm"] {
            std::fs::copy(
                needed("VALECHAT_PLUGINS").join(name).join(file),
                own.join(name).join(file),
            )
            .unwrap();
        }
    }
    profile.set("VALECHAT_PLUGINS", own.to_str().unwrap());
    own
}

fn damage(file: &Path) {
    let mut bytes = std::fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    for byte in &mut bytes[middle..middle + 64] {
        *byte ^= 0x5a;
    }
    std::fs::write(file, bytes).unwrap();
}

#[test]
fn a_damaged_component_is_refused_and_the_others_work() {
    let mut profile = Profile::new();
    let own = own_plugins(&mut profile);
    damage(&own.join("openai/component.wasm"));
    profile.set("VALECHAT_KEY_OPENAI", "sk-test-0123456789abcdef");
    assert_clear(
        &profile.run(&["chat", "-m", "openai/gpt-4o", "hi"]),
        6,
        "cannot be loaded",
    );
    assert_eq!(
        profile.run(&["chat", "--max-tokens", "2", "hi"]).code,
        Some(0)
    );
}

#[test]
fn damaged_compiled_code_is_made_anew() {
    let profile = Profile::new();
    assert_eq!(
        profile.run(&["chat", "--max-tokens", "2", "hi"]).code,
        Some(0)
    );
    let code = profile.path().join("cache/code");
    let kept: Vec<_> = std::fs::read_dir(&code).unwrap().flatten().collect();
    assert!(!kept.is_empty());
    for file in &kept {
        damage(&file.path());
    }
    let said = profile.run(&["chat", "--max-tokens", "2", "hi"]);
    assert_eq!(said.code, Some(0), "{said:?}");
}

#[test]
fn a_model_by_address_is_fetched_once_and_only_with_the_right_hash() {
    let model = std::fs::read(needed("VALECHAT_MODEL")).unwrap();
    let sha256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";
    let mut answer =
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", model.len()).into_bytes();
    answer.extend_from_slice(&model);
    let address = server(answer).replace("/v1", "/smol.gguf");
    let configure = |profile: &Profile, address: &str, sha256: &str| {
        profile.configure(&format!(
            "[inference]\nmodel = \"{address}\"\nsha256 = \"{sha256}\"\n"
        ));
    };
    let profile = Profile::new();
    configure(&profile, &address, &sha256.replace('b', "c"));
    assert_clear(&profile.run(&["chat", "hi"]), 3, "another SHA-256");
    let other = profile.run(&["chat", "-m", "openai/gpt-4o", "hi"]);
    assert!(
        !other.err.contains("SHA-256"),
        "another provider needs no local model: {other:?}"
    );
    configure(&profile, &address, sha256);
    let said = profile.run(&["chat", "--max-tokens", "2", "hi"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.err.contains("fetching the local model: 100 %"),
        "{said:?}"
    );
    configure(&profile, "http://127.0.0.1:9/smol.gguf", sha256);
    let kept = profile.run(&["chat", "--max-tokens", "2", "hi"]);
    assert_eq!(kept.code, Some(0), "it is here already: {kept:?}");
    assert!(!kept.err.contains("fetching"), "{kept:?}");
}

#[test]
fn a_model_file_that_is_none_or_is_missing_is_named() {
    let mut profile = Profile::new();
    let file = profile.path().join("not-a-model.gguf");
    std::fs::write(&file, b"this is text").unwrap();
    profile.set("VALECHAT_MODEL", file.to_str().unwrap());
    assert_clear(&profile.run(&["chat", "hi"]), 5, "gguf");
    std::fs::remove_file(&file).unwrap();
    assert_clear(&profile.run(&["chat", "hi"]), 5, "not there");
}
