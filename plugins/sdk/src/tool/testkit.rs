//! Calls tools natively, against a host that answers from a table.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::task::{Poll, Waker};

use super::{BlobError, Host, KvError, Level, Received, Tools};
use crate::context::Context;
use crate::http::HttpReply;
use crate::types::{
    Blob, Error, ErrorKind, HttpError, HttpErrorKind, HttpRequest, ResultPart, ToolCall, ToolResult,
};

/// A host without a network: replies are looked up by URL, everything that was asked is kept.
#[derive(Debug, Default)]
pub struct FakeHost {
    context: Context,
    now_unix_ms: u64,
    max_kv_bytes: Option<usize>,
    replies: BTreeMap<String, Result<HttpReply, HttpError>>,
    requests: RefCell<Vec<HttpRequest>>,
    kv: RefCell<BTreeMap<String, Vec<u8>>>,
    blobs: RefCell<BTreeMap<String, Vec<u8>>>,
    lines: RefCell<Vec<(Level, String)>>,
}

impl FakeHost {
    /// A host with these settings (a JSON object).
    ///
    /// # Errors
    /// The settings are no JSON object.
    pub fn with_settings(json: &str) -> Result<Self, Error> {
        Ok(Self {
            context: Context::new(json, Vec::new())?,
            ..Self::default()
        })
    }

    /// With this context, for credentials.
    #[must_use]
    pub fn context(mut self, context: Context) -> Self {
        self.context = context;
        self
    }

    /// At this time, in milliseconds since 1970.
    #[must_use]
    pub fn at(mut self, now_unix_ms: u64) -> Self {
        self.now_unix_ms = now_unix_ms;
        self
    }

    /// Answers requests of this URL with this; [`parse_recording`](crate::testkit::parse_recording)
    /// makes a reply of a recording.
    #[must_use]
    pub fn reply(mut self, url: &str, reply: HttpReply) -> Self {
        self.replies.insert(url.into(), Ok(reply));
        self
    }

    /// Fails requests of this URL so. A URL that nothing was said about is `denied`.
    #[must_use]
    pub fn fail(mut self, url: &str, kind: HttpErrorKind, message: &str) -> Self {
        self.replies.insert(url.into(), Err(failure(kind, message)));
        self
    }

    /// With room for this many bytes of kept values; without it there is no end.
    #[must_use]
    pub fn max_kv_bytes(mut self, bytes: usize) -> Self {
        self.max_kv_bytes = Some(bytes);
        self
    }

    /// With an attachment.
    #[must_use]
    pub fn blob(self, id: &str, bytes: &[u8]) -> Self {
        self.blobs.borrow_mut().insert(id.into(), bytes.to_vec());
        self
    }

    /// What was sent, in order.
    pub fn requests(&self) -> Vec<HttpRequest> {
        self.requests.borrow().clone()
    }

    /// What was logged, in order.
    pub fn lines(&self) -> Vec<(Level, String)> {
        self.lines.borrow().clone()
    }

    /// Calls a tool with these arguments (JSON) as a model would.
    ///
    /// # Errors
    /// The call failed; also if the tool waits for something that is not this host.
    pub fn call<T: Tools>(&self, name: &str, arguments: &str) -> Result<ToolResult, Error> {
        let call = ToolCall {
            id: "call-1".into(),
            name: name.into(),
            arguments_json: arguments.into(),
            signature: None,
        };
        let future = std::pin::pin!(super::invoke::<T, _>(self, call));
        // Nothing of this host ever waits, so one poll is the whole call.
        match future.poll(&mut std::task::Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(Error::new(
                ErrorKind::Internal,
                "The tool waits for something that is not the host.",
            )),
        }
    }
}

/// All texts of a result, joined by line breaks.
pub fn text_of(result: &ToolResult) -> String {
    let texts = result.content.iter().filter_map(|part| match part {
        ResultPart::Text(text) => Some(text.as_str()),
        _ => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}

impl Host for FakeHost {
    fn context(&self) -> &Context {
        &self.context
    }

    fn now_unix_ms(&self) -> u64 {
        self.now_unix_ms
    }

    /// Not random: 0, 1, 2 and so on.
    fn random(&self, len: u32) -> Vec<u8> {
        (0..len).map(|at| at.to_le_bytes()[0]).collect()
    }

    fn log(&self, level: Level, message: &str) {
        self.lines.borrow_mut().push((level, message.into()));
    }

    async fn send(&self, request: HttpRequest, max_bytes: usize) -> Result<Received, HttpError> {
        let known = self.replies.get(&request.url).cloned();
        let url = request.url.clone();
        self.requests.borrow_mut().push(request);
        let mut reply = known.unwrap_or_else(|| {
            let message = format!("{url} is not granted");
            Err(failure(HttpErrorKind::Denied, &message))
        })?;
        if reply.url.is_empty() {
            reply.url = url;
        }
        let is_whole = reply.body.len() <= max_bytes;
        reply.body.truncate(max_bytes);
        Ok(Received { reply, is_whole })
    }

    fn kv_get(&self, key: &str) -> Option<Vec<u8>> {
        self.kv.borrow().get(key).cloned()
    }

    fn kv_set(&self, key: &str, value: &[u8]) -> Result<(), KvError> {
        let mut kv = self.kv.borrow_mut();
        let others = kv.iter().filter(|(have, _)| have.as_str() != key);
        let used: usize = others.map(|(key, value)| key.len() + value.len()).sum();
        if self
            .max_kv_bytes
            .is_some_and(|max| used + key.len() + value.len() > max)
        {
            return Err(KvError::Full);
        }
        kv.insert(key.into(), value.to_vec());
        Ok(())
    }

    fn kv_delete(&self, key: &str) {
        self.kv.borrow_mut().remove(key);
    }

    fn kv_list(&self, prefix: &str, after: Option<&str>, limit: u32) -> Vec<String> {
        let kv = self.kv.borrow();
        kv.keys()
            .filter(|key| key.starts_with(prefix))
            .filter(|key| after.is_none_or(|after| key.as_str() > after))
            .take(usize::try_from(limit).unwrap_or(usize::MAX))
            .cloned()
            .collect()
    }

    fn blob_read(&self, id: &str, offset: u64, len: u32) -> Result<Vec<u8>, BlobError> {
        let blobs = self.blobs.borrow();
        let bytes = blobs.get(id).ok_or(BlobError::Unknown)?;
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = bytes.get(offset..).unwrap_or_default();
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        Ok(rest.get(..len).unwrap_or(rest).to_vec())
    }

    fn blob_put(
        &self,
        media_type: &str,
        name: Option<&str>,
        bytes: &[u8],
    ) -> Result<Blob, BlobError> {
        let mut blobs = self.blobs.borrow_mut();
        let id = format!("put-{}", blobs.len());
        blobs.insert(id.clone(), bytes.to_vec());
        Ok(Blob {
            id,
            media_type: media_type.into(),
            size: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            name: name.map(str::to_string),
        })
    }
}

fn failure(kind: HttpErrorKind, message: &str) -> HttpError {
    HttpError {
        kind,
        message: message.into(),
        request_sent: false,
        extras: Vec::new(),
    }
}
