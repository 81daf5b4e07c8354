//! A plugin as one file: a component that carries its manifest, licence, readme and icon as custom
//! sections. Read without running, and without reading the code.

use std::fs::File;
use std::io::{Cursor, Read, Seek};
use std::path::Path;

use crate::manifest::Manifest;
use crate::problem::ManifestError;
use crate::sections::{FileError, Section, contents, custom, sections};
use crate::text::MAX_MANIFEST_BYTES;

const MANIFEST: &str = "valechat:manifest";
const README: &str = "valechat:readme";
const LICENSE: &str = "valechat:license";
const ICON: &str = "valechat:icon";
/// The last section of a signed file. It signs every byte before it.
const SIGNATURE: &str = "valechat:signature";
/// All that is ours.
const OURS: [&str; 5] = [MANIFEST, README, LICENSE, ICON, SIGNATURE];

/// Longest readme or licence, bytes.
pub const MAX_TEXT_BYTES: u64 = 256 * 1024;
/// Largest icon, bytes.
pub const MAX_ICON_BYTES: u64 = 256 * 1024;
/// Longest side of an icon, pixels.
pub const MAX_ICON_SIDE: u32 = 1024;
/// First bytes of a PNG, its first chunk's length and name included (PNG, third edition, 5.2 and 11.2.1).
const PNG: [u8; 16] = *b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR";

/// What a plugin's file says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Package {
    /// What it asks for.
    pub manifest: Manifest,
    /// The manifest as it was written.
    pub manifest_text: String,
    /// Markdown, unchecked: [`readable`](crate::readable) makes it safe to print.
    pub readme: Option<String>,
    /// The licence's text, unchecked.
    pub license: Option<String>,
    /// A PNG of at most [`MAX_ICON_SIDE`] pixels a side; only its header was looked at.
    pub icon: Option<Vec<u8>>,
    /// Length of the file without a signature, bytes: what a signature signs.
    pub signed_bytes: u64,
    /// Whether the place of the signature is taken. Nothing checks it yet.
    pub has_signature: bool,
}

/// Why a file is no plugin.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// No component.
    #[error(transparent)]
    File(#[from] FileError),
    /// A component that is no packaged plugin.
    #[error(
        "it is a component without a manifest: its author must pack it (`valechat plugin pack`)"
    )]
    NoManifest,
    /// The manifest has mistakes.
    #[error("its manifest has mistakes:\n{0}")]
    Manifest(#[from] ManifestError),
    /// The manifest says that the component is somebody else's.
    #[error(
        "its manifest has `component`, which is for folders of plugins; a file brings its own component"
    )]
    Borrows,
    /// A section of ours is wrong.
    #[error("its section {section} {what}")]
    Section {
        /// The section's name.
        section: &'static str,
        /// Completes "its section …".
        what: String,
    },
}

/// What is put into a file beside the component.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// The text of `plugin.toml`.
    pub manifest: String,
    /// Markdown.
    pub readme: Option<String>,
    /// The licence's text.
    pub license: Option<String>,
    /// A PNG.
    pub icon: Option<Vec<u8>>,
}

impl Package {
    /// Reads a file's sections; of the code, only lengths.
    ///
    /// # Errors
    /// When it is no component, damaged, has no manifest, or one with mistakes.
    pub fn read(file: &mut (impl Read + Seek), size: u64) -> Result<Self, PackageError> {
        let all = sections(file, size)?;
        let signature = one(&all, SIGNATURE)?;
        if signature.is_some_and(|section| section.end != size) {
            return Err(wrong(SIGNATURE, "is not the last one"));
        }
        let Some(manifest) = text(file, &all, MANIFEST, MAX_MANIFEST_BYTES as u64)? else {
            return Err(PackageError::NoManifest);
        };
        let parsed = Manifest::parse(&manifest)?;
        if parsed.component.is_some() {
            return Err(PackageError::Borrows);
        }
        let icon = bytes(file, &all, ICON, MAX_ICON_BYTES)?;
        if let Some(icon) = &icon {
            check_icon(icon).map_err(|what| wrong(ICON, what))?;
        }
        Ok(Self {
            manifest: parsed,
            manifest_text: manifest,
            readme: text(file, &all, README, MAX_TEXT_BYTES)?,
            license: text(file, &all, LICENSE, MAX_TEXT_BYTES)?,
            icon,
            signed_bytes: signature.map_or(size, |section| section.start),
            has_signature: signature.is_some(),
        })
    }

