//! A fake upstream in a process of its own, so that its work does not count as ours.
//!
//! Speaks just enough HTTP/1.1 to answer Chat Completions with a prepared stream. The model's
//! name says what to send: `events-COUNT-PERCHUNK`, `paced-COUNT-RATE`, or `endless`.

use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::Result;

/// The first argument of the process that serves.
pub(crate) const ARGUMENT: &str = "serve-upstream";

/// The process. Ends with this value, or with this process.
pub(crate) struct Process {
    child: Child,
    _life_line: ChildStdin,
    port: u16,
}

impl Process {
    pub(crate) fn start() -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(ARGUMENT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let life_line = child.stdin.take().ok_or("no pipe")?;
        let mut line = String::new();
        let stdout = child.stdout.take().ok_or("no pipe")?;
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line)?;
        Ok(Self {
            child,
            _life_line: life_line,
            port: line.trim().parse()?,
        })
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves until standard input ends.
pub(crate) async fn serve() -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    #[expect(clippy::print_stdout, reason = "tells the parent the port")]
    {
        println!("{}", listener.local_addr()?.port());
    }
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(0);
    });
    let closed_at = Arc::new(AtomicU64::new(0));
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let closed_at = Arc::clone(&closed_at);
        tokio::spawn(async move {
            // A connection that breaks is what some measurements are about.
            let _ = connection(socket, &closed_at).await;
        });
    }
}

/// Nanoseconds since the epoch: the one clock that two processes share in safe Rust.
pub(crate) fn now_ns() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or_default()
}

async fn connection(socket: TcpStream, closed_at: &AtomicU64) -> Result<()> {
    let mut socket = BufReader::new(socket);
    loop {
        let Some((head, body)) = request(&mut socket).await? else {
            return Ok(());
        };
        if head.starts_with("GET /closed") {
            let text = closed_at.load(Ordering::SeqCst).to_string();
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}",
                text.len()
            );
            socket.get_mut().write_all(answer.as_bytes()).await?;
            continue;
        }
        let wish = body
            .split("\"model\":\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next());
        let wish = wish.unwrap_or("events-20-1").to_owned();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        if wish == "endless" {
            closed_at.store(0, Ordering::SeqCst);
            socket.get_mut().write_all(head.as_bytes()).await?;
            socket
                .get_mut()
                .write_all(&chunk(event(0).as_bytes()))
                .await?;
            let mut one = [0];
            // Returns when the client closes.
            let _ = tokio::time::timeout(Duration::from_secs(30), socket.read(&mut one)).await;
            closed_at.store(now_ns(), Ordering::SeqCst);
            return Ok(());
        }
        let mut numbers = wish
            .split('-')
            .skip(1)
            .filter_map(|part| part.parse::<usize>().ok());
        let (count, per_chunk) = (numbers.next().unwrap_or(20), numbers.next().unwrap_or(1));
        // `paced-COUNT-RATE`: so many events, at so many a second.
        let pace = wish.starts_with("paced-").then(|| {
            let rate = u32::try_from(per_chunk.max(1)).unwrap_or(u32::MAX);
            Duration::from_secs(1) / rate
        });
        let per_chunk = if pace.is_some() { 1 } else { per_chunk };
        let begun = tokio::time::Instant::now();
        socket.get_mut().write_all(head.as_bytes()).await?;
        for first in (0..count).step_by(per_chunk.max(1)) {
            if let Some(pace) = pace {
                let turn = u32::try_from(first).unwrap_or(u32::MAX);
                tokio::time::sleep_until(begun + pace * turn).await;
            }
            let events: String = (first..count.min(first + per_chunk)).map(event).collect();
            socket
                .get_mut()
                .write_all(&chunk(events.as_bytes()))
                .await?;
        }
        let end = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
        socket.get_mut().write_all(&chunk(end.as_bytes())).await?;
        socket.get_mut().write_all(b"0\r\n\r\n").await?;
    }
}

/// About 230 bytes, as OpenAI's chunks are.
fn event(index: usize) -> String {
    format!(
        "data: {{\"id\":\"chatcmpl-0123456789abcdefghijklmnop\",\"object\":\"chat.completion.chunk\",\"created\":1764000000,\"model\":\"bench-model-2026\",\"system_fingerprint\":\"fp_0123456789\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\" token{index}\"}},\"finish_reason\":null}}]}}\n\n"
    )
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend_from_slice(bytes);
    chunk.extend_from_slice(b"\r\n");
    chunk
}

/// Reads one request: head and body.
async fn request(socket: &mut BufReader<TcpStream>) -> Result<Option<(String, String)>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match socket.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return Ok(None),
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let length = head
        .lines()
        .find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-length:")
                .map(str::to_owned)
        })
        .and_then(|length| length.trim().parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    socket.read_exact(&mut body).await?;
    Ok(Some((head, String::from_utf8_lossy(&body).into_owned())))
}
