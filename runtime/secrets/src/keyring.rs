//! The keyring of the operating system, with a bound on every call.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use keyring_core::{CredentialStore, Entry, Error as KeyringError};
use zeroize::{Zeroize as _, Zeroizing};

use crate::{Secret, SecretError, SecretName, SecretStore};

type Connect = dyn Fn() -> Result<Arc<CredentialStore>, KeyringError> + Send + Sync;

/// macOS Keychain, Windows Credential Manager or, elsewhere, the Secret Service of the desktop
/// session.
///
/// Entries carry the service `valechat` and the user `<provider>/<credential>`. A keyring can be
/// silent for ever (a prompt that nobody sees, a bus that does not answer), so each call runs on a
/// thread of its own and is given up after a time limit; a call given up may still take effect when
/// the person answers the prompt later.
pub struct KeyringStore {
    shared: Arc<Shared>,
    timeout: Duration,
}

struct Shared {
    connect: Box<Connect>,
    /// The connection in use; dropped after a failure, so that a keyring that starts or restarts
    /// later is found.
    connection: Mutex<Option<Arc<CredentialStore>>>,
    /// Threads that have not come back yet.
    running: AtomicUsize,
}

impl KeyringStore {
    /// The service name of every entry.
    pub const SERVICE: &'static str = "valechat";
    /// How long one call may take unless told otherwise. Ours: local calls take milliseconds, and a
    /// person who sees a prompt and answers later than this repeats the command.
    pub const TIMEOUT: Duration = Duration::from_secs(10);
    /// So many unanswered calls make further ones fail at once, so that threads do not pile up.
    const MAX_RUNNING: usize = 8;

    /// The keyring of this session, each call bounded by [`KeyringStore::TIMEOUT`]. Connects at the
    /// first call.
    #[must_use]
    pub fn new() -> Self {
        Self::with_timeout(Self::TIMEOUT)
    }

    /// As [`KeyringStore::new`], with another time limit.
    #[must_use]
    pub fn with_timeout(timeout: Duration) -> Self {
        Self::over(Box::new(system_store), timeout)
    }

    fn over(connect: Box<Connect>, timeout: Duration) -> Self {
        let shared = Shared {
            connect,
            connection: Mutex::new(None),
            running: AtomicUsize::new(0),
        };
        Self {
            shared: Arc::new(shared),
            timeout,
        }
    }

    fn call<T: Send + 'static>(
        &self,
        name: &SecretName,
        action: impl Fn(&Entry) -> Result<T, KeyringError> + Send + 'static,
    ) -> Result<T, SecretError> {
        let slot = Slot::take(&self.shared).ok_or_else(|| {
            unavailable("earlier requests are still waiting for its answer".to_owned())
        })?;
        let (answer, answered) = mpsc::sync_channel(1);
        let user = name.to_string();
        std::thread::Builder::new()
            .name("valechat-keyring".to_owned())
            .spawn(move || {
                let result = slot.0.perform(&user, &action);
                drop(slot);
                // Nobody listens any more after a timeout; a secret in `result` is zeroed here.
                let _ = answer.send(result);
            })
            .map_err(|_| SecretError::System("a thread to talk to the keyring"))?;
        match answered.recv_timeout(self.timeout) {
            Ok(result) => result.map_err(|error| explain(name, error)),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                self.shared.forget();
                let seconds = self.timeout.as_secs_f32();
                Err(unavailable(format!(
                    "it did not answer within {seconds} seconds"
                )))
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                self.shared.forget();
                Err(unavailable("the request to it broke off".to_owned()))
            }
        }
    }
}

impl Default for KeyringStore {
    fn default() -> Self {
        Self::new()
    }
}

impl SecretStore for KeyringStore {
    fn get(&self, name: &SecretName) -> Result<Option<Secret>, SecretError> {
        let found = self.call(name, |entry| match entry.get_secret() {
            Ok(bytes) => Ok(Some(Zeroizing::new(bytes))),
            Err(KeyringError::NoEntry) => Ok(None),
            Err(error) => Err(error),
        })?;
        let Some(mut bytes) = found else {
            return Ok(None);
        };
        let unusable = |reason: String| SecretError::KeyringEntry {
            name: name.to_string(),
            reason,
        };
        let text = String::from_utf8(std::mem::take(&mut *bytes)).map_err(|error| {
            error.into_bytes().zeroize();
            unusable("it holds something other than text".to_owned())
        })?;
        Secret::new(text)
            .map(Some)
            .map_err(|error| unusable(error.to_string()))
    }

    fn set(&self, name: &SecretName, secret: &Secret) -> Result<(), SecretError> {
        let copy = secret.duplicate();
        self.call(name, move |entry| {
            entry.set_secret(copy.expose().as_bytes())
        })
        .map_err(|error| without(error, secret))
    }

