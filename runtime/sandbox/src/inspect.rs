//! What a component is, from its bytes alone: nothing is compiled, nothing runs.
//!
//! Only the outermost level is read. What is nested in it is stepped over by its length, so that
//! the work is bounded by the number of sections, whatever they hold.

use std::collections::BTreeMap;

use wasmparser::{Chunk, Parser, Payload};

use crate::load::LoadError;

/// Largest component, bytes. componentize-py makes 20 MB.
pub(crate) const MAX_COMPONENT: usize = 128 << 20;
/// Sections of the outermost level.
const MAX_SECTIONS: usize = 100_000;
/// Imports, exports and custom sections, each.
const MAX_NAMES: usize = 1_000;
/// Longest name of one, bytes.
const MAX_NAME: usize = 1_024;

/// What a component is for. It is never both: see the crate's documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A model provider.
    Provider,
    /// A model provider that also counts tokens.
    CountingProvider,
    /// Functions that a model may call.
    Tool,
}

impl Kind {
    /// Whether it is a provider, counting or not.
    #[must_use]
    pub fn is_provider(self) -> bool {
        matches!(self, Self::Provider | Self::CountingProvider)
    }

    /// The word for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provider | Self::CountingProvider => "provider",
            Self::Tool => "tool",
        }
    }
}

/// The outermost level of a component.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shape {
    /// What it imports, with versions, sorted.
    pub imports: Vec<String>,
    /// What it exports, with versions, sorted.
    pub exports: Vec<String>,
    /// Bytes of its custom sections, added up by name; not those of what is nested in it.
    pub custom_sections: BTreeMap<String, u64>,
}

/// Reads the outermost level of a component. It says nothing of whether the rest is valid.
///
/// # Errors
/// When the bytes are no component, or one with more sections or names than any plugin needs.
pub fn inspect(bytes: &[u8]) -> Result<Shape, LoadError> {
    check_header(bytes)?;
    let cut = || LoadError::Truncated(bytes.len());
    let mut shape = Shape::default();
    let mut parser = Parser::new(0);
    let (mut at, mut sections, mut customs) = (0, 0, 0);
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let (consumed, payload) = match parser.parse(rest, false).map_err(invalid)? {
            Chunk::Parsed { consumed, payload } => (consumed, payload),
            Chunk::NeedMoreData(_) => return Err(cut()),
        };
        at += consumed;
        sections += 1;
        if sections > MAX_SECTIONS {
            return Err(too_many("sections", MAX_SECTIONS));
        }
        match payload {
            Payload::ModuleSection {
                unchecked_range, ..
            }
            | Payload::ComponentSection {
                unchecked_range, ..
            } => {
                at = unchecked_range.end;
                if at > bytes.len() {
                    return Err(cut());
                }
            }
            Payload::ComponentImportSection(reader) => {
                for import in reader {
                    note(
                        &mut shape.imports,
                        "imports",
                        import.map_err(invalid)?.name.name,
                    )?;
                }
            }
            Payload::ComponentExportSection(reader) => {
                for export in reader {
                    note(
                        &mut shape.exports,
                        "exports",
                        export.map_err(invalid)?.name.name,
                    )?;
                }
            }
            Payload::CustomSection(custom) => {
                customs += 1;
                if customs > MAX_NAMES {
                    return Err(too_many("custom sections", MAX_NAMES));
                }
                let size = u64::try_from(custom.data().len()).unwrap_or(u64::MAX);
                let name = short(custom.name())?;
                let total = shape.custom_sections.entry(name).or_default();
                *total = total.saturating_add(size);
            }
            _ => {}
        }
    }
    shape.imports.sort();
    shape.exports.sort();
    Ok(shape)
}

fn note(names: &mut Vec<String>, what: &str, name: &str) -> Result<(), LoadError> {
    if names.len() >= MAX_NAMES {
        return Err(too_many(what, MAX_NAMES));
    }
    names.push(short(name)?);
    Ok(())
}

fn short(name: &str) -> Result<String, LoadError> {
    if name.len() > MAX_NAME {
        return Err(LoadError::Invalid(format!(
            "a name has {} bytes; {MAX_NAME} are allowed",
            name.len()
        )));
    }
    Ok(name.to_owned())
}

