//! The real binary with the real model, over stdin, stdout and a raw socket, as the host uses it.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use serde_json::{Value, json};

const TOKEN: &str = "a-token-of-this-test-run";
/// Far beyond what any step takes: it turns a hang into a failure.
const PATIENCE: Duration = Duration::from_secs(240);

fn model_path() -> PathBuf {
    let path = std::env::var_os("VALECHAT_TEST_MODEL").map_or_else(
        || {
            let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(
                || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache"),
                PathBuf::from,
            );
            cache.join("valechat/models/SmolLM2-135M-Instruct.Q4_1.gguf")
        },
        PathBuf::from,
    );
    assert!(
        path.is_file(),
        "The test model {} is missing. Run `cargo xtask test`, which fetches it.",
        path.display()
    );
    path
}

fn command(model: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_valechat-infer"));
    command
        .arg("--model")
        .arg(model)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

/// A running server; killed when dropped, so that a failed test leaves nothing behind.
struct Server {
    child: Child,
    stdin: Option<ChildStdin>,
    port: u16,
    ready: Value,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(arguments: &[&str]) -> Self {
        let mut child = command(&model_path())
            .args(["--alias", "tiny"])
            .args(arguments)
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        writeln!(stdin, "{}", json!({"token": TOKEN})).unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(ready["ready"], true, "{line}");
        Self {
            port: u16::try_from(ready["port"].as_u64().unwrap()).unwrap(),
            stdin: Some(stdin),
            child,
            ready,
        }
    }

    fn send(&self, method: &str, path: &str, body: &str, token: &str) -> BufReader<TcpStream> {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            socket,
            "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        BufReader::new(socket)
    }

    fn request(&self, method: &str, path: &str, body: &str) -> Reply {
        Reply::read(self.send(method, path, body, TOKEN))
    }

    fn chat(&self, body: &Value) -> Reply {
        self.request("POST", "/v1/chat/completions", &body.to_string())
    }

    fn health(&self) -> Value {
        self.request("GET", "/health", "").json()
    }

    /// Polls until `/health` satisfies `wanted`.
    fn until(&self, wanted: impl Fn(&Value) -> bool) {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let health = self.health();
            if wanted(&health) {
                return;
            }
            assert!(std::time::Instant::now() < deadline, "stuck at {health}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let number = line.unwrap().split_whitespace().nth(1);
        number.unwrap().parse().unwrap()
    }
}

struct Reply {
    status: u16,
    headers: String,
    body: String,
}

impl Reply {
    fn read(mut reader: BufReader<TcpStream>) -> Self {
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        let all = String::from_utf8(all).unwrap();
        let (head, body) = all.split_once("\r\n\r\n").unwrap();
        let headers = head.to_lowercase();
        let body = if headers.contains("transfer-encoding: chunked") {
            dechunk(body)
        } else {
            body.to_owned()
        };
        Self {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            headers,
            body,
        }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn chunks(&self) -> Vec<Value> {
        let events: Vec<_> = self.body.split_terminator("\n\n").collect();
        let (last, chunks) = events.split_last().unwrap();
        assert_eq!(*last, "data: [DONE]");
        chunks
            .iter()
            .map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap())
            .collect()
    }

    fn streamed_text(&self) -> String {
        let text = |chunk: &Value| {
            let text = chunk["choices"][0]["delta"]["content"].as_str();
            text.unwrap_or_default().to_owned()
        };
        self.chunks().iter().map(text).collect()
    }
}

fn dechunk(mut body: &str) -> String {
    let mut out = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        out.push_str(&rest[..size]);
        body = &rest[size + 2..];
    }
    out
}

fn question(text: &str, more: Value) -> Value {
    let mut body = json!({
        "model": "tiny",
        "messages": [{"role": "user", "content": text}],
        "temperature": 0,
        "max_tokens": 24,
    });
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

/// The prompt as SmolLM2's template writes it, for counting with `/tokenize`.
fn rendered(text: &str) -> String {
    format!(
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n"
    )
}

fn count(server: &Server, text: &str) -> u64 {
    let body = json!({"content": text}).to_string();
    let reply = server.request("POST", "/tokenize", &body).json();
    reply["tokens"].as_array().unwrap().len() as u64
}

#[test]
fn an_answer_streams_and_its_counts_are_the_tokenizers() {
    let server = Server::start(&[]);
    assert_eq!(server.ready["context"], 8192);
    let models = server.request("GET", "/v1/models", "").json();
    assert_eq!(models["data"][0]["id"], "tiny");
    assert_eq!(models["data"][0]["context_length"], 8192);

    let text = "Repeat after me: The capital of France is Paris.";
    let options = json!({"stream": true, "stream_options": {"include_usage": true}});
    let stream = server.chat(&question(text, options));
    assert_eq!(stream.status, 200);
    assert!(stream.headers.contains("content-type: text/event-stream"));
    let chunks = stream.chunks();
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    assert!(chunks.len() > 5, "text comes in pieces");
    let answer = stream.streamed_text();
    assert!(answer.contains("Paris"), "{answer}");

    let (trailer, rest) = chunks.split_last().unwrap();
    assert_eq!(trailer["choices"], json!([]));
    let usage = &trailer["usage"];
    assert_eq!(usage["prompt_tokens"], count(&server, &rendered(text)));
    assert_eq!(usage["completion_tokens"], count(&server, &answer));
    let total =
        usage["prompt_tokens"].as_u64().unwrap() + usage["completion_tokens"].as_u64().unwrap();
    assert_eq!(usage["total_tokens"], total);
    assert!(rest.iter().all(|chunk| chunk["usage"].is_null()));
    let finish = rest.last().unwrap()["choices"][0]["finish_reason"].clone();

    // The same question again: the same text at once, from the cache but for one token.
    let whole = server.chat(&question(text, json!({}))).json();
    assert_eq!(whole["choices"][0]["message"]["content"], answer);
    assert_eq!(whole["choices"][0]["finish_reason"], finish);
    assert_eq!(
        whole["usage"]["prompt_tokens_details"]["cached_tokens"],
        usage["prompt_tokens"].as_u64().unwrap() - 1
    );
}

#[test]
fn length_stop_strings_and_the_seed_are_obeyed() {
    let server = Server::start(&[]);
    let short = server.chat(&question(
        "Count to ten.",
        json!({"max_completion_tokens": 3}),
    ));
    let short = short.json();
    assert_eq!(short["choices"][0]["finish_reason"], "length");
    assert_eq!(short["usage"]["completion_tokens"], 3);

    let ask = "Name three colours, separated by commas.";
    let free = server.chat(&question(ask, json!({}))).json();
    let free = free["choices"][0]["message"]["content"]
        .as_str()
        .unwrap()
        .to_owned();
    let stop: String = free.chars().skip(7).take(5).collect();
    let body = question(ask, json!({"stop": [stop], "stream": true}));
    let stopped = server.chat(&body).streamed_text();
    assert_eq!(stopped, free[..free.find(&stop).unwrap()]);

    let draw = |seed: u64| {
        let body = question(
            "Tell me something.",
            json!({"temperature": 1.5, "seed": seed}),
        );
        server.chat(&body).json()["choices"][0]["message"]["content"].clone()
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
}

/// Read from the system's own table: no address but the loopback one has this port.
#[cfg(target_os = "linux")]
#[test]
fn it_listens_on_this_machine_only() {
    let server = Server::start(&["--ctx", "64"]);
    let port = format!(":{:04X}", server.port);
    let mut listens = Vec::new();
    for table in ["tcp", "tcp6"] {
        let table = std::fs::read_to_string(format!("/proc/{}/net/{table}", server.child.id()));
        for line in table.unwrap_or_default().lines().skip(1) {
            let columns: Vec<_> = line.split_whitespace().collect();
            if let [_, local, _, state, ..] = columns[..]
                && state == "0A"
                && local.ends_with(&port)
            {
                listens.push(local.to_owned());
            }
        }
    }
    assert_eq!(listens, [format!("0100007F{port}")]);
}

#[test]
fn errors_have_the_shape_clients_know() {
    let server = Server::start(&["--ctx", "64"]);
    let wrong = Reply::read(server.send("GET", "/v1/models", "", "wrong"));
    assert_eq!(wrong.status, 401);
    assert_eq!(wrong.json()["error"]["code"], "invalid_api_key");
    let unknown_path = Reply::read(server.send("GET", "/x", "", ""));
    assert_eq!(
        unknown_path.status, 401,
        "nothing answers without the token"
    );

    let chat = |body: &Value| server.chat(body);
    let long = "word ".repeat(100);
    let cases = [
        (
            server.request("POST", "/v1/chat/completions", "{"),
            400,
            json!(null),
        ),
        (
            chat(&question("Hi", json!({"model": "other"}))),
            404,
            json!("model_not_found"),
        ),
        (
            chat(&question(&long, json!({}))),
            400,
            json!("context_length_exceeded"),
        ),
        (chat(&question("Hi", json!({"n": 3}))), 400, json!(null)),
        (server.request("GET", "/x", ""), 404, json!(null)),
        (server.request("GET", "/tokenize", ""), 405, json!(null)),
        (
            server.request("POST", "/tokenize", &" ".repeat((8 << 20) + 1)),
            413,
            json!(null),
        ),
    ];
    for (reply, status, code) in cases {
        let error = reply.json()["error"].clone();
        assert_eq!((reply.status, &error["code"]), (status, &code), "{error}");
        assert!(error["message"].as_str().unwrap().ends_with('.'), "{error}");
        assert!(error["type"].is_string() && error.get("param").is_some());
    }
    let long = server.chat(&question(&long, json!({}))).json();
    assert_eq!(long["error"]["n_ctx"], 64);
    assert!(long["error"]["n_prompt_tokens"].as_u64().unwrap() > 100);

    // A conversation that just fits ends where the context does.
    let reply = server.chat(&question(
        "Tell me a very long story.",
        json!({"max_tokens": 500}),
    ));
    assert_eq!(reply.json()["usage"]["total_tokens"], 64);
    assert_eq!(reply.json()["choices"][0]["finish_reason"], "length");
}

#[test]
fn a_client_that_leaves_frees_the_slot_and_its_place_in_the_queue() {
    let server = Server::start(&[]);
    let endless = question(
        "Write a very long story.",
        json!({"stream": true, "max_tokens": 8000, "temperature": 1.5, "frequency_penalty": 1.0}),
    )
    .to_string();
    let post = |body: &str| server.send("POST", "/v1/chat/completions", body, TOKEN);
    let mut running = post(&endless);
    let mut line = String::new();
    while !line.contains("\"content\":\"") || line.contains("\"role\"") {
        line.clear();
        assert!(running.read_line(&mut line).unwrap() > 0);
    }
    let waiting: Vec<_> = (0..8).map(|_| post(&endless)).collect();
    server.until(|health| health["queued"] == 8);
    let refused = server.chat(&question("Hi", json!({})));
    assert_eq!(refused.status, 503);
    assert_eq!(refused.json()["error"]["code"], "server_is_overloaded");
    assert!(refused.headers.contains("retry-after: 2"));

    drop(waiting);
    server.until(|health| health["queued"] == 0);
    assert_eq!(server.health()["busy"], true);
    drop(running);
    server.until(|health| health["busy"] == false);

    // During prefill, too: this prompt takes seconds, and its client leaves at once.
    let prompt = question(
        &"never ending prompt ".repeat(2500),
        json!({"max_tokens": 1}),
    );
    let prefilling = post(&prompt.to_string());
    server.until(|health| health["busy"] == true);
    drop(prefilling);
    let next = server.chat(&question("Hi", json!({})));
    assert_eq!(next.status, 200);
}

#[test]
fn an_idle_model_leaves_memory_and_comes_back() {
    let server = Server::start(&["--idle-unload-s", "1"]);
    assert_eq!(server.health()["model_loaded"], false);
    let before = server.resident_kib();
    let ask = || {
        server
            .chat(&question("Hi", json!({"max_tokens": 4})))
            .json()
    };
    let first = ask()["choices"][0]["message"]["content"].clone();
    let loaded = server.resident_kib();
    server.until(|health| health["model_loaded"] == false);
    let after = server.resident_kib();
    // The file is 96,000 KiB.
    assert!(loaded > before + 80_000, "{before} {loaded}");
    assert!(after < before + 20_000, "{before} {loaded} {after}");
    assert_eq!(ask()["choices"][0]["message"]["content"], first);
}

#[test]
fn the_end_of_stdin_ends_the_process_even_in_the_middle_of_an_answer() {
    let mut server = Server::start(&[]);
    let body = question(
        "Write a very long story.",
        json!({"stream": true, "max_tokens": 8000}),
    );
    let mut stream = server.send("POST", "/v1/chat/completions", &body.to_string(), TOKEN);
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    drop(server.stdin.take());
    let (done, ended) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| done.send(server.child.wait()).unwrap());
        let status = ended.recv_timeout(PATIENCE).unwrap().unwrap();
        assert_eq!(status.code(), Some(0));
    });
}

