//! A raw TCP upstream that says exactly what a test wants, and a gate that may reach it.

#![allow(
    dead_code,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason
)]

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use vale_egress::{
    Credential, CredentialPlace, Gate, GateConfig, HttpError, HttpRequest, HttpResponse,
    NameResolver, Origin, Resolved, ResponseBody, Rule,
};
use vale_secrets::Secret;

/// Long enough that a machine under load never reaches it; a test that does has hung.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"];

/// One request as it stood on the wire.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

/// Reads one request; `None` when the client hung up.
pub(crate) async fn read_request(socket: &mut (impl AsyncRead + Unpin)) -> Option<Seen> {
    let mut bytes = Vec::new();
    let end = loop {
        let mut piece = vec![0; 4096];
        let n = socket.read(&mut piece).await.ok()?;
        if n == 0 {
            return None;
        }
        bytes.extend_from_slice(&piece[..n]);
        if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
    };
    let mut seen = Seen {
        head: String::from_utf8(bytes[..end].to_vec()).unwrap(),
        body: bytes[end..].to_vec(),
    };
    let length: usize = seen
        .header("content-length")
        .map_or(0, |v| v.parse().unwrap());
    while seen.body.len() < length {
        let mut piece = vec![0; 65536];
        let n = socket.read(&mut piece).await.ok()?;
        if n == 0 {
            return None;
        }
        seen.body.extend_from_slice(&piece[..n]);
    }
    Some(seen)
}

/// A server that runs one script per connection.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    pub(crate) connections: Arc<AtomicUsize>,
}

impl Upstream {
    pub(crate) async fn start<F, Fut>(script: F) -> Self
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
                tokio::spawn(script(socket));
            }
        });
        Self {
            address,
            connections,
        }
    }

    /// Answers every request on a connection with what `answer` returns; an empty answer closes.
    pub(crate) async fn answering(
        answer: impl Fn(&Seen) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        let answer = Arc::new(answer);
        Self::start(move |mut socket| {
            let answer = Arc::clone(&answer);
            async move {
                while let Some(seen) = read_request(&mut socket).await {
                    let bytes = answer(&seen);
                    if bytes.is_empty() || socket.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
            }
        })
        .await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn rule(&self) -> Rule {
        Rule::parse(&self.url(""), METHODS, true).unwrap()
    }

    /// A gate that may reach this server in every way.
    pub(crate) fn gate(&self) -> Gate {
        Gate::new(self.config()).unwrap()
    }

    pub(crate) fn config(&self) -> GateConfig {
        let mut config = GateConfig::new("test");
        config.rules = vec![self.rule()];
        config
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

pub(crate) fn ok(headers: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

pub(crate) fn get(url: impl Into<String>) -> HttpRequest {
    HttpRequest {
        method: "GET".to_owned(),
        url: url.into(),
        ..HttpRequest::default()
    }
}

pub(crate) fn post(url: impl Into<String>, body: &'static str) -> HttpRequest {
    HttpRequest {
        method: "POST".to_owned(),
        url: url.into(),
        headers: vec![("content-type".to_owned(), "text/plain".to_owned())],
        body: vec![vale_egress::BodyPart::Bytes(Bytes::from_static(
            body.as_bytes(),
        ))],
    }
}

pub(crate) async fn send(gate: &Gate, request: HttpRequest) -> Result<HttpResponse, HttpError> {
    let sending = gate.begin_call().send(request);
    tokio::time::timeout(PATIENCE, sending).await.unwrap()
}

/// The error of a request that must fail.
pub(crate) async fn refused(gate: &Gate, request: HttpRequest) -> HttpError {
    match send(gate, request).await {
        Ok(response) => panic_with(&format!("answered {}", response.status)),
        Err(error) => error,
    }
}

#[expect(clippy::panic, reason = "a test fails here")]
fn panic_with(text: &str) -> ! {
    panic!("{text}")
}

/// All bytes of a body, and how it ended.
pub(crate) async fn drain(mut body: ResponseBody) -> (Vec<u8>, Option<HttpError>) {
    let reading = async {
        let mut bytes = Vec::new();
        while let Some(chunk) = body.next().await {
            match chunk {
                Ok(chunk) => bytes.extend_from_slice(&chunk),
                Err(error) => return (bytes, Some(error)),
            }
        }
        (bytes, None)
    };
    tokio::time::timeout(PATIENCE, reading).await.unwrap()
}

pub(crate) async fn text(response: HttpResponse) -> String {
    let (bytes, error) = drain(response.body).await;
    assert_eq!(error, None);
    String::from_utf8(bytes).unwrap()
}

pub(crate) fn credential(name: &str, url: &str, secret: Option<&str>) -> Credential {
    Credential {
        name: name.to_owned(),
        header: http::header::AUTHORIZATION,
        template: "Bearer {key}".to_owned(),
        places: vec![CredentialPlace {
            origin: Origin::parse(url).unwrap(),
            path_prefix: None,
        }],
        required: true,
        secret: secret.map(|text| Secret::new(text.to_owned()).ok().unwrap()),
    }
}

/// Names lead where the test says; every lookup is counted.
pub(crate) struct Names {
    pub(crate) addresses: Vec<(&'static str, Vec<IpAddr>)>,
    pub(crate) lookups: AtomicUsize,
}

impl Names {
    pub(crate) fn new(addresses: &[(&'static str, &[&str])]) -> Arc<Self> {
        Arc::new(Self {
            addresses: addresses
                .iter()
                .map(|(name, ips)| (*name, ips.iter().map(|ip| ip.parse().unwrap()).collect()))
                .collect(),
            lookups: AtomicUsize::new(0),
        })
    }
}

impl NameResolver for Names {
    fn lookup(&self, name: String) -> BoxFuture<'static, Resolved> {
        self.lookups.fetch_add(1, Ordering::SeqCst);
        let found = self.addresses.iter().find(|(known, _)| *known == name);
        let answer = found.map(|(_, ips)| ips.clone());
        Box::pin(async move { answer.ok_or_else(|| std::io::Error::other("no such name")) })
    }
}

/// Sends `before` in answer to a request, then nothing; tells when it was asked and when the client's side of a connection is gone.
pub(crate) async fn silent_after(
    before: &'static [u8],
) -> (Upstream, tokio::sync::mpsc::UnboundedReceiver<&'static str>) {
    let (tell, told) = tokio::sync::mpsc::unbounded_channel();
    let upstream = Upstream::start(move |mut socket| {
        let tell = tell.clone();
        async move {
            read_request(&mut socket).await;
            socket.write_all(before).await.unwrap();
            tell.send("asked").unwrap();
            let mut byte = [0];
            if matches!(socket.read(&mut byte).await, Ok(0) | Err(_)) {
                tell.send("gone").unwrap();
            }
        }
    })
    .await;
    (upstream, told)
}