    /// As [`Self::read`].
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn of_bytes(bytes: &[u8]) -> Result<Self, PackageError> {
        Self::read(&mut Cursor::new(bytes), bytes.len() as u64)
    }

    /// As [`Self::read`].
    ///
    /// # Errors
    /// As [`Self::read`], and when the file cannot be opened.
    pub fn of_file(path: &Path) -> Result<Self, PackageError> {
        let mut file = File::open(path).map_err(FileError::from)?;
        let size = file.metadata().map_err(FileError::from)?.len();
        Self::read(&mut std::io::BufReader::new(&mut file), size)
    }

    /// Width and height of the icon, pixels.
    #[must_use]
    pub fn icon_size(&self) -> Option<(u32, u32)> {
        let icon = self.icon.as_deref()?;
        Some((side(icon, 16)?, side(icon, 20)?))
    }

    /// Makes one file of a component and what belongs to it.
    ///
    /// # Examples
    /// ```
    /// use vale_plugins::{Contents, Package};
    ///
    /// let component = b"\0asm\x0d\0\x01\0"; // the smallest component there is
    /// let contents = Contents {
    ///     manifest: "id = \"org.example.mine\"\nname = \"Mine\"\nversion = \"1.0.0\"\n\
    ///         world = \"valechat:provider/provider-plugin@0.1.0\"\n".to_owned(),
    ///     ..Contents::default()
    /// };
    /// let file = Package::pack(component, &contents)?;
    /// assert_eq!(Package::of_bytes(&file)?.manifest.name, "Mine");
    /// # Ok::<(), vale_plugins::PackageError>(())
    /// ```
    /// Sections of ours that the component has
    /// already, a signature included, are replaced.
    ///
    /// # Errors
    /// When the result would not be readable: no component, mistakes in the manifest, too large texts.
    pub fn pack(component: &[u8], contents: &Contents) -> Result<Vec<u8>, PackageError> {
        let mut file = Cursor::new(component);
        let all = sections(&mut file, component.len() as u64)?;
        let preamble = crate::sections::PREAMBLE as usize;
        let mut packed = component.get(..preamble).unwrap_or_default().to_vec();
        for section in all {
            let is_ours = section
                .name
                .as_deref()
                .is_some_and(|name| OURS.contains(&name));
            let range = usize::try_from(section.start)
                .ok()
                .zip(usize::try_from(section.end).ok());
            if let (false, Some((start, end))) = (is_ours, range) {
                packed.extend_from_slice(component.get(start..end).unwrap_or_default());
            }
        }
        packed.extend(custom(MANIFEST, contents.manifest.as_bytes()));
        for (name, text) in [(LICENSE, &contents.license), (README, &contents.readme)] {
            if let Some(text) = text {
                packed.extend(custom(name, text.as_bytes()));
            }
        }
        if let Some(icon) = &contents.icon {
            packed.extend(custom(ICON, icon));
        }
        Self::of_bytes(&packed)?;
        Ok(packed)
    }
}

fn wrong(section: &'static str, what: impl Into<String>) -> PackageError {
    PackageError::Section {
        section,
        what: what.into(),
    }
}

/// The one section of this name.
fn one<'a>(all: &'a [Section], name: &'static str) -> Result<Option<&'a Section>, PackageError> {
    let mut found = all
        .iter()
        .filter(|section| section.name.as_deref() == Some(name));
    match (found.next(), found.next()) {
        (_, Some(_)) => Err(wrong(name, "is there twice")),
        (found, None) => Ok(found),
    }
}

fn bytes(
    file: &mut (impl Read + Seek),
    all: &[Section],
    name: &'static str,
    most: u64,
) -> Result<Option<Vec<u8>>, PackageError> {
    let Some(section) = one(all, name)? else {
        return Ok(None);
    };
    if section.end - section.contents > most {
        return Err(wrong(name, format!("is larger than {most} bytes")));
    }
    Ok(Some(contents(file, section)?))
}

