//! The table of faults for tools that ask the network.

use bytes::Bytes;
use vale_egress::HttpErrorKind;
use vale_types::Failure;

use crate::fault_rows::{head, response, status_row, unanswered};
use crate::heard::error_name;
use crate::recording::{Exchange, Recording};
use crate::report::{Check, Section, Verdict};
use crate::scenario::{Scenario, cannot_run};
use crate::tape::{After, Cut, Reply, Script};
use crate::tools::replay;

const SECTION: Section = Section::Faults;
/// What a call may receive of the answer that never ends.
const CAP: u64 = 256 << 10;
const SAID: &str = "an error, or an answer with is-error";
/// Where the upstream's half may be an answer too, only a fault is wrong.
const ANY: &str = "an answer or an error";

struct Row {
    name: &'static str,
    reply: Reply,
    must_say: bool,
    cap: Option<u64>,
}

fn rows(exchange: &Exchange) -> Vec<Row> {
    let row = |name, reply, must_say| Row {
        name,
        reply,
        must_say,
        cap: None,
    };
    let mut rows: Vec<_> = unanswered()
        .into_iter()
        .map(|unanswered| row(unanswered.name, unanswered.reply.clone(), true))
        .collect();
    for (name, status) in [
        ("401", 401),
        ("403", 403),
        ("404", 404),
        ("429 with retry-after: 7", 429),
        ("500", 500),
        ("503", 503),
    ] {
        rows.push(row(name, status_row(status, &[("retry-after", "7")]), true));
    }
    let part = |after| {
        let mut part = exchange.response.clone();
        part.body = head(&part.body);
        Reply::Answer(part, after)
    };
    let mut bytes = exchange.response.clone();
    bytes.body = Bytes::from_static(b"\xff\xfe\x00\x80\xc3\x28\xed\xa0\x80");
    let empty = response(200, "text/html", "");
    rows.extend([
        row(
            "an empty answer with 200",
            Reply::Answer(empty, After::End),
            false,
        ),
        row(
            "bytes that are no text",
            Reply::Answer(bytes, After::End),
            false,
        ),
        row(
            "the body ends before its announced end",
            part(After::Error(HttpErrorKind::Truncated)),
            true,
        ),
        row(
            "the connection breaks in the middle",
            part(After::Error(HttpErrorKind::Reset)),
            true,
        ),
        row("silence in the middle", part(After::Silence), true),
    ]);
    let mut endless = row("an answer that never ends", part(After::Lines), false);
    endless.cap = Some(CAP);
    rows.push(endless);
    rows
}

/// The table over the first recording that asks the network.
pub(crate) async fn tool(scenario: &mut Scenario) -> Vec<Check> {
    let asks = scenario
        .recordings
        .iter()
        .find(|recording| !recording.http.is_empty());
    let Some(recording) = asks.cloned() else {
        let reason = if scenario.bench.manifest.egress.is_empty() {
            "the plugin may not ask the network"
        } else {
            "no recording asks the network"
        };
        return vec![Check::new(SECTION, "a network that fails", Verdict::Skipped).got(reason)];
    };
    let mut checks = Vec::new();
    if let Some(first) = recording.http.first() {
        for row in rows(first) {
            checks.push(one(scenario, &recording, row).await);
        }
    }
    checks
}

async fn one(scenario: &mut Scenario, recording: &Recording, row: Row) -> Check {
    let script = Script::Always(row.reply);
    let replayed = replay(scenario, recording, script, Cut::Whole, row.cap).await;
    let (answer, used, tape) = match replayed {
        Ok(replayed) => replayed,
        Err(why) => return cannot_run(SECTION, row.name.to_owned(), why),
    };
    scenario.peak.note(&used, Cut::Whole);
    let expected = if row.must_say { SAID } else { ANY };
    let failed = Check::failed(SECTION, row.name)
        .expected(expected)
        .log(&used.last_lines);
    match answer {
        Err(Failure::Fault(fault)) => failed
            .got(fault.to_string())
            .next_step("The plugin broke. A failing network must end in an answer or an error."),
        _ if tape.asked().is_empty() => failed
            .got("no request at all")
            .next_step("Let the recorded call ask its server; nothing could fail here."),
        Ok(result) if row.must_say && !result.is_error => {
            failed.got("an answer as if all had gone well").next_step(
                "Look at the status and at the body's end, and say what failed with `is-error`.",
            )
        }
        Ok(result) => {
            let got = if result.is_error {
                "is-error"
            } else {
                "an answer"
            };
            Check::passed(SECTION, row.name).expected(expected).got(got)
        }
        Err(failure) => Check::passed(SECTION, row.name)
            .expected(expected)
            .got(error_name(&failure)),
    }
}
