//! A server on loopback that sends exactly the bytes that a test wants, and counts who comes.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use vale_egress::{Gate, GateConfig, Rule};

/// A request as it stood on the wire.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Request line and headers.
    pub head: String,
}

impl Seen {
    /// The path with its query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// Reads one request without a body; none when the client has hung up.
pub async fn read_request(socket: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        // One byte at a time: slow, and never too far.
        bytes.push(socket.read_u8().await.ok()?);
    }
    Some(Seen {
        head: String::from_utf8(bytes).unwrap(),
    })
}

/// A whole answer with this body; `headers` are whole lines.
#[must_use]
pub fn ok(headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\n{headers}content-length: {length}\r\n\r\n{body}").into_bytes()
}

/// A server. It lives as long as the test's runtime.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// Where it listens.
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Upstream {
    /// Runs `script` for each connection.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start<F, Fut>(script: F) -> Self
    where
        F: Fn(TcpStream) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                let _ = socket.set_nodelay(true);
                tokio::spawn(script(socket));
            }
        });
        Self {
            address,
            connections,
        }
    }

    /// Answers each request with what `answer` returns.
    pub async fn answering(answer: impl Fn(&Seen) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let answer = Arc::new(answer);
        Self::start(move |mut socket| {
            let answer = Arc::clone(&answer);
            async move {
                while let Some(seen) = read_request(&mut socket).await {
                    if socket.write_all(&answer(&seen)).await.is_err() {
                        return;
                    }
                }
            }
        })
        .await
    }

    /// How many connections it has accepted.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// A URL of this server.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The grant of this server and nothing else.
    ///
    /// # Panics
    /// When such a rule is refused.
    #[must_use]
    pub fn grant(&self) -> GateConfig {
        let mut config = GateConfig::new("test");
        config.rules = vec![Rule::parse(&self.url(""), ["GET", "POST"], true).unwrap()];
        config
    }

    /// A gate to this server and nothing else.
    ///
    /// # Panics
    /// When such a gate is refused.
    #[must_use]
    pub fn gate(&self) -> Gate {
        Gate::new(self.grant()).unwrap()
    }
}

/// One exchange whose pace the test sets.
pub struct Held {
    /// The server; it answers one connection.
    pub upstream: Upstream,
    /// Sends a chunk of the body; dropped, the body ends.
    pub chunks: mpsc::UnboundedSender<String>,
    /// Yields when the request is there, and ends when the client is gone.
    pub events: mpsc::UnboundedReceiver<()>,
}

impl Held {
    /// Starts the server.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start() -> Self {
        let (chunks, to_send) = mpsc::unbounded_channel::<String>();
        let (tell, events) = mpsc::unbounded_channel();
        let once = std::sync::Mutex::new(Some((to_send, tell)));
        let upstream = Upstream::start(move |socket| {
            let ends = once.lock().unwrap().take();
            async move {
                if let Some((to_send, tell)) = ends {
                    hold(socket, to_send, tell).await;
                }
            }
        })
        .await;
        Self {
            upstream,
            chunks,
            events,
        }
    }
}

async fn hold(
    mut socket: TcpStream,
    mut to_send: mpsc::UnboundedReceiver<String>,
    tell: mpsc::UnboundedSender<()>,
) {
    if read_request(&mut socket).await.is_none() || tell.send(()).is_err() {
        return;
    }
    let (mut from_client, mut to_client) = socket.split();
    let gone = async { while from_client.read_u8().await.is_ok() {} };
    let sending = async {
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        to_client.write_all(head).await?;
        while let Some(text) = to_send.recv().await {
            let chunk = format!("{:x}\r\n{text}\r\n", text.len());
            to_client.write_all(chunk.as_bytes()).await?;
        }
        to_client.write_all(b"0\r\n\r\n").await
    };
    tokio::select! {
        () = gone => {}
        _ = sending => {}
    }
}
