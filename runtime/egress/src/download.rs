//! Fetching one file that the person asked for, by address and SHA-256: a model for the local server.
//!
//! The host's own request, not a plugin's: no credential goes with it, and what comes back is trusted
//! for its hash alone. The address rules are the gate's: public hosts over https, or a local server
//! that the person typed. Redirects may leave the origin (model hubs hand out their storage's
//! address), but only to public hosts over https.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::StreamExt as _;
use http::header::LOCATION;
use http::{HeaderMap, HeaderValue, Method};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;
use url::Url;

use crate::client::Network;
use crate::redirect::shown;
use crate::request::RequestBody;
use crate::{
    ConfigError, GateConfig, HttpError, HttpErrorKind, Rule, Transport, TransportRequest,
    TransportResponse,
};

/// How long a server may be silent.
const SILENCE: Duration = Duration::from_secs(60);
/// Bytes of the longest file taken. The largest models that a personal computer's memory holds (70
/// billion parameters at 6 bits) stay below it; without an end a server could fill the disk.
const MAX_BYTES: u64 = 64 << 30;
/// Redirects followed.
const MAX_HOPS: usize = 5;

/// What to fetch.
#[derive(Clone, Debug)]
pub struct Download {
    /// Where from.
    pub url: Url,
    /// SHA-256 of the whole file, hex.
    pub sha256: String,
    /// Where to. Appears only when it is whole and its hash is right.
    pub to: PathBuf,
    /// As in [`GateConfig::proxy`].
    pub proxy: Option<Url>,
    /// As in [`GateConfig::extra_roots`].
    pub extra_roots: Vec<Vec<u8>>,
}

/// Why a file could not be fetched. Nothing is left behind. Addresses are shown without user, query
/// and fragment: storage hands out links whose query is a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DownloadError {
    /// The address may not be used.
    #[error(transparent)]
    Address(#[from] ConfigError),
    /// The network failed.
    #[error("{url} could not be fetched: {error}")]
    Http {
        /// Where.
        url: String,
        /// Why.
        error: HttpError,
    },
    /// The server answered something other than the file.
    #[error("{url} answered with status {status} instead of the file.")]
    Status {
        /// Where.
        url: String,
        /// HTTP status.
        status: u16,
    },
    /// Too many redirects, or one that leads nowhere.
    #[error("{url} redirects {problem}.")]
    Redirect {
        /// Where.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The file is not the one that was named.
    #[error(
        "The file from {url} has another SHA-256 than the settings say, so it was thrown away (found {found}). Correct `sha256`, or fetch it from a place that you trust."
    )]
    Hash {
        /// Where.
        url: String,
        /// What was found, hex.
        found: String,
    },
    /// The disk.
    #[error("{path} could not be written: {reason}. Free some space or choose another folder.")]
    Disk {
        /// What was written.
        path: PathBuf,
        /// Why it failed.
        reason: String,
    },
}

/// Fetches the file; dropping the future leaves nothing behind either. `progress` is told the bytes so far and, where the server says, all bytes.
///
/// # Errors
/// See [`DownloadError`]; the file at `to` is then as it was before.
pub async fn download(
    wish: &Download,
    mut progress: impl FnMut(u64, Option<u64>),
) -> Result<(), DownloadError> {
    let (url, response) = open(wish).await?;
    let disk = |path: &Path| {
        let path = path.to_owned();
        move |error: io::Error| DownloadError::Disk {
            path,
            reason: error.to_string(),
        }
    };
    let folder = wish.to.parent().unwrap_or(Path::new("."));
    tokio::fs::create_dir_all(folder)
        .await
        .map_err(disk(folder))?;
    let aside = wish
        .to
        .with_extension(format!("{}.part", std::process::id()));
    let mut part = Part::new(aside);
    let aside = part.path.as_path();
    let written = write(response, aside, MAX_BYTES, &mut progress).await;
    let judged = match written {
        Ok(found) if found.eq_ignore_ascii_case(&wish.sha256) => tokio::fs::rename(aside, &wish.to)
            .await
            .map_err(disk(&wish.to)),
        Ok(found) => Err(DownloadError::Hash {
            url: shown(&url),
            found,
        }),
        Err(Broken::Disk(error)) => Err(disk(aside)(error)),
        Err(Broken::Http(error)) => Err(DownloadError::Http {
            url: shown(&url),
            error,
        }),
    };
    part.moved = judged.is_ok();
    judged
}

/// The file while it is not whole. Removed when dropped, so that nothing stays behind when the
/// download fails or the future is dropped.
struct Part {
    path: PathBuf,
    /// It became the wanted file.
    moved: bool,
}

