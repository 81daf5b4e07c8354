//! The judge of a row of the tables of faults, whichever call met it.

use serde_json::{Map, Value};
use vale_types::{ErrorKind, Failure, NetworkFailure};

use crate::bench::Used;
use crate::fault_rows::{HAND_ON, Right, Row};
use crate::heard::error_name;
use crate::report::{Check, Section, Verdict};
use crate::scenario::{Scenario, cannot_run};
use crate::tape::{After, Asked, Reply};

/// The row of the key that is not there.
pub(crate) const WITHOUT_KEY: &str = "a required key is missing";

/// How a call ended.
pub(crate) struct Ended<'a> {
    /// None = well.
    pub(crate) failure: Option<&'a Failure>,
    /// The same for people.
    pub(crate) words: String,
    pub(crate) used: &'a Used,
}

/// A failed check where no request was made; a fault is judged as one.
pub(crate) fn nobody_asked(
    section: Section,
    name: &str,
    end: &Ended<'_>,
    asked: &[Asked],
) -> Option<Check> {
    let is_other = asked.is_empty() && !matches!(end.failure, Some(Failure::Fault(_)));
    is_other.then(|| {
        Check::failed(section, name)
            .expected("a request to the server")
            .got(&end.words)
            .next_step("Let the plugin ask its server; nothing could fail here.")
            .log(&end.used.last_lines)
    })
}

pub(crate) fn judge(section: Section, row: &Row, right: &Right, end: &Ended<'_>) -> Check {
    let expected = right.kinds.join(" or ");
    let failed = |got: String, next: &str| {
        Check::failed(section, row.name)
            .expected(&expected)
            .got(got)
            .next_step(next)
            .log(&end.used.last_lines)
    };
    let failure = match end.failure {
        None => return failed(end.words.clone(), right.advice),
        Some(Failure::Fault(fault)) => {
            let next = "The plugin broke. A failing network must end in an error of the contract.";
            return failed(fault.to_string(), next);
        }
        Some(failure) => failure,
    };
    let name = error_name(failure);
    let fits = |kind: &&str| match kind.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == **kind,
    };
    if !right.kinds.iter().any(fits) {
        return failed(end.words.clone(), right.advice);
    }
    if let Some(wait) = row.wait_ms {
        let got = failure.retry_after().map(|wait| wait.as_millis());
        if got != Some(u128::from(wait)) {
            let got = got.map_or_else(|| "no wait".to_owned(), |ms| format!("a wait of {ms} ms"));
            return failed(format!("{name} with {got}"), right.advice)
                .expected(format!("{expected} with a wait of {wait} ms"));
        }
    }
    if let Some(sent) = must_be_sent(&row.reply)
        && let Some(said) = said_sent(failure)
        && said != sent
    {
        return failed(format!("{name} with request-sent {said}"), HAND_ON)
            .expected(format!("{expected} with request-sent {sent}"));
    }
    Check::passed(section, row.name)
        .expected(expected)
        .got(name)
}

/// Whether the request was sent; none where the plugin is not told.
fn must_be_sent(reply: &Reply) -> Option<bool> {
    match reply {
        Reply::Fails(_, sent) => Some(*sent),
        Reply::Silence | Reply::Answer(_, After::Error(_) | After::Silence | After::Lines) => {
            Some(true)
        }
        Reply::Answer(_, After::End) => None,
    }
}

fn said_sent(failure: &Failure) -> Option<bool> {
    let Failure::Error(error) = failure else {
        return None;
    };
    match &error.kind {
        ErrorKind::Network(NetworkFailure { request_sent, .. }) => Some(*request_sent),
        _ => None,
    }
}

/// The check of the missing key where none can be missing; none = it can.
pub(crate) fn no_key_needed(
    section: Section,
    scenario: &Scenario,
    settings: &Map<String, Value>,
) -> Option<Check> {
    match scenario.bench.needs_key(settings) {
        Ok(true) => None,
        Ok(false) => Some(
            Check::new(section, WITHOUT_KEY, Verdict::Skipped)
                .got("no key is required under these settings"),
        ),
        Err(why) => Some(cannot_run(section, WITHOUT_KEY.to_owned(), why)),
    }
}

/// Nobody is to be asked without a key that must be there.
pub(crate) fn without_key_judged(section: Section, end: &Ended<'_>, asked: &[Asked]) -> Check {
    let name = end.failure.map(error_name);
    if name.as_deref() == Some("auth.missing") && asked.is_empty() {
        return Check::passed(section, WITHOUT_KEY)
            .expected("auth.missing")
            .got("auth.missing, and nobody was asked");
    }
    Check::failed(section, WITHOUT_KEY)
        .expected("auth.missing without a request")
        .got(format!("{}, after {} requests", end.words, asked.len()))
        .next_step("Ask config.credentials() first, and say `auth(missing)` before any request.")
        .log(&end.used.last_lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault_rows::{refused, unanswered};

    fn verdict(row: &Row, kind: ErrorKind) -> (Verdict, String) {
        let failure: Failure = vale_types::Error::new(kind, "x").into();
        let used = Used::default();
        let end = Ended {
            failure: Some(&failure),
            words: error_name(&failure),
            used: &used,
        };
        let check = judge(Section::Faults, row, &row.completion.unwrap(), &end);
        (check.verdict, check.got.unwrap())
    }

    #[test]
    fn a_row_wants_the_kind_the_wait_and_the_word_on_what_was_sent() {
        let network =
            |kind, request_sent| ErrorKind::Network(NetworkFailure { kind, request_sent });
        let rows = unanswered();
        let refused_row = &rows[0];
        let connect = vale_types::NetworkKind::Connect;
        let (good, _) = verdict(refused_row, network(connect.clone(), false));
        assert_eq!(good, Verdict::Passed);
        let (sent, got) = verdict(refused_row, network(connect, true));
        assert_eq!(
            (sent, got.contains("request-sent true")),
            (Verdict::Failed, true)
        );
        let (other, _) = verdict(refused_row, network(vale_types::NetworkKind::Dns, false));
        assert_eq!(other, Verdict::Failed);

        let rows = refused();
        let limited = rows.iter().find(|row| row.wait_ms.is_some()).unwrap();
        for (wait, expected) in [
            (Some(7_000), Verdict::Passed),
            (Some(7), Verdict::Failed),
            (None, Verdict::Failed),
        ] {
            let kind = ErrorKind::RateLimited(vale_types::RateLimit {
                retry_after_ms: wait,
                scope: vale_types::LimitScope::Requests,
            });
            assert_eq!(verdict(limited, kind).0, expected, "{wait:?}");
        }
        let by_key = ErrorKind::Auth(vale_types::AuthKind::Expired);
        assert_eq!(verdict(&rows[0], by_key.clone()).0, Verdict::Passed);
        assert_eq!(verdict(limited, by_key).0, Verdict::Failed);
    }
}
