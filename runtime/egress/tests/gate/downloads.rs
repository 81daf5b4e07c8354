//! Fetching a file by address and hash.

use std::path::PathBuf;

use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;
use url::Url;
use vale_egress::{Download, DownloadError, HttpErrorKind, download};

use crate::support::{PATIENCE, Upstream, ok, read_request, silent_after};

const FILE: &str = "not really a model";

fn sha256(text: &str) -> String {
    Sha256::digest(text)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn wish(url: &str, sha256: String, to: PathBuf) -> Download {
    Download {
        url: Url::parse(url).unwrap(),
        sha256,
        to,
        proxy: None,
        extra_roots: Vec::new(),
    }
}

#[tokio::test]
async fn a_file_appears_whole_or_not_at_all() {
    let upstream = Upstream::answering(|_| ok("", FILE)).await;
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("models/a.gguf");
    let mut told = Vec::new();
    let right = wish(&upstream.url("/a.gguf"), sha256(FILE), to.clone());
    download(&right, |written, whole| told.push((written, whole)))
        .await
        .unwrap();
    assert_eq!(std::fs::read_to_string(&to).unwrap(), FILE);
    assert_eq!(told.last(), Some(&(18, Some(18))));

    let other = folder.path().join("models/b.gguf");
    let wrong = wish(&upstream.url("/a.gguf"), sha256("another"), other.clone());
    let error = download(&wrong, |_, _| {}).await.unwrap_err();
    assert!(
        matches!(&error, DownloadError::Hash { found, .. } if *found == sha256(FILE)),
        "{error}"
    );
    let left = std::fs::read_dir(folder.path().join("models"))
        .unwrap()
        .count();
    assert_eq!(left, 1, "nothing but the good file");
}

#[tokio::test]
async fn addresses_that_lead_inside_or_to_plain_http_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("a.gguf");
    let away = Upstream::answering(|_| {
        b"HTTP/1.1 302 Found\r\nlocation: http://192.0.2.7/a\r\ncontent-length: 0\r\n\r\n".to_vec()
    })
    .await;
    let error = download(&wish(&away.url("/a"), sha256(FILE), to.clone()), |_, _| {}).await;
    assert!(
        matches!(error, Err(DownloadError::Redirect { .. })),
        "{error:?}"
    );
    for address in [
        "http://169.254.169.254/a",
        "http://example.com/a",
        "https://127.0.0.1/a",
    ] {
        let refused = download(&wish(address, sha256(FILE), to.clone()), |_, _| {}).await;
        let denied = match &refused {
            Err(DownloadError::Address(_)) => true,
            Err(DownloadError::Http { error, .. }) => {
                matches!(error.kind, HttpErrorKind::Denied | HttpErrorKind::Dns)
            }
            _ => false,
        };
        assert!(denied, "{address}: {refused:?}");
    }
}

#[tokio::test]
async fn a_cut_or_missing_file_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("a.gguf");
    let cut = Upstream::start(|mut socket| async move {
        read_request(&mut socket).await;
        let half = b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nhalf";
        socket.write_all(half).await.unwrap();
    })
    .await;
    let error = download(&wish(&cut.url("/a"), sha256(FILE), to.clone()), |_, _| {}).await;
    assert!(
        matches!(error, Err(DownloadError::Http { .. })),
        "{error:?}"
    );
    let missing =
        Upstream::answering(|_| b"HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n".to_vec()).await;
    let error = download(&wish(&missing.url("/a"), sha256(FILE), to), |_, _| {}).await;
    assert!(
        matches!(error, Err(DownloadError::Status { status: 404, .. })),
        "{error:?}"
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_dropped_download_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("a.gguf");
    let (upstream, _told) =
        silent_after(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nhalf").await;
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let half = wish(&upstream.url("/a"), sha256(FILE), to);
    let mut fetching = Box::pin(download(&half, move |written, _| {
        tell.send(written).unwrap();
    }));
    tokio::select! {
        _ = &mut fetching => unreachable!("the server never ends"),
        written = tokio::time::timeout(PATIENCE, told.recv()) => {
            assert_eq!(written.unwrap(), Some(4));
        }
    }
    let parts = || std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(parts(), 1, "it was being written");
    drop(fetching);
    assert_eq!(parts(), 0);
}

#[tokio::test]
async fn errors_show_no_user_query_or_fragment() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::answering(|seen| match seen.head.split([' ', '?']).nth(1) {
        Some("/other") => ok("", "another file"),
        Some("/away") => b"HTTP/1.1 302 Found\r\nlocation: http://u:s3cret@192.0.2.7/a?s3cret\r\ncontent-length: 0\r\n\r\n".to_vec(),
        Some("/round") => b"HTTP/1.1 302 Found\r\nlocation: /round?s3cret\r\ncontent-length: 0\r\n\r\n".to_vec(),
        Some("/broken") => b"no http at all\r\n\r\n".to_vec(),
        _ => b"HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n".to_vec(),
    })
    .await;
    for path in ["/other", "/away", "/round", "/broken", "/missing"] {
        let address = format!("http://u:s3cret@{}{path}?k=s3cret#s3cret", upstream.address);
        let to = folder.path().join("a.gguf");
        let error = download(&wish(&address, sha256(FILE), to), |_, _| {})
            .await
            .unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(!text.contains("s3cret"), "{text}");
        assert!(text.contains(&upstream.url(path)), "{text}");
    }
}
