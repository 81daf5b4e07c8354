//! `blobs` for one call: which handles it may use, and how much it may put.

use std::collections::HashMap;

use vale_types::{Blob, Media, ResultPart, ToolResult};

use crate::context::{BlobError, BlobStore};
use crate::state::State;

/// Blobs that one call may put.
const MAX_PUTS: usize = 1_000;
/// Longest media type and longest name of a blob, bytes.
const MAX_LABEL: usize = 255;

/// The handles of one call.
#[derive(Debug, Default)]
pub(crate) struct Handles {
    known: HashMap<String, Blob>,
    puts: usize,
    put_bytes: u64,
}

impl Handles {
    /// Those that the host gives.
    pub(crate) fn of(store: &dyn BlobStore) -> Self {
        let given = store.given();
        Self {
            known: given
                .into_iter()
                .map(|blob| (blob.id.clone(), blob))
                .collect(),
            ..Self::default()
        }
    }

    /// Whether the call may use this handle.
    pub(crate) fn know(&self, id: &str) -> bool {
        self.known.contains_key(id)
    }

    /// Bytes that were put.
    pub(crate) fn put_bytes(&self) -> u64 {
        self.put_bytes
    }

    /// Puts the host's own record in place of what the guest says about each handle in a result.
    ///
    /// # Errors
    /// The first handle that is not this call's.
    pub(crate) fn correct(&self, result: &mut ToolResult) -> Result<(), String> {
        for part in &mut result.content {
            let (ResultPart::Image(media) | ResultPart::File(media)) = part else {
                continue;
            };
            let Media::Blob(blob) = media else { continue };
            match self.known.get(&blob.id) {
                Some(known) => blob.clone_from(known),
                None => return Err(blob.id.clone()),
            }
        }
        Ok(())
    }
}

impl State {
    pub(crate) fn blob_read(&self, id: &str, offset: u64, len: u32) -> Result<Vec<u8>, BlobError> {
        let blob = self.handles.known.get(id).ok_or(BlobError::Unknown)?;
        let rest = blob.size.saturating_sub(offset);
        let wanted = rest.min(u64::from(len));
        if wanted > self.context.limits.memory_mib.saturating_mul(1 << 20) {
            // It would not fit the guest; and the host is not to hold it for nothing.
            return Err(BlobError::TooLarge);
        }
        if wanted == 0 {
            return Ok(Vec::new());
        }
        let wanted = usize::try_from(wanted).map_err(|_| BlobError::TooLarge)?;
        let mut bytes = self.context.blobs.read(id, offset, wanted)?;
        bytes.truncate(wanted);
        Ok(bytes)
    }

    pub(crate) fn blob_put(
        &mut self,
        media_type: &str,
        name: Option<&str>,
        bytes: Vec<u8>,
    ) -> Result<Blob, BlobError> {
        check_labels(media_type, name)?;
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let total = self.handles.put_bytes.saturating_add(size);
        if self.handles.puts >= MAX_PUTS || total > self.context.limits.event_bytes {
            return Err(BlobError::TooLarge);
        }
        let blob = self.context.blobs.put(media_type, name, bytes)?;
        self.handles.puts += 1;
        self.handles.put_bytes = total;
        self.handles.known.insert(blob.id.clone(), blob.clone());
        Ok(blob)
    }
}

/// Labels go to faces, files and HTTP headers.
fn check_labels(media_type: &str, name: Option<&str>) -> Result<(), BlobError> {
    let token = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    let typed = media_type
        .split_once('/')
        .is_some_and(|(kind, subtype)| token(kind) && token(subtype));
    if !typed || media_type.len() > MAX_LABEL {
        return Err(BlobError::Other(
            "The media type must be like image/png, without parameters.".to_owned(),
        ));
    }
    let plain = |name: &str| {
        (1..=MAX_LABEL).contains(&name.len())
            && !matches!(name, "." | "..")
            && !name.contains(|c: char| c.is_control() || matches!(c, '/' | '\\'))
    };
    if name.is_some_and(|name| !plain(name)) {
        return Err(BlobError::Other(
            "The name must be a plain file name of at most 255 bytes.".to_owned(),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_could_mislead_a_face_or_a_file_system_are_refused() {
        for (media_type, name) in [
            ("text/plain", None),
            ("image/svg+xml", Some("über.svg")),
            ("application/vnd.ms-excel", Some("a b.xls")),
        ] {
            assert_eq!(check_labels(media_type, name), Ok(()), "{media_type}");
        }
        let long = "x".repeat(256);
        for (media_type, name) in [
            ("", None),
            ("text", None),
            ("text/", None),
            ("text/plain; charset=utf-8", None),
            ("text/plain\r\nx: y", None),
            ("a/b/c", None),
            ("text/plain", Some("")),
            ("text/plain", Some("..")),
            ("text/plain", Some("../x")),
            ("text/plain", Some("a\\b")),
            ("text/plain", Some("a\0b")),
            ("text/plain", Some(long.as_str())),
        ] {
            assert!(
                check_labels(media_type, name).is_err(),
                "{media_type} {name:?}"
            );
        }
    }
}
