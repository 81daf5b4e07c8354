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
use crate::request::RequestBody;
use crate::{
    ConfigError, GateConfig, HttpError, HttpErrorKind, Rule, Transport, TransportRequest,
    TransportResponse,
};

/// How long a server may be silent.
const SILENCE: Duration = Duration::from_secs(60);
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

/// Why a file could not be fetched. Nothing is left behind.
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

/// Fetches the file. `progress` is told the bytes so far and, where the server says, all bytes.
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
    let written = write(&url, response, &aside, &mut progress).await;
    let judged = match written {
        Ok(found) if found.eq_ignore_ascii_case(&wish.sha256) => {
            tokio::fs::rename(&aside, &wish.to)
                .await
                .map_err(disk(&wish.to))
        }
        Ok(found) => Err(DownloadError::Hash {
            url: url.to_string(),
            found,
        }),
        Err(Broken::Disk(error)) => Err(disk(&aside)(error)),
        Err(Broken::Http(error)) => Err(DownloadError::Http {
            url: url.to_string(),
            error,
        }),
    };
    if judged.is_err() {
        // It may never have been made.
        let _ = tokio::fs::remove_file(&aside).await;
    }
    judged
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
                url: url.to_string(),
                error,
            })?;
        match response.status {
            200 => return Ok((url, response)),
            301 | 302 | 303 | 307 | 308 => {}
            status => {
                return Err(DownloadError::Status {
                    url: url.to_string(),
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
                    url: url.to_string(),
                    problem: problem.unwrap_or_default().to_owned(),
                });
            }
        }
    }
    Err(DownloadError::Redirect {
        url: wish.url.to_string(),
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

/// Writes the body aside and gives its SHA-256 in hex.
async fn write(
    url: &Url,
    response: TransportResponse,
    aside: &Path,
    progress: &mut impl FnMut(u64, Option<u64>),
) -> Result<String, Broken> {
    let whole = response
        .headers
        .get(http::header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let mut file = tokio::fs::File::create(aside).await.map_err(Broken::Disk)?;
    let mut hasher = Sha256::new();
    let mut written = 0_u64;
    let mut body = response.body;
    loop {
        let next = tokio::time::timeout(SILENCE, body.next())
            .await
            .map_err(|_| Broken::Http(silent(true)))?;
        let Some(bytes) = next else { break };
        let bytes = bytes.map_err(Broken::Http)?;
        hasher.update(&bytes);
        file.write_all(&bytes).await.map_err(Broken::Disk)?;
        written = written.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        progress(written, whole);
    }
    tracing::debug!(%url, written, "fetched");
    file.sync_all().await.map_err(Broken::Disk)?;
    let hash = hasher.finalize();
    Ok(hash.iter().map(|byte| format!("{byte:02x}")).collect())
}