fn too_many(what: &str, limit: usize) -> LoadError {
    LoadError::Invalid(format!("it has more than {limit} {what}"))
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn invalid(error: wasmparser::BinaryReaderError) -> LoadError {
    LoadError::Invalid(format!("{} at byte {}", error.message(), error.offset()))
}

/// Reads the eight bytes that every WebAssembly file begins with.
fn check_header(bytes: &[u8]) -> Result<(), LoadError> {
    const MAGIC: &[u8] = b"\0asm";
    match bytes {
        [] => Err(LoadError::Empty),
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => Err(LoadError::CoreModule),
        [0, b'a', b's', b'm', _, _, 1, 0, ..] if bytes.len() > MAX_COMPONENT => {
            Err(LoadError::TooLarge(bytes.len()))
        }
        [0, b'a', b's', b'm', _, _, 1, 0, ..] => Ok(()),
        cut if cut.len() < 8 && (MAGIC.starts_with(cut) || cut.starts_with(MAGIC)) => {
            Err(LoadError::Truncated(cut.len()))
        }
        _ => Err(LoadError::NotWasm),
    }
}

impl Shape {
    /// What the component is for, by its exports' names.
    ///
    /// # Errors
    /// When it is for no contract that this host speaks, or for two at once.
    pub fn kind(&self) -> Result<Kind, LoadError> {
        let provider = self.speaks(PROVIDER);
        let tool = self.speaks(TOOL);
        match (provider, tool) {
            (Some(true), Some(true)) => Err(LoadError::TwoKinds),
            (Some(true), _) if self.speaks(TOKEN_COUNT) == Some(true) => Ok(Kind::CountingProvider),
            (Some(true), _) => Ok(Kind::Provider),
            (_, Some(true)) => Ok(Kind::Tool),
            (None, None) => Err(LoadError::NoPlugin),
            _ => {
                let of_ours = |name: &&String| [PROVIDER, TOOL].contains(&split_version(name).0);
                Err(match self.exports.iter().find(of_ours) {
                    Some(found) => LoadError::OtherContract {
                        found: found.clone(),
                    },
                    None => LoadError::NoPlugin,
                })
            }
        }
    }

    /// The contract versions of its plugin exports, with their interface: what [`Self::kind`]
    /// decides by.
    pub fn contracts(&self) -> impl Iterator<Item = (&str, &str)> {
        let split = self.exports.iter().map(|name| split_version(name));
        split.filter(|(interface, _)| [PROVIDER, TOKEN_COUNT, TOOL].contains(interface))
    }

    /// Whether this interface is exported in a version that this host speaks; none = not at all.
    fn speaks(&self, interface: &str) -> Option<bool> {
        let mut versions = self
            .contracts()
            .filter(|(found, _)| *found == interface)
            .map(|(_, version)| version)
            .peekable();
        versions.peek()?;
        Some(versions.any(is_0_1))
    }
}

const PROVIDER: &str = "valechat:provider/provider";
const TOKEN_COUNT: &str = "valechat:provider/token-count";
const TOOL: &str = "valechat:tool/tool";

pub(crate) fn split_version(name: &str) -> (&str, &str) {
    name.split_once('@').unwrap_or((name, ""))
}

/// By semver, 0.1.x are one version of the contract.
pub(crate) fn is_0_1(version: &str) -> bool {
    version
        .strip_prefix("0.1.")
        .is_some_and(|patch| !patch.is_empty() && patch.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether a version is beyond 0.1.
pub(crate) fn is_newer(version: &str) -> bool {
    let mut numbers = version.split('.').map(|number| number.parse::<u64>().ok());
    let (Some(Some(major)), Some(Some(minor))) = (numbers.next(), numbers.next()) else {
        return false;
    };
    (major, minor) > (0, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

    fn with_sections(sections: &[(u8, &[u8])]) -> Vec<u8> {
        let mut bytes = COMPONENT.to_vec();
        for (id, body) in sections {
            bytes.push(*id);
            let mut len = body.len();
            while len > 127 {
                bytes.push((len & 127) as u8 | 128);
                len >>= 7;
            }
            bytes.push(len as u8);
            bytes.extend_from_slice(body);
        }
        bytes
    }

    #[test]
    fn the_header_tells_modules_from_components_from_rubbish() {
        for (bytes, refused) in [
            (&b""[..], LoadError::Empty),
            (b"<html><body>", LoadError::NotWasm),
            (b"(component)", LoadError::NotWasm),
            (b"\x7fELF\x02\x01\x01\0", LoadError::NotWasm),
            (b"\0", LoadError::Truncated(1)),
            (b"\0asm", LoadError::Truncated(4)),
            (b"\0asm\x0d\0\x01", LoadError::Truncated(7)),
            (b"\0asx", LoadError::NotWasm),
            (b"\0asm\x01\0\0\0", LoadError::CoreModule),
        ] {
            assert_eq!(inspect(bytes), Err(refused), "{bytes:?}");
        }
        assert_eq!(inspect(COMPONENT), Ok(Shape::default()));
        // A binary format of the future.
        let future = inspect(b"\0asm\x0e\0\x01\0");
        assert!(matches!(future, Err(LoadError::Invalid(_))), "{future:?}");
    }

    #[test]
    fn custom_sections_are_added_up_by_name() {
        let bytes = with_sections(&[(0, b"\x01aXYZ"), (0, b"\x01b"), (0, b"\x01aQ")]);
        let shape = inspect(&bytes).unwrap();
        let sizes = BTreeMap::from([("a".to_owned(), 4), ("b".to_owned(), 0)]);
        assert_eq!(shape.custom_sections, sizes);
        assert_eq!(shape.kind(), Err(LoadError::NoPlugin));
    }

    #[test]
    fn a_cut_anywhere_but_between_sections_is_seen() {
        let nested = with_sections(&[(0, b"\x01aXYZ")]);
        let bytes = with_sections(&[(4, &nested), (0, b"\x01aXYZ")]);
        let between = [8, 8 + 2 + nested.len(), bytes.len()];
        for length in 8..=bytes.len() {
            let cut = inspect(&bytes[..length]);
            if between.contains(&length) {
                assert!(cut.is_ok(), "{length}: {cut:?}");
            } else {
                assert_eq!(cut, Err(LoadError::Truncated(length)));
            }
        }
    }

    #[test]
    fn what_is_nested_is_neither_read_nor_counted() {
        let hidden = with_sections(&[(0, b"\x06secret123"), (99, b"")]);
        let shape = inspect(&with_sections(&[(4, &hidden)])).unwrap();
        assert_eq!(shape, Shape::default());
        // Ten thousand components in each other cost no more than one.
        let mut tower = COMPONENT.to_vec();
        for _ in 0..10_000 {
            tower = with_sections(&[(4, &tower)]);
        }
        assert_eq!(inspect(&tower), Ok(Shape::default()));
    }

    #[test]
    fn counts_and_names_have_limits() {
        let customs = vec![(0, &b"\x01a"[..]); MAX_NAMES + 1];
        let many = inspect(&with_sections(&customs)).unwrap_err();
        assert!(many.to_string().contains("1000 custom sections"), "{many}");
        let empty_types = vec![(7, &b"\0"[..]); MAX_SECTIONS + 1];
        let many = inspect(&with_sections(&empty_types)).unwrap_err();
        assert!(many.to_string().contains("100000 sections"), "{many}");
        // It says four thousand million exports and has none.
        let liar = inspect(&with_sections(&[(11, b"\xff\xff\xff\xff\x0f")]));
        assert!(matches!(liar, Err(LoadError::Invalid(_))), "{liar:?}");
        let name = [&[0x80_u8, 0x10][..], &[b'n'; 2048]].concat();
        let long = inspect(&with_sections(&[(0, &name)])).unwrap_err();
        assert!(long.to_string().contains("2048 bytes"), "{long}");
    }

    #[test]
    fn the_kind_is_in_the_names_of_the_exports() {
        let kind = |exports: &[&str]| {
            let exports = exports.iter().map(|&name| name.to_owned()).collect();
            Shape {
                exports,
                ..Shape::default()
            }
            .kind()
        };
        let other = |found: &str| {
            Err(LoadError::OtherContract {
                found: found.to_owned(),
            })
        };
        assert_eq!(
            kind(&["valechat:provider/provider@0.1.0"]),
            Ok(Kind::Provider)
        );
        let counts = [
            "valechat:provider/provider@0.1.0",
            "valechat:provider/token-count@0.1.0",
        ];
        assert_eq!(kind(&counts), Ok(Kind::CountingProvider));
        assert_eq!(kind(&["valechat:tool/tool@0.1.7", "run"]), Ok(Kind::Tool));
        let both = [
            "valechat:provider/provider@0.1.0",
            "valechat:tool/tool@0.1.0",
        ];
        assert_eq!(kind(&both), Err(LoadError::TwoKinds));
        // A component may carry the next contract beside ours.
        assert_eq!(
            kind(&["valechat:tool/tool@0.1.0", "valechat:tool/tool@0.2.0"]),
            Ok(Kind::Tool)
        );
        for found in [
            "valechat:provider/provider@0.2.0",
            "valechat:tool/tool@1.0.0",
            "valechat:tool/tool",
            "valechat:tool/tool@0.1.0-rc.1",
        ] {
            assert_eq!(kind(&[found]), other(found));
        }
        assert_eq!(kind(&["run"]), Err(LoadError::NoPlugin));
        assert_eq!(
            kind(&["valechat:provider/token-count@0.1.0"]),
            Err(LoadError::NoPlugin)
        );
    }

    #[test]
    fn another_contract_is_told_with_both_versions_and_what_to_do() {
        for (found, words) in [
            (
                "valechat:tool/tool@0.2.0",
                ["valechat:tool@0.1", "update ValeChat"],
            ),
            (
                "valechat:tool/tool@1.0.0",
                ["valechat:tool@0.1", "update ValeChat"],
            ),
            (
                "valechat:provider/provider@0.0.9",
                ["valechat:provider@0.1", "newer version of the plugin"],
            ),
        ] {
            let text = LoadError::OtherContract {
                found: found.to_owned(),
            }
            .to_string();
            assert!(text.contains(found), "{text}");
            assert!(words.iter().all(|word| text.contains(word)), "{text}");
        }
    }

    #[test]
    fn only_patch_versions_are_the_same_contract() {
        for same in ["0.1.0", "0.1.9", "0.1.12"] {
            assert!(is_0_1(same), "{same}");
        }
        for other in ["", "0.1", "0.2.0", "0.1.0-rc.1", "1.0.0", "0.1."] {
            assert!(!is_0_1(other), "{other}");
        }
        for newer in ["0.2.0", "1.0.0", "0.10.0", "1.0.0-rc.1"] {
            assert!(is_newer(newer), "{newer}");
        }
        for not in ["", "0.1.0", "0.0.9", "0.1.0-rc.1", "x"] {
            assert!(!is_newer(not), "{not}");
        }
    }
}