fn text(
    file: &mut (impl Read + Seek),
    all: &[Section],
    name: &'static str,
    most: u64,
) -> Result<Option<String>, PackageError> {
    let bytes = bytes(file, all, name, most)?;
    bytes
        .map(|bytes| String::from_utf8(bytes).map_err(|_| wrong(name, "is not UTF-8 text")))
        .transpose()
}

/// A number in the icon's first chunk.
fn side(icon: &[u8], at: usize) -> Option<u32> {
    let bytes = icon.get(at..at + 4)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

/// The error completes "its section …".
fn check_icon(icon: &[u8]) -> Result<(), String> {
    match (icon.starts_with(&PNG), side(icon, 16), side(icon, 20)) {
        (true, Some(width @ 1..), Some(height @ 1..)) => {
            if width.max(height) > MAX_ICON_SIDE {
                Err(format!(
                    "is {width} x {height} pixels large; {MAX_ICON_SIDE} a side are allowed"
                ))
            } else {
                Ok(())
            }
        }
        _ => Err("is no PNG image".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPONENT: [u8; 8] = [0, b'a', b's', b'm', 0x0d, 0, 1, 0];
    const TOML: &str = "id = \"org.example.x\"\nname = \"X\"\nversion = \"1.0.0\"\n\
        world = \"valechat:provider/provider-plugin@0.1.0\"\n";

    fn contents() -> Contents {
        let mut icon = PNG.to_vec();
        icon.extend([0, 0, 0, 64, 0, 0, 0, 64]);
        Contents {
            manifest: TOML.to_owned(),
            readme: Some("# X\n".to_owned()),
            license: Some("MIT".to_owned()),
            icon: Some(icon),
        }
    }

    #[test]
    fn a_package_reads_back_and_packing_again_changes_nothing() {
        let packed = Package::pack(&COMPONENT, &contents()).unwrap();
        let package = Package::of_bytes(&packed).unwrap();
        assert_eq!(package.manifest.id.as_str(), "org.example.x");
        assert_eq!(package.manifest_text, TOML);
        assert_eq!(package.readme.as_deref(), Some("# X\n"));
        assert_eq!(package.license.as_deref(), Some("MIT"));
        assert_eq!(package.icon, contents().icon);
        assert!(!package.has_signature);
        assert_eq!(Package::pack(&packed, &contents()).unwrap(), packed);
    }

    #[test]
    fn a_signature_is_last_and_outside_of_what_it_signs() {
        let packed = Package::pack(&COMPONENT, &contents()).unwrap();
        let mut signed = packed.clone();
        signed.extend(custom(SIGNATURE, &[7; 64]));
        let package = Package::of_bytes(&signed).unwrap();
        assert!(package.has_signature);
        assert_eq!(package.signed_bytes, packed.len() as u64);
        // Packed anew, it is no longer what was signed.
        assert_eq!(Package::pack(&signed, &contents()).unwrap(), packed);
        signed.extend(custom("more", b""));
        let error = Package::of_bytes(&signed).unwrap_err().to_string();
        assert!(error.contains("not the last"), "{error}");
    }

    #[test]
    fn what_is_wrong_is_said() {
        let with = |change: &dyn Fn(&mut Contents)| {
            let mut contents = contents();
            change(&mut contents);
            Package::pack(&COMPONENT, &contents)
                .unwrap_err()
                .to_string()
        };
        for (error, words) in [
            (
                with(&|c| c.icon = Some(b"<svg onload=x>".to_vec())),
                "no PNG",
            ),
            (with(&|c| c.icon.as_mut().unwrap()[18] = 0x40), "16448 x 64"),
            (
                with(&|c| c.readme = Some("x".repeat(300_000))),
                "larger than",
            ),
            (with(&|c| c.manifest = "id = 1".to_owned()), "mistakes"),
            (
                with(&|c| c.manifest.push_str("component = \"openai\"\n")),
                "brings its own",
            ),
        ] {
            assert!(error.contains(words), "{error}");
        }
        let mut twice = Package::pack(&COMPONENT, &contents()).unwrap();
        twice.extend(custom(MANIFEST, TOML.as_bytes()));
        let error = Package::of_bytes(&twice).unwrap_err().to_string();
        assert!(error.contains("twice"), "{error}");
        let error = Package::of_bytes(&COMPONENT).unwrap_err();
        assert!(matches!(error, PackageError::NoManifest));
    }
}
