//! Credentials, ready to attach. They go in after every check and never come back.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use zeroize::Zeroizing;

use crate::headers::is_framing;
use crate::rule::is_below;
use crate::{ConfigError, Credential, CredentialPlace, HttpError, Origin};

/// Where the secret goes in a template.
const PLACEHOLDER: &str = "{key}";

struct Ready {
    name: String,
    header: HeaderName,
    places: Vec<CredentialPlace>,
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
                other.header == one.header
                    && other
                        .places
                        .iter()
                        .any(|place| one.places.iter().any(|mine| overlap(place, mine)))
            });
            if let Some(other) = twice {
                return Err(ConfigError::Credential {
                    name: other.name.clone(),
                    reason: format!("'{}' uses the same header for the same address", one.name),
                });
            }
        }
        Ok(Self { all })
    }

    /// Headers that are reserved for credentials, whether set or not.
    pub(crate) fn headers(&self) -> Vec<HeaderName> {
        self.all.iter().map(|one| one.header.clone()).collect()
    }

    /// Attaches what belongs to `target`. A required credential that is not attached is an error:
    /// better a sentence than a 401 that nobody understands. That holds for one that is not set,
    /// for one that a redirect from elsewhere must not carry, and for one that was declared but
    /// belongs to none of the plugin's requests here. Only a redirect may lead where none is needed.
    pub(crate) fn attach(
        &self,
        target: &Target<'_>,
        headers: &mut HeaderMap,
    ) -> Result<(), HttpError> {
        let origin = target.origin;
        let mut named = false;
        for one in self.all.iter().filter(|one| one.belongs_to(target)) {
            named = true;
            match &one.value {
                Some(_) if headers.contains_key(header::RANGE) => {
                    // A server that echoes the key could be asked for half of it, which the scan
                    // of the answer does not know.
                    return Err(HttpError::denied(format!(
                        "The plugin asks for a part of an answer ('range') together with the \
                         credential '{}', which is not allowed.",
                        one.name
                    )));
                }
                Some(value) if target.arrival != Arrival::FromElsewhere => {
                    headers.insert(one.header.clone(), value.clone());
                }
                Some(_) if one.required => {
                    return Err(HttpError::denied(format!(
                        "A redirect from another server led to {origin}, where the credential '{}' \
                         is needed; a redirect to another server never carries one. Set {origin} \
                         as the address to ask.",
                        one.name
                    )));
                }
                None if one.required => {
                    return Err(HttpError::denied(format!(
                        "The credential '{}' for {origin} is not set. Set it, then try again.",
                        one.name
                    )));
                }
                Some(_) | None => {}
            }
        }
        let must_name = target.arrival == Arrival::Asked && !named;
        let missing = self.all.iter().find(|one| one.required && must_name);
        missing.map_or(Ok(()), |one| {
            Err(HttpError::denied(format!(
                "The credential '{}' is declared, but not for {origin}{}, so the request would go \
                 there without it. The plugin's manifest must list that address.",
                one.name, target.path
            )))
        })
    }
}

/// Where a request goes, as far as credentials care.
pub(crate) struct Target<'a> {
    pub(crate) origin: &'a Origin,
    /// As in a parsed URL.
    pub(crate) path: &'a str,
    pub(crate) arrival: Arrival,
}

/// How one request of a chain came to its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// The plugin asked for it.
    Asked,
    /// A redirect; the chain never left the first origin.
    Within,
    /// A redirect, and the chain has left its first origin, even if it came back since: another
    /// server chose this URL, so it gets no credential.
    FromElsewhere,
}

impl Ready {
    fn belongs_to(&self, target: &Target<'_>) -> bool {
        self.places.iter().any(|place| {
            place.origin == *target.origin
                && place
                    .path_prefix
                    .as_ref()
                    .is_none_or(|prefix| is_below(prefix, target.path))
        })
    }
}

