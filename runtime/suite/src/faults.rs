//! The table of faults over a provider's completions.

use crate::bench::Setting;
use crate::fault_judge::{
    Ended, WITHOUT_KEY, judge, no_key_needed, nobody_asked, without_key_judged,
};
use crate::fault_rows::{Right, Row, begun, head, refused, status_row, unanswered};
use crate::heard::seen;
use crate::report::{Check, Section, Verdict};
use crate::scenario::{Probe, Scenario, cannot_run, ended};
use crate::tape::{Cut, Script, Tape};

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
        let Some(right) = &row.completion else {
            continue;
        };
        let (check, seen) = one(scenario, &probe, row, right).await;
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

async fn one(scenario: &mut Scenario, probe: &Probe, row: &Row, right: &Right) -> (Check, String) {
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
    let end = Ended {
        failure: outcome.end.as_ref().err(),
        words: ended(&outcome),
        used: &used,
    };
    let check = match nobody_asked(SECTION, row.name, &end, &tape.asked()) {
        Some(check) => check,
        None => judge(SECTION, row, right, &end),
    };
    (check, told)
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
    if let Some(check) = no_key_needed(SECTION, scenario, &probe.settings) {
        return check;
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
        Err(why) => return cannot_run(SECTION, WITHOUT_KEY.to_owned(), why),
    };
    let (outcome, used) = scenario.bench.complete(prepared, &probe.request).await;
    let end = Ended {
        failure: outcome.end.as_ref().err(),
        words: ended(&outcome),
        used: &used,
    };
    without_key_judged(SECTION, &end, &tape.asked())
}

#[cfg(test)]
mod tests {
    use super::*;

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
