//! Where things lie on this machine.

use std::env;
use std::path::{Path, PathBuf};

use vale_plugins::Shelf;
use vale_types::PluginId;

/// File name of the model that `cargo xtask` fetches.
pub const DEFAULT_MODEL_FILE: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";

/// Folders and files of one profile. `VALECHAT_HOME` moves all of them together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// The person's settings.
    pub config_file: PathBuf,
    /// What the app remembers: the code cache's key, later the journal.
    pub state: PathBuf,
    /// What can be made again: compiled plugins, models.
    pub cache: PathBuf,
    /// Where plugins are looked for; the program's own first.
    pub plugins: Vec<PathBuf>,
    /// How many of [`Self::plugins`] belong to the program.
    pub built_in_plugins: usize,
    /// Where `valechat-infer` is looked for.
    pub infer: Vec<PathBuf>,
    /// `valechat-confine`, which sees to it that child processes end with the host; none = they are
    /// started plainly.
    pub confine: Option<PathBuf>,
    /// A model file that whoever started the program named.
    pub model: Option<PathBuf>,
}

/// No home folder is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no home folder to keep settings in; set VALECHAT_HOME to a folder of yours")]
pub struct NoHome;

impl Paths {
    /// The profile of this user, as the platform and the environment say.
    ///
    /// # Errors
    /// When there is no home folder and `VALECHAT_HOME` is not set.
    pub fn of_this_user() -> Result<Self, NoHome> {
        let set = |name: &str| {
            env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let beside = env::current_exe()
            .ok()
            .and_then(|exe| exe.parent().map(Path::to_owned));
        let mut paths = match set("VALECHAT_HOME") {
            Some(home) => Self::under(&home),
            None => {
                let dirs = directories::ProjectDirs::from("", "", "valechat").ok_or(NoHome)?;
                let state = dirs.state_dir().unwrap_or_else(|| dirs.data_local_dir());
                Self {
                    config_file: dirs.config_dir().join("config.toml"),
                    state: state.to_owned(),
                    cache: dirs.cache_dir().to_owned(),
                    plugins: vec![dirs.data_dir().join("plugins")],
                    built_in_plugins: 0,
                    infer: Vec::new(),
                    confine: None,
                    model: None,
                }
            }
        };
        let program: Vec<PathBuf> = match (set("VALECHAT_PLUGINS"), &beside) {
            (Some(folder), _) => vec![folder],
            (None, Some(beside)) => {
                let shared = beside.join("../share/valechat/plugins");
                [beside.join("plugins"), shared]
                    .into_iter()
                    .filter(|dir| dir.is_dir())
                    .collect()
            }
            (None, None) => Vec::new(),
        };
        paths.built_in_plugins = program.len();
        paths.plugins.splice(0..0, program);
        paths.confine = match (set("VALECHAT_CONFINE"), &beside) {
            (Some(program), _) => Some(program),
            (None, Some(beside)) => {
                let name = format!("valechat-confine{}", env::consts::EXE_SUFFIX);
                let folders = [beside.clone(), beside.join("../libexec/valechat")];
                let found = folders.iter().map(|folder| folder.join(&name));
                found.into_iter().find(|path| path.is_file())
            }
            (None, None) => None,
        };
        paths.infer = match (set("VALECHAT_INFER"), beside) {
            (Some(folder), _) => vec![folder],
            (None, Some(beside)) => {
                vec![
                    beside.join("infer"),
                    beside.join("../libexec/valechat"),
                    beside,
                ]
            }
            (None, None) => Vec::new(),
        };
        paths.model = set("VALECHAT_MODEL");
        Ok(paths)
    }

    /// A profile whose every folder is under `home`, and that knows no plugins but its own.
    #[must_use]
    pub fn under(home: &Path) -> Self {
        Self {
            config_file: home.join("config.toml"),
            state: home.join("state"),
            cache: home.join("cache"),
            plugins: vec![home.join("plugins")],
            built_in_plugins: 0,
            infer: Vec::new(),
            confine: None,
            model: None,
        }
    }

    /// With a folder of plugins that come with the program: what their manifests state is granted.
    #[must_use]
    pub fn with_plugins(mut self, folder: impl Into<PathBuf>) -> Self {
        self.plugins.insert(0, folder.into());
        self.built_in_plugins += 1;
        self
    }

    /// Where plugins that the person installs are kept.
    #[must_use]
    pub fn shelf(&self) -> Shelf {
        let own = self.plugins.get(self.built_in_plugins);
        Shelf::new(own.cloned().unwrap_or_else(|| self.state.join("plugins")))
    }

    /// Where a plugin's notes of its own are kept.
    #[must_use]
    pub fn plugin_state(&self, id: &PluginId) -> PathBuf {
        self.state.join("plugins").join(id.as_str())
    }

    /// Conversations.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.state.join("store")
    }

    /// The encrypted file that holds keys where there is no keyring and the person chose it.
    #[must_use]
    pub fn secrets_file(&self) -> PathBuf {
        self.state.join("secrets")
    }

    /// The folder of compiled plugins.
    #[must_use]
    pub fn code_cache(&self) -> PathBuf {
        self.cache.join("code")
    }

    /// The key that seals compiled plugins.
    #[must_use]
    pub fn code_key(&self) -> PathBuf {
        self.state.join("code.key")
    }

    /// The folder of log files.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.state.join("logs")
    }

    /// The folder of model files.
    #[must_use]
    pub fn models(&self) -> PathBuf {
        self.cache.join("models")
    }
}
