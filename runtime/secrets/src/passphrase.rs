//! Where the passphrase of the secrets file comes from.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::{EnvLookup, SecretError, process_env};

/// A passphrase; zeroed on drop, never printed.
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// The longest passphrase, in bytes: no person types more, and a file of this size is read
    /// whole.
    pub const MAX_LEN: usize = 4096;
    /// The shortest passphrase that a new file may be sealed with, in characters: the minimum of
    /// NIST SP 800-63B §5.1.1.2.
    pub const MIN_NEW_LEN: usize = 8;

    /// Takes over `value`. Bytes count as they are: the same sign composed in two ways (Unicode
    /// normalization) makes two passphrases.
    ///
    /// # Errors
    /// [`SecretError::BadPassphrase`] where it is empty, too long or holds control characters.
    pub fn new(value: String) -> Result<Self, SecretError> {
        let value = Zeroizing::new(value);
        if value.is_empty() {
            return Err(SecretError::BadPassphrase("it is empty"));
        }
        if value.len() > Self::MAX_LEN {
            return Err(SecretError::BadPassphrase("it is longer than 4096 bytes"));
        }
        if value.chars().any(char::is_control) {
            return Err(SecretError::BadPassphrase(
                "it holds a line break or another control character",
            ));
        }
        Ok(Self(value))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    fn fits(self, purpose: PassphraseUse) -> Result<Self, SecretError> {
        if purpose == PassphraseUse::Create && self.0.chars().count() < Self::MIN_NEW_LEN {
            return Err(SecretError::BadPassphrase("it has fewer than 8 characters"));
        }
        Ok(self)
    }
}

/// What a passphrase is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PassphraseUse {
    /// To open a file that exists.
    Open,
    /// To seal a new file: a prompt asks twice and compares.
    Create,
}

/// Asks the person; `None` where nobody can be asked.
pub type Ask = Box<dyn Fn(PassphraseUse) -> Result<Option<Passphrase>, SecretError> + Send + Sync>;

/// The sources of a passphrase, in order: the file named by `VALECHAT_PASSPHRASE_FILE`, the
/// service manager's credential `$CREDENTIALS_DIRECTORY/valechat-passphrase` (systemd.exec(5),
/// `LoadCredential=`), the prompt. A source that exists and fails is an error, not a reason to try
/// the next one.
pub struct Passphrases {
    env: EnvLookup,
    ask: Option<Ask>,
}

impl Passphrases {
    /// Names the passphrase file.
    pub const FILE_VARIABLE: &'static str = "VALECHAT_PASSPHRASE_FILE";
    /// The service manager's folder of credentials.
    pub const CREDENTIALS_VARIABLE: &'static str = "CREDENTIALS_DIRECTORY";
    /// The credential's name in that folder.
    pub const CREDENTIAL: &'static str = "valechat-passphrase";

    /// Sources over `env` and, where somebody can be asked, `ask`.
    #[must_use]
    pub fn new(env: EnvLookup, ask: Option<Ask>) -> Self {
        Self { env, ask }
    }

    /// The sources of this process, without a prompt.
    #[must_use]
    pub fn unattended() -> Self {
        Self::new(process_env(), None)
    }

    /// The passphrase for the secrets file at `secrets`.
    pub(crate) fn find(
        &self,
        purpose: PassphraseUse,
        secrets: &Path,
    ) -> Result<Passphrase, SecretError> {
        if let Some(path) = self.file()? {
            return read(&path, secrets)?.fits(purpose);
        }
        match &self.ask {
            Some(ask) => ask(purpose)?
                .ok_or(SecretError::NoPassphrase)?
                .fits(purpose),
            None => Err(SecretError::NoPassphrase),
        }
    }

    fn file(&self) -> Result<Option<PathBuf>, SecretError> {
        let set = |variable| (self.env)(variable).filter(|value| !value.is_empty());
        if let Some(path) = set(Self::FILE_VARIABLE) {
            return Ok(Some(path.into()));
        }
        let Some(folder) = set(Self::CREDENTIALS_VARIABLE) else {
            return Ok(None);
        };
        let path = PathBuf::from(folder).join(Self::CREDENTIAL);
        // A service may have credentials of other names only.
        match path.try_exists() {
            Ok(true) => Ok(Some(path)),
            Ok(false) => Ok(None),
            Err(source) => Err(SecretError::Io {
                action: "reading",
                path,
                source,
            }),
        }
    }
}

