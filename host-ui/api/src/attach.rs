//! Pictures and files that go with a message.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use bytes::Bytes;
use vale_types::Part;

use crate::api::{Api, blocking};
use crate::error::{ApiError, ApiErrorKind};

/// Largest attachment, bytes: 20 MiB, what the common APIs take for one picture.
pub const MAX_ATTACHMENT_BYTES: u64 = 20 << 20;

impl Api {
    /// Reads a picture for a message. Its kind is taken from its first bytes, not its name.
    ///
    /// # Errors
    /// When it cannot be read, is too large or is no picture that models take.
    pub async fn attach_image(&self, path: &Path) -> Result<Part, ApiError> {
        let owned = path.to_owned();
        let bytes = blocking(move || read(&owned)).await?;
        let media_type = image_type(&bytes).ok_or_else(|| {
            ApiError::new(
                ApiErrorKind::Usage,
                format!(
                    "{} is not a PNG, JPEG, GIF or WebP picture.",
                    path.display()
                ),
                "Convert it to one of these.",
            )
        })?;
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        let kept = self.link.attach(media_type, name, Bytes::from(bytes)).await;
        let media = kept.map_err(|failure| ApiError::of_failure(failure, "ValeChat", false))?;
        Ok(Part::Image(media))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ApiError> {
    let failed = |error: std::io::Error| {
        ApiError::new(
            ApiErrorKind::Usage,
            format!("{} cannot be read: {error}.", path.display()),
            "Check the path.",
        )
    };
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_ATTACHMENT_BYTES + 1).read_to_end(&mut bytes))
        .map_err(failed)?;
    if bytes.len() as u64 > MAX_ATTACHMENT_BYTES {
        return Err(ApiError::new(
            ApiErrorKind::Usage,
            format!("{} is larger than 20 MiB.", path.display()),
            "Make the picture smaller.",
        ));
    }
    Ok(bytes)
}

/// By the formats' magic numbers.
fn image_type(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => Some("image/webp"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_known_by_their_first_bytes() {
        for (bytes, kind) in [
            (&b"\x89PNG\r\n\x1a\n...."[..], Some("image/png")),
            (b"\xff\xd8\xff\xe0", Some("image/jpeg")),
            (b"GIF89a..", Some("image/gif")),
            (b"RIFF....WEBPVP8 ", Some("image/webp")),
            (b"RIFF....WAVE", None),
            (b"<svg/>", None),
            (b"", None),
        ] {
            assert_eq!(image_type(bytes), kind);
        }
    }
}
