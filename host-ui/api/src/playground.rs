//! `plugin run`: a plugin's file is called without being installed, and its author sees everything.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use vale_host::{
    Manifest, PermissionCard, Playground, PlaygroundConfig, PlaygroundError, Profile, Secret,
    StartError,
};
use vale_plugins::{CardContext, Ceiling, CredentialSource, Grant, PluginKind};
use vale_types::PluginId;

use crate::api::blocking;
use crate::draft::{Ask, refuse_host_infer, shape_of_host, typed};
use crate::error::{ApiError, ApiErrorKind};
use crate::install::agreement;
use crate::keys::{KeyRow, state};
use crate::package::{Opened, open};
use crate::play_run::Play;
use crate::play_wire::Watcher;

/// A plugin to be tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlayRequest {
    /// The plugin's file, or the folder of its project.
    pub path: PathBuf,
    /// Values for its settings, as typed.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// An https address that the person typed is a server of their own network.
    #[serde(default)]
    pub is_local_server: bool,
}

/// A checked plugin of which nothing ran yet.
#[derive(Clone, Serialize)]
pub struct PlayDraft {
    /// Its id.
    pub id: PluginId,
    /// For people.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it is for.
    pub kind: PluginKind,
    /// Addresses that the person must agree to.
    pub asks: Vec<Ask>,
    /// The keys that it would get, and whether they are there.
    pub keys: Vec<KeyRow>,
    /// What it may do, once agreed.
    pub card: PermissionCard,
    #[serde(skip)]
    profile: Profile,
    #[serde(skip)]
    file: Vec<u8>,
    #[serde(skip)]
    manifest: Manifest,
    #[serde(skip)]
    settings: Map<String, Value>,
    #[serde(skip)]
    grant: Grant,
}

/// Checks a plugin's file and finds out what the person must agree to, as an installation does. Nothing of
/// it runs, nothing is written, and no host is needed. `ask` asks for a passphrase; none = nobody can be
/// asked.
///
/// # Errors
/// When the file is no plugin that this ValeChat runs, a value does not fit a setting, or an address can
/// never be reached.
pub async fn draft_play(
    paths: vale_host::Paths,
    ask: Option<vale_host::Ask>,
    request: &PlayRequest,
) -> Result<PlayDraft, ApiError> {
    let request = request.clone();
    blocking(move || {
        let profile = Profile::open(paths, ask).map_err(StartError::from)?;
        let Opened {
            file,
            package,
            imports,
        } = open(&request.path)?;
        let manifest = package.manifest;
        refuse_host_infer(&request.settings)?;
        let settings = typed(&manifest, &request.settings);
        let (asks, grant) = agreement(
            &manifest,
            &settings,
            &Grant::default(),
            request.is_local_server,
        )?;
        let card = PermissionCard::new(
            &manifest,
            &CardContext {
                settings: &settings,
                host: &shape_of_host(),
                grant: &grant,
                ceiling: &Ceiling::default(),
                imports: &imports,
                differences: &[],
            },
        );
        Ok(PlayDraft {
            id: manifest.id.clone(),
            name: manifest.name.clone(),
            version: manifest.version.to_string(),
            kind: manifest.world.kind,
            asks,
            keys: keys(&profile, &manifest),
            card,
            profile,
            file,
            manifest,
            settings,
            grant,
        })
    })
    .await
}

/// Where the plugin's keys are. Blocks.
fn keys(profile: &Profile, manifest: &Manifest) -> Vec<KeyRow> {
    let owner = Profile::key_owner(manifest);
    let of_person = manifest.credentials.iter().enumerate();
    let of_person = of_person.filter(|(_, spec)| spec.source == CredentialSource::Person);
    of_person
        .map(|(index, spec)| KeyRow {
            credential: spec.name.clone(),
            required: spec.required,
            state: state(profile, &owner, spec, index == 0),
            help: spec.help.clone(),
        })
        .collect()
}

impl PlayDraft {
    /// Loads it, with the consent that the person gave by calling this. `key`: the value of the first
    /// credential, in place of the one that is kept; it is not kept.
    ///
    /// # Errors
    /// When it does not load, a key's store cannot be read, or it asks the model that ValeChat runs itself.
    pub async fn begin(self, key: Option<Secret>) -> Result<Play, ApiError> {
        let (sender, seen) = mpsc::unbounded_channel();
        let watcher = Arc::new(Watcher::new(sender.clone()));
        let config = PlaygroundConfig {
            file: self.file.clone(),
            manifest: self.manifest.clone(),
            settings: self.settings.clone(),
            grant: self.grant,
            key,
            tap: Arc::clone(&watcher) as Arc<dyn vale_host::Tap>,
        };
        let playground = Playground::open(&self.profile, config).await;
        let playground = playground.map_err(|error| match error {
            PlaygroundError::Start(error) => error.into(),
            PlaygroundError::Refused(failure) => {
                ApiError::of_failure(failure, self.id.as_str(), false)
            }
            PlaygroundError::Load(error) => ApiError::new(
                ApiErrorKind::Plugin,
                format!("{} {} does not load: {error}.", self.id, self.version),
                "Build it again for the contract in wit/.",
            ),
            PlaygroundError::LocalModel => ApiError::new(
                ApiErrorKind::Usage,
                format!(
                    "{} asks the model that ValeChat runs itself, which is not started for a plugin that is tried.",
                    self.id
                ),
                "Give the address of another server with --set, or install the plugin.",
            ),
        })?;
        Ok(Play {
            id: self.id,
            file: self.file,
            manifest: self.manifest,
            settings: self.settings,
            playground: Arc::new(playground),
            watcher,
            sender,
            seen,
            last: None,
            recorder: None,
        })
    }
}
