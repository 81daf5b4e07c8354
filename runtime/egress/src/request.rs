//! What a plugin asks for, and the body as it is sent.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body::{Frame, SizeHint};

/// A request as the plugin wrote it; nothing of it is trusted.
#[derive(Clone, Debug, Default)]
pub struct HttpRequest {
    /// In upper case.
    pub method: String,
    /// Absolute.
    pub url: String,
    /// In order; names may repeat.
    pub headers: Vec<(String, String)>,
    /// Spliced in order. Empty means no body.
    pub body: Vec<BodyPart>,
}

/// A piece of a request body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyPart {
    /// As given.
    Bytes(Bytes),
    /// The bytes of a blob, by handle.
    Blob(String),
    /// The same in padded standard base64.
    BlobBase64(String),
    /// Its UTF-8 text, escaped as the inside of a JSON string.
    BlobJsonText(String),
}

/// Resolves the blob handles of one plugin's calls.
pub trait BlobSource: Send + Sync {
    /// The bytes of a blob. Called on a blocking thread.
    ///
    /// # Errors
    /// A sentence for the plugin's author, if the handle is unknown or not this plugin's.
    fn open(&self, id: &str) -> Result<Bytes, String>;
}

/// A request body: known length, cheap to clone, so it can be sent again. Base64 is made piece by
/// piece while sending, so a big image costs no second copy.
#[derive(Clone, Debug, Default)]
pub struct RequestBody {
    segments: Vec<Segment>,
}

#[derive(Clone, Debug)]
enum Segment {
    Raw(Bytes),
    Base64(Bytes),
}

/// Input bytes turned into base64 at a time; a multiple of 3, so that no padding falls inside.
const BASE64_PIECE: usize = 48 << 10;

impl RequestBody {
    pub(crate) fn push_raw(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.segments.push(Segment::Raw(bytes));
        }
    }

    pub(crate) fn push_base64(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.segments.push(Segment::Base64(bytes));
        }
    }

    /// Length in bytes as sent.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.segments.iter().map(Segment::len).sum()
    }

    /// Whether there is nothing to send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// The pieces as sent, in order.
    pub fn pieces(&self) -> impl Iterator<Item = Bytes> + Send + Sync + 'static {
        self.segments.clone().into_iter().flat_map(Segment::pieces)
    }

    /// All of it in one buffer.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut all = Vec::new();
        for piece in self.pieces() {
            all.extend_from_slice(&piece);
        }
        all.into()
    }

    /// As a streaming body that announces its length.
    pub(crate) fn into_http_body(self) -> PiecesBody {
        PiecesBody {
            left: self.len(),
            pieces: Box::new(self.pieces()),
        }
    }
}

impl Segment {
    fn len(&self) -> u64 {
        match self {
            Self::Raw(bytes) => bytes.len() as u64,
            Self::Base64(bytes) => (bytes.len() as u64).div_ceil(3) * 4,
        }
    }

    fn pieces(self) -> impl Iterator<Item = Bytes> + Send + Sync {
        let (mut rest, encode) = match self {
            Self::Raw(bytes) => (bytes, false),
            Self::Base64(bytes) => (bytes, true),
        };
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            if !encode {
                return Some(std::mem::take(&mut rest));
            }
            let piece = rest.split_to(rest.len().min(BASE64_PIECE));
            Some(Bytes::from(STANDARD.encode(piece)))
        })
    }
}

/// The form in which a body is handed to the client.
pub(crate) struct PiecesBody {
    left: u64,
    pieces: Box<dyn Iterator<Item = Bytes> + Send + Sync>,
}

impl http_body::Body for PiecesBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.pieces.next().map(|piece| {
            self.left = self.left.saturating_sub(piece.len() as u64);
            Ok(Frame::data(piece))
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_made_in_pieces_equals_base64_made_at_once() {
        for len in [
            0,
            1,
            2,
            3,
            4,
            BASE64_PIECE - 1,
            BASE64_PIECE,
            BASE64_PIECE + 1,
            200_000,
        ] {
            let blob = Bytes::from((0..len).map(|i| (i % 251) as u8).collect::<Vec<_>>());
            let mut body = RequestBody::default();
            body.push_raw(Bytes::from_static(b"{\"image\":\""));
            body.push_base64(blob.clone());
            body.push_raw(Bytes::from_static(b"\"}"));
            let expected = format!("{{\"image\":\"{}\"}}", STANDARD.encode(&blob));
            assert_eq!(body.to_bytes(), expected.as_bytes());
            assert_eq!(body.len(), expected.len() as u64);
        }
    }
}
