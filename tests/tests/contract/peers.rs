//! Peers that nobody here wrote, and the local model's own server; each ends with its value.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

fn needed(variable: &str) -> PathBuf {
    let value = std::env::var_os(variable);
    value
        .unwrap_or_else(|| panic!("{variable} is not set: run this through `cargo xtask test`"))
        .into()
}

/// A server process; killed with its value.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The mock of model providers.
pub(crate) struct Aimock {
    _process: Process,
    _life_line: ChildStdin,
    url: String,
}

impl Aimock {
    pub(crate) fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/aimock/serve.mjs");
        let mut child = Command::new(needed("VALECHAT_NODE"))
            .arg(script)
            .arg(needed("VALECHAT_AIMOCK"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        Self {
            _life_line: child.stdin.take().unwrap(),
            _process: Process(child),
            url: line.trim().to_owned(),
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

/// `valechat-infer` by itself.
pub(crate) struct Infer {
    _process: Process,
    _life_line: ChildStdin,
    port: u16,
}

/// What the proxy tells the local model's server; any will do.
const TOKEN: &str = "contract-suite-token-0123456789abcdef";

impl Infer {
    pub(crate) fn start() -> Self {
        let folder = needed("VALECHAT_INFER");
        let mut programs: Vec<PathBuf> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        // The plainest build runs on every machine.
        programs.sort();
        let mut child = Command::new(&programs[0])
            .arg("--model")
            .arg(needed("VALECHAT_MODEL"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        writeln!(stdin, "{{\"token\":\"{TOKEN}\"}}").unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
        let port = ready["port"]
            .as_u64()
            .and_then(|port| u16::try_from(port).ok());
        Self {
            _process: Process(child),
            _life_line: stdin,
            port: port.unwrap_or_else(|| panic!("{line}")),
        }
    }
}

/// A port that nobody listens on at this moment.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn await_port(port: u16, what: &str) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < deadline, "{what} does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn is_healthy(port: u16) -> bool {
    let asked = || -> std::io::Result<String> {
        let mut socket = std::net::TcpStream::connect(("127.0.0.1", port))?;
        socket
            .write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer)?;
        Ok(answer)
    };
    asked().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

/// Ollama's wire over another server, by somebody else.
pub(crate) struct OllamaProxy(PathBuf);

/// A server at an address.
pub(crate) struct Serving {
    _process: Process,
    url: String,
}

impl Serving {
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl OllamaProxy {
    pub(crate) fn find() -> Option<Self> {
        let program = PathBuf::from(std::env::var_os("VALECHAT_OLLAMA_PROXY")?);
        program.is_file().then_some(Self(program))
    }

    pub(crate) fn start(&self, infer: &Infer) -> Serving {
        let port = free_port();
        let process = Command::new(&self.0)
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .env("PROVIDERS_LLAMA_API_KEY", TOKEN)
            .env(
                "PROVIDERS_LLAMA_BASE_URL",
                format!("http://127.0.0.1:{}/v1", infer.port),
            )
            .env("EXTRA_MODELS", "llama/SmolLM2-135M-Instruct.Q4_1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let process = Process(process.unwrap());
        await_port(port, "the proxy");
        Serving {
            _process: process,
            url: format!("http://127.0.0.1:{port}"),
        }
    }
}

/// llama.cpp's server: the one that `cargo xtask test --full` builds, or one on the path.
pub(crate) struct LlamaServer(PathBuf);

impl LlamaServer {
    pub(crate) fn find() -> Option<Self> {
        if let Some(built) = std::env::var_os("VALECHAT_LLAMA_SERVER") {
            return Some(Self(built.into()));
        }
        let path = std::env::var_os("PATH")?;
        let mut programs = std::env::split_paths(&path).map(|folder| folder.join("llama-server"));
        programs.find(|program| program.is_file()).map(Self)
    }

    pub(crate) fn start(&self) -> Serving {
        let port = free_port();
        let process = Command::new(&self.0)
            .arg("-m")
            .arg(needed("VALECHAT_MODEL"))
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .args(["-t", "1", "-c", "4096", "-n", "64", "-np", "1", "--jinja"])
            .args(["--alias", "smollm2", "--no-webui"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let process = Process(process.unwrap());
        await_port(port, "llama-server");
        // It listens before its model is there.
        let deadline = Instant::now() + Duration::from_secs(120);
        while !is_healthy(port) {
            assert!(Instant::now() < deadline, "llama-server loads no model");
            std::thread::sleep(Duration::from_millis(20));
        }
        Serving {
            _process: process,
            url: format!("http://127.0.0.1:{port}"),
        }
    }
}