/// One line of text. A key beside the file does not count: links are followed before comparing.
fn read(path: &Path, secrets: &Path) -> Result<Passphrase, SecretError> {
    let io = |source| SecretError::Io {
        action: "reading",
        path: path.to_owned(),
        source,
    };
    let real = path.canonicalize().map_err(io)?;
    if let Some(folder) = secrets.parent()
        && let Ok(folder) = folder.canonicalize()
        && real.parent() == Some(folder.as_path())
    {
        return Err(SecretError::PassphraseBesideFile {
            path: path.to_owned(),
        });
    }
    // A final line break ("\r\n" at most) and one byte more, to notice what is too long.
    let most = Passphrase::MAX_LEN + 3;
    let mut bytes = Zeroizing::new(Vec::with_capacity(most + 1));
    let file = std::fs::File::open(&real).map_err(io)?;
    file.take(most as u64).read_to_end(&mut bytes).map_err(io)?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| SecretError::BadPassphrase("its file is not text (UTF-8)"))?;
    let line = text.strip_suffix('\n').unwrap_or(text);
    Passphrase::new(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::sync::Arc;

    use super::*;

    fn env(pairs: Vec<(&'static str, PathBuf)>) -> EnvLookup {
        Arc::new(move |asked| {
            pairs
                .iter()
                .find(|(name, _)| *name == asked)
                .map(|(_, path)| OsString::from(path))
        })
    }

    fn prompt() -> Option<Ask> {
        Some(Box::new(|_| {
            Passphrase::new("from the prompt".to_owned()).map(Some)
        }))
    }

    fn found(sources: &Passphrases, secrets: &Path) -> Result<String, SecretError> {
        let passphrase = sources.find(PassphraseUse::Create, secrets)?;
        Ok(String::from_utf8(passphrase.bytes().to_vec()).unwrap())
    }

    #[test]
    fn the_named_file_goes_before_the_service_manager_and_the_prompt_comes_last() {
        let dir = tempfile::tempdir().unwrap();
        let secrets = dir.path().join("state/keys");
        std::fs::create_dir(dir.path().join("state")).unwrap();
        let file = dir.path().join("pass");
        std::fs::write(&file, "from the file\r\n").unwrap();
        let credentials = dir.path().join("credentials");
        std::fs::create_dir(&credentials).unwrap();

        let only_prompt = Passphrases::new(env(vec![]), prompt());
        assert_eq!(found(&only_prompt, &secrets).unwrap(), "from the prompt");
        let folder = (Passphrases::CREDENTIALS_VARIABLE, credentials.clone());
        let other_credentials = Passphrases::new(env(vec![folder.clone()]), prompt());
        assert_eq!(
            found(&other_credentials, &secrets).unwrap(),
            "from the prompt"
        );
        std::fs::write(credentials.join("valechat-passphrase"), "from the manager").unwrap();
        assert_eq!(
            found(&other_credentials, &secrets).unwrap(),
            "from the manager"
        );
        let both = Passphrases::new(
            env(vec![folder, (Passphrases::FILE_VARIABLE, file)]),
            prompt(),
        );
        assert_eq!(found(&both, &secrets).unwrap(), "from the file");
        let nothing = Passphrases::new(env(vec![]), None);
        assert!(matches!(
            found(&nothing, &secrets),
            Err(SecretError::NoPassphrase)
        ));
    }

    #[test]
    fn a_passphrase_beside_the_secrets_file_does_not_count_even_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let secrets = dir.path().join("keys");
        let beside = dir.path().join("pass");
        std::fs::write(&beside, "long enough").unwrap();
        let source = |path| Passphrases::new(env(vec![(Passphrases::FILE_VARIABLE, path)]), None);
        let refused = |path| {
            matches!(
                found(&source(path), &secrets),
                Err(SecretError::PassphraseBesideFile { .. })
            )
        };
        assert!(refused(beside.clone()));
        #[cfg(unix)]
        {
            let elsewhere = tempfile::tempdir().unwrap();
            let link = elsewhere.path().join("pass");
            std::os::unix::fs::symlink(&beside, &link).unwrap();
            assert!(refused(link));
        }
    }

    #[test]
    fn unusable_passphrases_say_why_and_a_named_file_that_is_missing_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pass");
        let secrets = dir.path().join("state/keys");
        let sources = Passphrases::new(
            env(vec![(Passphrases::FILE_VARIABLE, file.clone())]),
            prompt(),
        );
        let missing = found(&sources, &secrets).unwrap_err();
        assert!(matches!(missing, SecretError::Io { .. }), "{missing}");
        for (content, why) in [
            (b"\n".to_vec(), "empty"),
            (b"short".to_vec(), "fewer than 8"),
            (b"two lines\nof text".to_vec(), "line break"),
            (b"\xff\xfe_________".to_vec(), "not text"),
            (vec![b'x'; 4097], "longer than 4096"),
            (vec![b'x'; 9000], "longer than 4096"),
        ] {
            std::fs::write(&file, content).unwrap();
            let sentence = found(&sources, &secrets).unwrap_err().to_string();
            assert!(sentence.contains(why), "{sentence} lacks {why}");
        }
    }
}