    fn remove(&self, name: &SecretName) -> Result<bool, SecretError> {
        self.call(name, |entry| match entry.delete_credential() {
            Ok(()) => Ok(true),
            Err(KeyringError::NoEntry) => Ok(false),
            Err(error) => Err(error),
        })
    }

    fn describe(&self) -> String {
        let place = if cfg!(target_os = "macos") {
            "the macOS Keychain"
        } else if cfg!(windows) {
            "the Windows Credential Manager"
        } else {
            "the keyring of the desktop session (Secret Service)"
        };
        format!("{place}, service `{}`", Self::SERVICE)
    }
}

impl Shared {
    fn perform<T>(
        &self,
        user: &str,
        action: &impl Fn(&Entry) -> Result<T, KeyringError>,
    ) -> Result<T, KeyringError> {
        // A connection kept from before may belong to a keyring that was restarted since: one
        // failure on it is tried again on a new one. Every action may be repeated.
        if let Some(store) = self.connected() {
            let result = attempt(&store, user, action);
            match result {
                Err(KeyringError::PlatformFailure(_) | KeyringError::NoStorageAccess(_)) => {
                    self.forget();
                }
                settled => return settled,
            }
        }
        let store = (self.connect)()?;
        let result = attempt(&store, user, action);
        if !matches!(result, Err(KeyringError::PlatformFailure(_))) {
            *self
                .connection
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = Some(store);
        }
        result
    }