/// A shell stands for the host: it holds the pipe, and `kill -9` gives it no chance to clean up.
#[cfg(target_os = "linux")]
#[test]
fn a_host_killed_with_signal_9_leaves_no_survivor() {
    let script = r#"mkfifo "$2"; "$0" --model "$1" <"$2" & echo "pid $!"
        exec 4>"$2"; echo '{"token":"t"}' >&4; wait"#;
    let dir = tempfile::tempdir().unwrap();
    let mut host = Command::new("sh")
        .args(["-c", script])
        .arg(env!("CARGO_BIN_EXE_valechat-infer"))
        .arg(model_path())
        .arg(dir.path().join("pipe"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(host.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let survivor = first.strip_prefix("pid ").unwrap().to_owned();
    assert!(lines.next().unwrap().unwrap().contains("\"ready\":true"));
    host.kill().unwrap();
    host.wait().unwrap();
    let deadline = std::time::Instant::now() + PATIENCE;
    let alive = || {
        let status = std::fs::read_to_string(format!("/proc/{survivor}/status"));
        status.is_ok_and(|status| !status.contains("State:\tZ"))
    };
    while alive() {
        assert!(
            std::time::Instant::now() < deadline,
            "process {survivor} outlived its host"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_file_that_is_no_model_is_named_and_exits_with_3() {
    let dir = tempfile::tempdir().unwrap();
    let make = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let real = std::fs::read(model_path()).unwrap();
    // candle divides by this value; the length of a text lies before it.
    let mut zero_alignment =
        b"GGUF\x03\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x11\0\0\0\0\0\0\0".to_vec();
    zero_alignment.extend(b"general.alignment\x04\0\0\0\0\0\0\0");
    let cases = [
        (dir.path().join("absent.gguf"), "cannot be read"),
        (dir.path().to_owned(), "not a regular file"),
        (make("empty.gguf", b""), "shorter"),
        (
            make("page.gguf", b"<!doctype html><title>404</title>"),
            "letters GGUF",
        ),
        (
            make("cut-header.gguf", &real[..100_000]),
            "header is damaged",
        ),
        (
            make("cut-data.gguf", &real[..50_000_000]),
            "the file ends inside the tensor",
        ),
        (make("alignment.gguf", &zero_alignment), "header is damaged"),
    ];
    for (path, words) in cases {
        let mut child = command(&path).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        writeln!(stdin, "{}", json!({"token": "t"})).unwrap();
        let output = child.wait_with_output().unwrap();
        drop(stdin);
        assert_ne!(output.status.code(), Some(0), "{words}");
        let line: Value = serde_json::from_slice(&output.stdout).unwrap();
        let sentence = line["error"].as_str().unwrap();
        assert!(sentence.contains(words), "{sentence}");
        assert_eq!(output.status.code(), Some(3), "{sentence}");
    }
}

#[test]
fn wrong_usage_exits_with_2_and_the_version_names_the_cpu_level() {
    let binary = || Command::new(env!("CARGO_BIN_EXE_valechat-infer"));
    let no_model = binary().output().unwrap();
    assert_eq!(no_model.status.code(), Some(2));
    let no_token = command(&model_path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(no_token.status.code(), Some(2));
    let line: Value = serde_json::from_slice(&no_token.stdout).unwrap();
    assert_eq!(line["ready"], false);
    let version = String::from_utf8(binary().arg("--version").output().unwrap().stdout).unwrap();
    let words: Vec<_> = version.split_whitespace().collect();
    assert_eq!(words[..2], ["valechat-infer", env!("CARGO_PKG_VERSION")]);
    assert!(["x86-64-v3", "baseline"].contains(&words[2]));
}
