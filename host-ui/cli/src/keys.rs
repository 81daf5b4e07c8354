//! `key`: setting and forgetting, never showing.

use serde_json::json;
use vale_api::KeyStore;

use crate::args::{KeyCommand, Store};
use crate::exit::Stop;
use crate::out::Out;
use crate::{ask, open};

pub(crate) async fn run(command: KeyCommand, out: Out) -> Result<(), Stop> {
    let api = open(&out, ask::passphrase()).await?;
    match command {
        KeyCommand::Set {
            provider,
            credential,
            stdin,
            store,
        } => {
            // Before the question: nobody types a key for a provider that is not there.
            api.check_credential(&provider, credential.as_deref())?;
            let secret = ask::key(&provider, stdin).await?;
            let store = store.map(|store| match store {
                Store::Keyring => (KeyStore::Keyring, None),
                Store::File => (KeyStore::File, ask::passphrase()),
            });
            let stored = api
                .set_key(&provider, credential.as_deref(), secret, store)
                .await?;
            if out.json {
                return Ok(out.document(&stored)?);
            }
            out.line(&format!(
                "The key of {} ({}) is kept in {}.",
                stored.provider, stored.credential, stored.place
            ))?;
            for note in &stored.notes {
                out.note(note);
            }
            Ok(())
        }
        KeyCommand::Remove {
            provider,
            credential,
        } => {
            let removed = api.remove_key(&provider, credential.as_deref()).await?;
            if out.json {
                return Ok(out.document(&json!({ "provider": provider, "removed": removed }))?);
            }
            Ok(out.line(&if removed {
                format!("The key of {provider} is forgotten.")
            } else {
                format!("{provider} had no key; nothing was changed.")
            })?)
        }
    }
}