impl Part {
    fn new(path: PathBuf) -> Self {
        Self { path, moved: false }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.moved {
            // It may never have been made.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

enum Broken {
    Disk(io::Error),
    Http(HttpError),
}

/// Follows redirects to the file's own response.
async fn open(wish: &Download) -> Result<(Url, TransportResponse), DownloadError> {
    let mut url = wish.url.clone();
    let mut local = url.scheme() == "http";
    for _ in 0..=MAX_HOPS {
        let mut config = GateConfig::new("download");
        config.rules = vec![Rule::parse(
            &url.origin().ascii_serialization(),
            ["GET"],
            local,
        )?];
        config.proxy.clone_from(&wish.proxy);
        config.extra_roots.clone_from(&wish.extra_roots);
        let network = Network::new(&config)?;
        let mut headers = HeaderMap::new();
        headers.insert(
            http::header::ACCEPT_ENCODING,
            HeaderValue::from_static("identity"),
        );
        let request = TransportRequest {
            method: Method::GET,
            url: url.clone(),
            headers,
            body: RequestBody::default(),
        };
        let response = tokio::time::timeout(SILENCE, network.round_trip(request))
            .await
            .unwrap_or_else(|_| Err(silent(false)))
            .map_err(|error| DownloadError::Http {
                url: shown(&url),
                error,
            })?;
        match response.status {
            200 => return Ok((url, response)),
            301 | 302 | 303 | 307 | 308 => {}
            status => {
                return Err(DownloadError::Status {
                    url: shown(&url),
                    status,
                });
            }
        }
        let location = response
            .headers
            .get(LOCATION)
            .and_then(|value| value.to_str().ok());
        let next = location.and_then(|location| url.join(location).ok());
        let problem = match &next {
            None => Some("to no address"),
            Some(next) if local && next.origin() == url.origin() => None,
            Some(next) if next.scheme() == "https" => None,
            Some(_) => Some("to an address without encryption"),
        };
        match (next, problem) {
            (Some(next), None) => {
                local = local && next.origin() == url.origin();
                url = next;
            }
            (_, problem) => {
                return Err(DownloadError::Redirect {
                    url: shown(&url),
                    problem: problem.unwrap_or_default().to_owned(),
                });
            }
        }
    }
    Err(DownloadError::Redirect {
        url: shown(&wish.url),
        problem: format!("more than {MAX_HOPS} times"),
    })
}

fn silent(request_sent: bool) -> HttpError {
    HttpError {
        kind: HttpErrorKind::Timeout,
        message: format!("The server was silent for {} s.", SILENCE.as_secs()),
        request_sent,
    }
}

fn too_long(message: String) -> Broken {
    Broken::Http(HttpError::sent(HttpErrorKind::TooLarge, message))
}

/// Writes the body aside, as far as the server announced it and no more than `limit` bytes, and
/// gives its SHA-256 in hex.
async fn write(
    response: TransportResponse,
    aside: &Path,
    limit: u64,
    progress: &mut impl FnMut(u64, Option<u64>),
) -> Result<String, Broken> {
    let whole = response
        .headers
        .get(http::header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let over_limit = || too_long(format!("The file is longer than {limit} bytes"));
    if whole.is_some_and(|whole| whole > limit) {
        return Err(over_limit());
    }
    // Not on tokio's blocking threads: there it might appear after this future was dropped.
    let file = std::fs::File::create(aside).map_err(Broken::Disk)?;
    let mut file = tokio::fs::File::from_std(file);
    let mut hasher = Sha256::new();
    let mut written = 0_u64;
    let mut body = response.body;
    loop {
        let next = tokio::time::timeout(SILENCE, body.next())
            .await
            .map_err(|_| Broken::Http(silent(true)))?;
        let Some(bytes) = next else { break };
        let bytes = bytes.map_err(Broken::Http)?;
        written = written.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if let Some(whole) = whole.filter(|whole| written > *whole) {
            return Err(too_long(format!(
                "The server sent more than the {whole} bytes that it announced"
            )));
        }
        if written > limit {
            return Err(over_limit());
        }
        hasher.update(&bytes);
        file.write_all(&bytes).await.map_err(Broken::Disk)?;
        progress(written, whole);
    }
    file.sync_all().await.map_err(Broken::Disk)?;
    let hash = hasher.finalize();
    Ok(hash.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    /// What comes of a body of these chunks, with what is left in the folder.
    async fn written(announced: Option<u64>, chunks: &[&'static str]) -> (bool, String, usize) {
        let folder = tempfile::tempdir().unwrap();
        let part = Part::new(folder.path().join("a.part"));
        let mut headers = HeaderMap::new();
        if let Some(length) = announced {
            headers.insert(http::header::CONTENT_LENGTH, length.into());
        }
        let chunks: Vec<_> = chunks
            .iter()
            .map(|c| Ok(Bytes::from_static(c.as_bytes())))
            .collect();
        let response = TransportResponse {
            status: 200,
            headers,
            // Never ends: what must stop it is not its end.
            body: Box::pin(
                futures::stream::iter(chunks)
                    .chain(futures::stream::once(async { Err(silent(true)) })),
            ),
        };
        let broken = write(response, &part.path, 10, &mut |_, _| {}).await.err();
        let on_disk = std::fs::read(&part.path).map_or(0, |bytes| bytes.len());
        drop(part);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        match broken {
            Some(Broken::Http(error)) => (
                error.kind == HttpErrorKind::TooLarge,
                error.message,
                on_disk,
            ),
            _ => (false, "something else".to_owned(), on_disk),
        }
    }

    #[tokio::test]
    async fn a_body_is_written_up_to_its_announced_length_and_the_limit() {
        let (too_large, message, on_disk) = written(Some(4), &["1234", "5"]).await;
        assert!(too_large && message.contains("announced"), "{message}");
        assert!(on_disk <= 4);
        for (announced, chunks) in [(None, vec!["12345678", "901"]), (Some(11), vec!["1"])] {
            let (too_large, message, on_disk) = written(announced, &chunks).await;
            assert!(too_large && message.contains("10 bytes"), "{message}");
            assert!(on_disk <= 10);
        }
        // At the limits it is the stream's own error that ends it.
        assert!(!written(None, &["1234567890"]).await.0);
        assert!(!written(Some(4), &["1234"]).await.0);
    }
}
