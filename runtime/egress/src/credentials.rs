//! Credentials, ready to attach. They go in after every check and never come back.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use zeroize::Zeroizing;

use crate::headers::is_framing;
use crate::{ConfigError, Credential, HttpError, Origin};

/// Where the secret goes in a template.
const PLACEHOLDER: &str = "{key}";

struct Ready {
    name: String,
    header: HeaderName,
    origins: Vec<Origin>,
    required: bool,
    /// `None`: the person has not set it.
    value: Option<HeaderValue>,
}

/// All credentials of a gate.
pub(crate) struct Credentials {
    all: Vec<Ready>,
}

impl Credentials {
    pub(crate) fn new(declared: &[Credential]) -> Result<Self, ConfigError> {
        let all = declared
            .iter()
            .map(prepare)
            .collect::<Result<Vec<_>, _>>()?;
        for (index, one) in all.iter().enumerate() {
            let twice = all.iter().skip(index + 1).find(|other| {
                other.header == one.header && other.origins.iter().any(|o| one.origins.contains(o))
            });
            if let Some(other) = twice {
                return Err(ConfigError::Credential {
                    name: other.name.clone(),
                    reason: format!("'{}' uses the same header for the same server", one.name),
                });
            }
        }
        Ok(Self { all })
    }

    /// Headers that are reserved for credentials, whether set or not.
    pub(crate) fn headers(&self) -> Vec<HeaderName> {
        self.all.iter().map(|one| one.header.clone()).collect()
    }

    /// Attaches what belongs to `origin`. A required credential that is not set is an error, and so
    /// is one that was declared but belongs to none of the plugin's requests here: better a
    /// sentence than a 401 that nobody understands. A redirect (`first` false) may lead to a server
    /// that needs none.
    pub(crate) fn attach(
        &self,
        origin: &Origin,
        first: bool,
        headers: &mut HeaderMap,
    ) -> Result<(), HttpError> {
        let mut named = false;
        for one in self.all.iter().filter(|one| one.origins.contains(origin)) {
            named = true;
            match &one.value {
                Some(value) => {
                    headers.insert(one.header.clone(), value.clone());
                }
                None if one.required => {
                    return Err(HttpError::denied(format!(
                        "The credential '{}' for {origin} is not set. Set it, then try again.",
                        one.name
                    )));
                }
                None => {}
            }
        }
        let missing = self.all.iter().find(|one| one.required && first && !named);
        missing.map_or(Ok(()), |one| {
            Err(HttpError::denied(format!(
                "The credential '{}' is declared, but not for {origin}, so the request would go \
                 there without it. The plugin's manifest must list that server.",
                one.name
            )))
        })
    }
}

fn prepare(declared: &Credential) -> Result<Ready, ConfigError> {
    let refuse = |reason: &str| ConfigError::Credential {
        name: declared.name.clone(),
        reason: reason.to_owned(),
    };
    let Some((before, after)) = declared.template.split_once(PLACEHOLDER) else {
        return Err(refuse("its template does not hold {key}"));
    };
    if after.contains(PLACEHOLDER) {
        return Err(refuse("its template holds {key} twice"));
    }
    if is_framing(&declared.header) {
        return Err(refuse("its header is the host's own"));
    }
    if declared.origins.is_empty() {
        return Err(refuse("it names no server to be sent to"));
    }
    let value = declared
        .secret
        .as_ref()
        .map(|secret| {
            let mut text = Zeroizing::new(Vec::new());
            for part in [before, secret.expose(), after] {
                text.extend_from_slice(part.as_bytes());
            }
            // Zeroed when the last clone of the header is gone.
            let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(text))
                .map_err(|_| refuse("its value or template holds a control character"))?;
            value.set_sensitive(true);
            Ok(value)
        })
        .transpose()?;
    Ok(Ready {
        name: declared.name.clone(),
        header: declared.header.clone(),
        origins: declared.origins.clone(),
        required: declared.required,
        value,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use vale_secrets::Secret;

    fn credential(name: &str, origin: &str, required: bool, secret: Option<&str>) -> Credential {
        Credential {
            name: name.to_owned(),
            header: http::header::AUTHORIZATION,
            template: "Bearer {key}".to_owned(),
            origins: vec![Origin::parse(origin).unwrap()],
            required,
            secret: secret.map(|text| Secret::new(text.to_owned()).ok().unwrap()),
        }
    }

    fn attach(declared: &[Credential], origin: &str, first: bool) -> Result<HeaderMap, HttpError> {
        let mut headers = HeaderMap::new();
        let credentials = Credentials::new(declared).unwrap();
        credentials.attach(&Origin::parse(origin).unwrap(), first, &mut headers)?;
        Ok(headers)
    }

    const A: &str = "https://a.example";
    const B: &str = "https://b.example";

    #[test]
    fn a_credential_goes_to_its_own_origin_only_and_is_marked_sensitive() {
        let declared = [
            credential("a", A, true, Some("secret-of-a")),
            credential("b", B, true, Some("secret-of-b")),
        ];
        let headers = attach(&declared, B, true).unwrap();
        assert_eq!(headers["authorization"], "Bearer secret-of-b");
        assert!(headers["authorization"].is_sensitive());
        assert!(!format!("{headers:?}").contains("secret-of"));
    }

    #[test]
    fn a_declared_credential_that_is_not_attached_is_an_error() {
        let unset = attach(&[credential("key", A, true, None)], A, true).unwrap_err();
        assert!(unset.message.contains("'key'") && unset.message.contains("is not set"));
        let elsewhere = attach(&[credential("key", A, true, Some("x"))], B, true).unwrap_err();
        assert!(elsewhere.message.contains("'key'") && elsewhere.message.contains(B));
        assert!(!elsewhere.request_sent);
    }

    #[test]
    fn an_optional_credential_may_be_missing() {
        assert!(
            attach(&[credential("key", A, false, None)], A, true)
                .unwrap()
                .is_empty()
        );
        assert!(
            attach(&[credential("key", A, false, Some("x"))], B, true)
                .unwrap()
                .is_empty()
        );
        assert!(attach(&[], A, true).unwrap().is_empty());
    }

    #[test]
    fn a_redirect_may_lead_where_no_credential_is_needed_but_not_where_one_is_missing() {
        assert!(
            attach(&[credential("a", A, true, Some("x"))], B, false)
                .unwrap()
                .is_empty()
        );
        let declared = [
            credential("a", A, true, Some("x")),
            credential("b", B, true, None),
        ];
        assert!(attach(&declared, B, false).is_err());
    }

    #[test]
    fn a_credential_that_can_never_be_attached_is_refused() {
        let broken = |change: fn(&mut Credential)| {
            let mut one = credential("key", A, true, Some("a-very-secret-value"));
            change(&mut one);
            let error = Credentials::new(&[one]).err().unwrap().to_string();
            assert!(!error.contains("a-very-secret-value"), "{error}");
        };
        broken(|one| one.template = "Bearer".to_owned());
        broken(|one| one.template = "{key}{key}".to_owned());
        broken(|one| one.template = "{key}\r\nx: y".to_owned());
        broken(|one| one.header = http::header::HOST);
        broken(|one| one.header = http::header::CONTENT_LENGTH);
        broken(|one| one.origins.clear());
        let twice = [
            credential("a", A, true, None),
            credential("b", A, true, None),
        ];
        assert!(Credentials::new(&twice).is_err());
    }
}