    fn connected(&self) -> Option<Arc<CredentialStore>> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn forget(&self) {
        *self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// One of the threads that may run; given back when dropped, also by a panic.
struct Slot(Arc<Shared>);

impl Slot {
    fn take(shared: &Arc<Shared>) -> Option<Self> {
        let slot = Self(Arc::clone(shared));
        let before = shared.running.fetch_add(1, Ordering::Relaxed);
        (before < KeyringStore::MAX_RUNNING).then_some(slot)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

fn attempt<T>(
    store: &Arc<CredentialStore>,
    user: &str,
    action: &impl Fn(&Entry) -> Result<T, KeyringError>,
) -> Result<T, KeyringError> {
    action(&store.build(KeyringStore::SERVICE, user, None)?)
}

fn unavailable(reason: String) -> SecretError {
    SecretError::KeyringUnavailable { reason }
}

/// Variants that carry bytes of the entry are described, never printed.
fn explain(name: &SecretName, error: KeyringError) -> SecretError {
    let entry = |reason: String| SecretError::KeyringEntry {
        name: name.to_string(),
        reason,
    };
    match error {
        KeyringError::PlatformFailure(source) | KeyringError::NoStorageAccess(source) => {
            unavailable(source.to_string())
        }
        KeyringError::NoDefaultStore => unavailable("this system has none".to_owned()),
        KeyringError::BadEncoding(mut bytes) | KeyringError::BadDataFormat(mut bytes, _) => {
            bytes.zeroize();
            entry("it holds something other than text".to_owned())
        }
        KeyringError::TooLong(_, limit) => entry(format!(
            "this system's keyring takes at most {limit} characters"
        )),
        KeyringError::Ambiguous(entries) => {
            entry(format!("{} entries carry this name", entries.len()))
        }
        KeyringError::Invalid(what, _) => entry(format!("it does not accept the {what}")),
        KeyringError::NotSupportedByStore(_) => {
            entry("it does not support this request".to_owned())
        }
        _ => entry("it reported an unknown error".to_owned()),
    }
}

/// No keyring is known to quote what it was given; none is trusted not to.
fn without(error: SecretError, secret: &Secret) -> SecretError {
    match error {
        SecretError::KeyringUnavailable { reason } if reason.contains(secret.expose()) => {
            unavailable("it refused the key".to_owned())
        }
        other => other,
    }
}

#[cfg(all(feature = "keyring", unix, not(target_os = "macos")))]
fn system_store() -> Result<Arc<CredentialStore>, KeyringError> {
    Ok(zbus_secret_service_keyring_store::Store::new()?)
}

#[cfg(all(feature = "keyring", target_os = "macos"))]
fn system_store() -> Result<Arc<CredentialStore>, KeyringError> {
    Ok(apple_native_keyring_store::keychain::Store::new()?)
}

#[cfg(all(feature = "keyring", windows))]
fn system_store() -> Result<Arc<CredentialStore>, KeyringError> {
    Ok(windows_native_keyring_store::Store::new()?)
}

#[cfg(not(all(feature = "keyring", any(unix, windows))))]
fn system_store() -> Result<Arc<CredentialStore>, KeyringError> {
    Err(KeyringError::NoDefaultStore)
}

#[cfg(test)]
mod tests {
    use std::sync::Condvar;

    use super::*;

    fn name() -> SecretName {
        SecretName::first("openai", "api-key").unwrap()
    }

    fn failing(error: fn() -> KeyringError) -> KeyringStore {
        KeyringStore::over(Box::new(move || Err(error())), Duration::from_secs(60))
    }

    #[test]
    fn what_is_set_is_found_until_it_is_removed() {
        let mock = keyring_core::mock::Store::new().unwrap();
        let store = KeyringStore::over(
            Box::new(move || Ok(Arc::clone(&mock) as Arc<CredentialStore>)),
            Duration::from_secs(60),
        );
        assert!(store.get(&name()).unwrap().is_none());
        assert!(!store.remove(&name()).unwrap());
        store
            .set(&name(), &Secret::new("sk-1".to_owned()).unwrap())
            .unwrap();
        store
            .set(&name(), &Secret::new("sk-2".to_owned()).unwrap())
            .unwrap();
        assert_eq!(store.get(&name()).unwrap().unwrap().expose(), "sk-2");
        let other = SecretName::further("openai", "admin-key").unwrap();
        assert!(store.get(&other).unwrap().is_none());
        assert!(store.remove(&name()).unwrap());
        assert!(store.get(&name()).unwrap().is_none());
    }

    #[test]
    fn a_silent_keyring_is_given_up_and_does_not_pile_up_threads() {
        let gate = Arc::new((Mutex::new(false), Condvar::new()));
        let inside = Arc::clone(&gate);
        let mock = keyring_core::mock::Store::new().unwrap();
        let store = KeyringStore::over(
            Box::new(move || {
                let open = inside.0.lock().unwrap();
                drop(inside.1.wait_while(open, |open| !*open).unwrap());
                Ok(Arc::clone(&mock) as Arc<CredentialStore>)
            }),
            Duration::from_millis(20),
        );
        for _ in 0..KeyringStore::MAX_RUNNING {
            let error = store.get(&name()).err().unwrap();
            assert!(error.is_unavailable());
            assert!(
                error
                    .to_string()
                    .contains("did not answer within 0.02 seconds"),
                "{error}"
            );
        }
        let error = store.get(&name()).err().unwrap();
        assert!(error.to_string().contains("earlier requests"), "{error}");

        *gate.0.lock().unwrap() = true;
        gate.1.notify_all();
        while store.shared.running.load(Ordering::Relaxed) > 0 {
            std::thread::yield_now();
        }
        let patient = KeyringStore {
            shared: Arc::clone(&store.shared),
            timeout: Duration::from_secs(60),
        };
        assert!(
            patient.get(&name()).unwrap().is_none(),
            "it works again once it answers"
        );
    }

    #[test]
    fn a_keyring_that_starts_later_is_found() {
        let calls = AtomicUsize::new(0);
        let mock = keyring_core::mock::Store::new().unwrap();
        let store = KeyringStore::over(
            Box::new(move || match calls.fetch_add(1, Ordering::Relaxed) {
                0 => Err(KeyringError::PlatformFailure("no bus".into())),
                _ => Ok(Arc::clone(&mock) as Arc<CredentialStore>),
            }),
            Duration::from_secs(60),
        );
        assert!(
            store
                .get(&name())
                .is_err_and(|error| error.is_unavailable())
        );
        assert!(store.get(&name()).unwrap().is_none());
    }

    #[test]
    fn errors_name_the_way_out_and_never_what_the_entry_held() {
        let error = failing(|| KeyringError::PlatformFailure("no bus".into())).get(&name());
        let sentence = error.err().unwrap().to_string();
        assert!(sentence.contains("no bus"), "{sentence}");
        assert!(
            sentence.contains("valechat key set --store file"),
            "{sentence}"
        );
        for error in [
            || KeyringError::BadEncoding(b"sk-1".to_vec()),
            || KeyringError::BadDataFormat(b"sk-1".to_vec(), "sk-1".into()),
            || KeyringError::Invalid("secret".to_owned(), "sk-1".to_owned()),
            || KeyringError::NotSupportedByStore("sk-1".to_owned()),
            || KeyringError::BadStoreFormat("sk-1".to_owned()),
            || KeyringError::PlatformFailure("refused sk-1".into()),
        ] {
            let secret = Secret::new("sk-1".to_owned()).unwrap();
            let error = failing(error).set(&name(), &secret).err().unwrap();
            assert!(!format!("{error} {error:?}").contains("sk-1"), "{error:?}");
        }
    }

    #[test]
    fn a_panic_inside_the_keyring_library_is_an_error_here() {
        let store = KeyringStore::over(Box::new(|| panic!("as a test")), Duration::from_secs(60));
        assert!(
            store
                .get(&name())
                .is_err_and(|error| error.is_unavailable())
        );
        while store.shared.running.load(Ordering::Relaxed) > 0 {
            std::thread::yield_now();
        }
    }
}
