//! The peer: a plain reqwest client that splits SSE lines and parses each chunk, in this process.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use serde::Deserialize;

use crate::Result;

#[derive(Deserialize)]
struct Chunk {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    delta: Delta,
}

#[derive(Deserialize)]
struct Delta {
    content: Option<String>,
}

/// What one answer took.
pub(crate) struct Timing {
    pub(crate) first: Duration,
    pub(crate) total: Duration,
    pub(crate) events: u64,
}

pub(crate) struct Direct {
    client: reqwest::Client,
    url: String,
}

impl Direct {
    #[expect(
        clippy::disallowed_methods,
        reason = "the peer that the gate is measured against"
    )]
    pub(crate) fn new(base_url: &str) -> Result<Self> {
        let client = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self {
            client,
            url: format!("{base_url}/chat/completions"),
        })
    }

    pub(crate) async fn get(&self, url: &str) -> Result<String> {
        Ok(self.client.get(url).send().await?.text().await?)
    }

    pub(crate) async fn answer(&self, model: &str) -> Result<Timing> {
        let body = format!(
            "{{\"model\":\"{model}\",\"stream\":true,\"messages\":[{{\"role\":\"user\",\"content\":\"hi\"}}]}}"
        );
        let start = Instant::now();
        let mut first = None;
        let mut events = 0;
        let response = self
            .client
            .post(&self.url)
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await?;
        let mut bytes = response.bytes_stream();
        let mut buffer: Vec<u8> = Vec::new();
        while let Some(piece) = bytes.next().await {
            buffer.extend_from_slice(&piece?);
            let mut rest = buffer.as_slice();
            while let Some((frame, after)) = split_frame(rest) {
                rest = after;
                let Some(data) = frame.strip_prefix(b"data: ") else {
                    continue;
                };
                if data == b"[DONE]" {
                    continue;
                }
                let chunk: Chunk = serde_json::from_slice(data)?;
                if chunk
                    .choices
                    .iter()
                    .any(|choice| choice.delta.content.is_some())
                {
                    first.get_or_insert_with(|| start.elapsed());
                    events += 1;
                }
            }
            let used = buffer.len() - rest.len();
            buffer.drain(..used);
        }
        Ok(Timing {
            first: first.ok_or("no event")?,
            total: start.elapsed(),
            events,
        })
    }
}

/// The bytes before the first empty line, and those after it.
fn split_frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memmem::find(bytes, b"\n\n")?;
    let (frame, rest) = bytes.split_at_checked(end)?;
    Some((frame, rest.get(2..)?))
}
