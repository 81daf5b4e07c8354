//! The table of faults over a provider, and the judge of each row.

use vale_types::{ErrorKind, Failure, NetworkFailure};

use crate::bench::{Outcome, Setting, Used};
use crate::fault_rows::{HAND_ON, Row, begun, head, refused, status_row, unanswered};
use crate::heard::{self, error_name, seen};
use crate::report::{Check, Section, Verdict};
use crate::scenario::{Probe, Scenario, cannot_run, ended};
use crate::tape::{After, Cut, Reply, Script, Tape};

const SECTION: Section = Section::Faults;
/// The whole table.
pub(crate) async fn provider(scenario: &mut Scenario) -> Vec<Check> {
    let probe = scenario.probe();
    let mut rows = unanswered();
    rows.extend(refused());
    let recorded = probe
        .answer
        .as_ref()
        .and_then(|http| match http.as_slice() {
            [one] => Some(one.response.clone()),
            _ => None,
        });
    let mut checks = Vec::new();
    if let Some(answer) = &recorded {
        rows.extend(begun(answer, &head(&answer.body)));
    }
    let mut told = Vec::new();
    for row in &rows {
        let (check, seen) = one(scenario, &probe, row).await;
        checks.push(check);
        if row.tells {
            told.push((row.name, seen));
        }
    }
    match recorded {
        Some(_) => checks.push(what_came_is_told(&told)),
        None => checks.push(
            Check::new(
                SECTION,
                "answers that begin and do not end",
                Verdict::Skipped,
            )
            .got("no recording holds one answer that ends well")
            .next_step("Record one, with its `finish`."),
        ),
    }
    checks.push(without_key(scenario, &probe).await);
    checks
}

async fn one(scenario: &mut Scenario, probe: &Probe, row: &Row) -> (Check, String) {
    let tape = Tape::new(Script::Always(row.reply.clone()), Cut::Whole);
    let with = Setting {
        settings: probe.settings.clone(),
        response_bytes: row.cap,
        ..Setting::default()
    };
    let prepared = match scenario.bench.prepare(&tape, &with) {
        Ok(prepared) => prepared,
        Err(why) => return (cannot_run(SECTION, row.name.to_owned(), why), String::new()),
    };
    let (outcome, used) = scenario.bench.complete(prepared, &probe.request).await;
    scenario.peak.note(&used, Cut::Whole);
    let told = seen(&outcome.events);
    if tape.asked().is_empty() && !matches!(outcome.end, Err(Failure::Fault(_))) {
        let check = Check::failed(SECTION, row.name)
            .expected("a request to the server")
            .got(ended(&outcome))
            .next_step("Let the plugin ask its server; nothing could fail here.")
            .log(&used.last_lines);
        return (check, told);
    }
    (judge(row, &outcome, &used), told)
}

fn judge(row: &Row, outcome: &Outcome, used: &Used) -> Check {
    let expected = row.accepted.join(" or ");
    let failed = |got: String, next: &str| {
        Check::failed(SECTION, row.name)
            .expected(&expected)
            .got(got)
            .next_step(next)
            .log(&used.last_lines)
    };
    let failure = match &outcome.end {
        Ok(_) => return failed(ended(outcome), row.advice),
        Err(Failure::Fault(fault)) => {
            let next = "The plugin broke. A failing network must end in an error of the contract.";
            return failed(fault.to_string(), next);
        }
        Err(failure) => failure,
    };
    let name = error_name(failure);
    let fits = |accepted: &&str| match accepted.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == **accepted,
    };
    if !row.accepted.iter().any(fits) {
        return failed(ended(outcome), row.advice);
    }
    if let Some(wait) = row.wait_ms {
        let got = failure.retry_after().map(|wait| wait.as_millis());
        if got != Some(u128::from(wait)) {
            let got = got.map_or_else(|| "no wait".to_owned(), |ms| format!("a wait of {ms} ms"));
            return failed(format!("{name} with {got}"), row.advice)
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
    Check::passed(SECTION, row.name)
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

/// What came before a fault is the person's, whatever the fault is.
fn what_came_is_told(told: &[(&str, String)]) -> Check {
    const NAME: &str = "what came before a fault is told";
    let most = told
        .iter()
        .map(|(_, seen)| seen)
        .max_by_key(|seen| seen.len());
    let most = most.cloned().unwrap_or_default();
    if most.is_empty() {
        return Check::new(SECTION, NAME, Verdict::Warning)
            .expected("events while the answer comes")
            .got("nothing of the first half of the recorded answer")
            .next_step("Write events once per network read. Nothing to do where this wire does not stream.");
    }
    match told.iter().find(|(_, seen)| *seen != most) {
        None => Check::passed(SECTION, NAME).got(format!("“{most}” each time")),
        Some((row, seen)) => Check::failed(SECTION, NAME)
            .expected(format!("“{most}”"))
            .got(format!("“{seen}” where {row}"))
            .next_step("Write the events of what has come before the terminal value."),
    }
}

async fn without_key(scenario: &Scenario, probe: &Probe) -> Check {
    const NAME: &str = "a required key is missing";
    match scenario.bench.needs_key(&probe.settings) {
        Ok(true) => {}
        Ok(false) => {
            return Check::new(SECTION, NAME, Verdict::Skipped)
                .got("no key is required under these settings");
        }
        Err(why) => return cannot_run(SECTION, NAME.to_owned(), why),
    }
    let reply = status_row(200, &[]);
    let tape = Tape::new(Script::Always(reply), Cut::Whole);
    let with = Setting {
        settings: probe.settings.clone(),
        without_keys: true,
        ..Setting::default()
    };
    let prepared = match scenario.bench.prepare(&tape, &with) {
        Ok(prepared) => prepared,
        Err(why) => return cannot_run(SECTION, NAME.to_owned(), why),
    };
    let (outcome, used) = scenario.bench.complete(prepared, &probe.request).await;
    let name = outcome.end.as_ref().err().map(heard::error_name);
    let asked = tape.asked();
    if name.as_deref() == Some("auth.missing") && asked.is_empty() {
        return Check::passed(SECTION, NAME)
            .expected("auth.missing")
            .got("auth.missing, and nobody was asked");
    }
    Check::failed(SECTION, NAME)
        .expected("auth.missing without a request")
        .got(format!(
            "{}, after {} requests",
            ended(&outcome),
            asked.len()
        ))
        .next_step("Ask config.credentials() first, and say `auth(missing)` before any request.")
        .log(&used.last_lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(kind: ErrorKind) -> Outcome {
        Outcome {
            events: Vec::new(),
            end: Err(vale_types::Error::new(kind, "x").into()),
            first_event: None,
            took: std::time::Duration::ZERO,
        }
    }

    fn verdict(row: &Row, kind: ErrorKind) -> (Verdict, String) {
        let check = judge(row, &outcome(kind), &Used::default());
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

    #[test]
    fn what_came_must_be_told_in_every_row() {
        let told = |seen: [&str; 3]| {
            let rows: Vec<_> = seen
                .iter()
                .map(|seen| ("row", (*seen).to_owned()))
                .collect();
            what_came_is_told(&rows).verdict
        };
        assert_eq!(told(["Hel", "Hel", "Hel"]), Verdict::Passed);
        assert_eq!(told(["Hel", "", "Hel"]), Verdict::Failed);
        assert_eq!(told(["", "", ""]), Verdict::Warning);
    }
}
