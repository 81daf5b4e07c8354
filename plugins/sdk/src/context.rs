//! What a plugin may know about its installation.

use crate::json::Value;
use crate::types::{CredentialInfo, Error, ErrorKind};

/// Settings and which credentials are set. Secrets are not in it: the host attaches them.
#[derive(Clone, Debug, Default)]
pub struct Context {
    settings_json: String,
    credentials: Vec<CredentialInfo>,
}

impl Context {
    /// A context of these settings (a JSON object) and credentials.
    ///
    /// # Errors
    /// `internal` if the settings are not a JSON object: the host checks them before.
    pub fn new(
        settings_json: impl Into<String>,
        credentials: Vec<CredentialInfo>,
    ) -> Result<Self, Error> {
        let settings_json = settings_json.into();
        let settings = Value::parse(settings_json.as_bytes());
        if settings.is_some_and(|settings| settings.is_object()) {
            Ok(Self {
                settings_json,
                credentials,
            })
        } else {
            Err(Error::new(
                ErrorKind::Internal,
                "The settings that the host gave are not a JSON object.",
            ))
        }
    }

    /// A text setting, without blanks around it; an empty one counts as not set.
    pub fn text(&self, name: &str) -> Option<String> {
        let settings = Value::parse(self.settings_json.as_bytes())?;
        let text = settings.get(name)?.text()?.trim().to_string();
        (!text.is_empty()).then_some(text)
    }

    /// A setting that is a list of texts, in its order; one that is not set is empty.
    pub fn texts(&self, name: &str) -> Vec<String> {
        let settings = Value::parse(self.settings_json.as_bytes());
        let list = settings.as_ref().and_then(|settings| settings.get(name));
        let items = list.map(Value::items).unwrap_or_default();
        items.iter().filter_map(Value::text).collect()
    }

    /// A yes-or-no setting.
    pub fn bool(&self, name: &str) -> Option<bool> {
        Value::parse(self.settings_json.as_bytes())?
            .get(name)?
            .bool()
    }

    /// A whole number that is not negative.
    pub fn integer(&self, name: &str) -> Option<u64> {
        Value::parse(self.settings_json.as_bytes())?
            .get(name)?
            .u64()
    }

    /// A text setting that must be there.
    ///
    /// # Errors
    /// `invalid-request` naming the setting.
    pub fn required_text(&self, name: &str) -> Result<String, Error> {
        self.text(name).ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidRequest(Some(name.to_string())),
                format!("The setting \"{name}\" is empty; nothing was sent."),
            )
        })
    }

    /// `base_url` (or another setting that holds a URL) with a path added before its query.
    ///
    /// # Errors
    /// `invalid-request` naming the setting, if it is empty.
    pub fn url(&self, setting: &str, path: &str) -> Result<String, Error> {
        let base = self.required_text(setting)?;
        let (base, query) = match base.split_once('?') {
            Some((base, query)) => (base, format!("?{query}")),
            None => (base.as_str(), String::new()),
        };
        let base = base.trim_end_matches('/');
        let path = path.trim_start_matches('/');
        Ok(format!("{base}/{path}{query}"))
    }

    /// That every required credential is set. The SDK asks before any request.
    ///
    /// # Errors
    /// `auth(missing)` naming the first that is not.
    pub fn require_credentials(&self) -> Result<(), Error> {
        match self
            .credentials
            .iter()
            .find(|credential| credential.required && !credential.present)
        {
            Some(credential) => Err(Error::missing_credential(&credential.name)),
            None => Ok(()),
        }
    }
}