/// Whether some address belongs to both.
fn overlap(one: &CredentialPlace, other: &CredentialPlace) -> bool {
    one.origin == other.origin
        && match (&one.path_prefix, &other.path_prefix) {
            (Some(one), Some(other)) => {
                let bare = |prefix: &str| prefix.trim_end_matches('/').to_owned();
                is_below(one, &bare(other)) || is_below(other, &bare(one))
            }
            (None, _) | (_, None) => true,
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
    if declared.places.is_empty() {
        return Err(refuse("it names no server to be sent to"));
    }
    let unrooted = |place: &CredentialPlace| {
        let prefix = place.path_prefix.as_ref();
        prefix.is_some_and(|prefix| !prefix.starts_with('/'))
    };
    if declared.places.iter().any(unrooted) {
        return Err(refuse("a path that it belongs to does not begin with '/'"));
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
        places: declared.places.clone(),
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
            places: vec![place(origin, None)],
            required,
            secret: secret.map(|text| Secret::new(text.to_owned()).ok().unwrap()),
        }
    }

    fn place(origin: &str, path_prefix: Option<&str>) -> CredentialPlace {
        CredentialPlace {
            origin: Origin::parse(origin).unwrap(),
            path_prefix: path_prefix.map(str::to_owned),
        }
    }

    fn attach_at(
        declared: &[Credential],
        origin: &str,
        path: &str,
        arrival: Arrival,
    ) -> Result<HeaderMap, HttpError> {
        let mut headers = HeaderMap::new();
        let target = Target {
            origin: &Origin::parse(origin).unwrap(),
            path,
            arrival,
        };
        let credentials = Credentials::new(declared).unwrap();
        credentials.attach(&target, &mut headers)?;
        Ok(headers)
    }

    fn attach(declared: &[Credential], origin: &str) -> Result<HeaderMap, HttpError> {
        attach_at(declared, origin, "/", Arrival::Asked)
    }

    const A: &str = "https://a.example";
    const B: &str = "https://b.example";

    #[test]
    fn a_credential_goes_to_its_own_origin_only_and_is_marked_sensitive() {
        let declared = [
            credential("a", A, true, Some("secret-of-a")),
            credential("b", B, true, Some("secret-of-b")),
        ];
        let headers = attach(&declared, B).unwrap();
        assert_eq!(headers["authorization"], "Bearer secret-of-b");
        assert!(headers["authorization"].is_sensitive());
        assert!(!format!("{headers:?}").contains("secret-of"));
    }

    #[test]
    fn a_declared_credential_that_is_not_attached_is_an_error() {
        let unset = attach(&[credential("key", A, true, None)], A).unwrap_err();
        assert!(unset.message.contains("'key'") && unset.message.contains("is not set"));
        let elsewhere = attach(&[credential("key", A, true, Some("x"))], B).unwrap_err();
        assert!(elsewhere.message.contains("'key'") && elsewhere.message.contains(B));
        assert!(!elsewhere.request_sent);
    }

    #[test]
    fn an_optional_credential_may_be_missing() {
        assert!(
            attach(&[credential("key", A, false, None)], A)
                .unwrap()
                .is_empty()
        );
        assert!(
            attach(&[credential("key", A, false, Some("x"))], B)
                .unwrap()
                .is_empty()
        );
        assert!(attach(&[], A).unwrap().is_empty());
    }

    #[test]
    fn a_credential_stays_below_its_path_segment_by_segment() {
        let mut one = credential("key", A, true, Some("x"));
        one.places = vec![place(A, Some("/v1/")), place(B, Some("/"))];
        let declared = [one];
        for (origin, path, attached) in [
            (A, "/v1", true),
            (A, "/v1/models", true),
            (A, "/v1x", false),
            (A, "/", false),
            (A, "/%76%31/models", false),
            (B, "/anything", true),
        ] {
            let asked = attach_at(&declared, origin, path, Arrival::Asked);
            assert_eq!(asked.is_ok(), attached, "{origin}{path}");
            let message = asked.err().map(|error| error.message).unwrap_or_default();
            assert!(attached || message.contains(&format!("{origin}{path}")));
            let headers = attach_at(&declared, origin, path, Arrival::Within).unwrap();
            assert_eq!(headers.len(), usize::from(attached), "{origin}{path}");
        }
    }

    #[test]
    fn two_credentials_may_share_a_header_only_under_separate_paths() {
        let pair = |one: Option<&str>, other: Option<&str>| {
            let mut pair = [("a", one), ("b", other)].map(|(name, prefix)| Credential {
                places: vec![place(A, prefix)],
                ..credential(name, A, true, Some(name))
            });
            pair.reverse();
            pair
        };
        let separate = pair(Some("/one"), Some("/oneself"));
        let headers = attach_at(&separate, A, "/one/x", Arrival::Asked).unwrap();
        assert_eq!(headers["authorization"], "Bearer a");
        for (one, other) in [
            (None, Some("/one")),
            (Some("/"), Some("/one")),
            (Some("/one"), Some("/one/")),
            (Some("/one/two"), Some("/one/")),
        ] {
            assert!(Credentials::new(&pair(one, other)).is_err());
        }
    }

    #[test]
    fn a_redirect_from_elsewhere_carries_nothing_and_is_refused_where_something_is_needed() {
        let elsewhere =
            |declared: &[Credential]| attach_at(declared, B, "/", Arrival::FromElsewhere);
        let for_a = credential("a", A, true, Some("x"));
        assert!(elsewhere(&[for_a]).unwrap().is_empty());
        let optional = credential("b", B, false, Some("x"));
        assert!(elsewhere(&[optional]).unwrap().is_empty());
        for secret in [None, Some("x")] {
            let error = elsewhere(&[credential("b", B, true, secret)]).unwrap_err();
            assert!(error.message.contains("'b'"), "{}", error.message);
        }
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
        broken(|one| one.places.clear());
        broken(|one| one.places = vec![place(A, Some("v1"))]);
        let twice = [
            credential("a", A, true, None),
            credential("b", A, true, None),
        ];
        assert!(Credentials::new(&twice).is_err());
    }
}
