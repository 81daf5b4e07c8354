//! What a provider makes of recorded answers: what is expected, always the same, wherever the
//! network cuts.

use vale_plugins::Described;
use vale_sandbox::Plugin;
use vale_types::{Failure, Request};

use crate::bench::{Setting, Used};
use crate::heard::{self, difference, joined};
use crate::recording::{Call, Recording};
use crate::report::{Check, Section, Verdict};
use crate::scenario::{Scenario, cannot_run, ended};
use crate::tape::{Cut, Script, Tape};

const SECTION: Section = Section::Conformance;
/// A cut at every byte of a longer answer would take more processor time than a call has.
const EVERY_BYTE: usize = 64 << 10;
const SEEDS: [u64; 4] = [1, 2, 3, 4];

const FAULT: &str = "The plugin broke; `valechat plugin run` shows its log. A trap in JavaScript or Python is most often a value that the contract does not have: a wrong `tag`, a field that is missing.";
const EXPECT: &str =
    "Change what the plugin makes of this answer, or the recording's `expect` where that is wrong.";
const STRAY: &str = "Change the request that the plugin makes, or the recording's `http`.";

pub(crate) async fn provider(scenario: &mut Scenario) -> Vec<Check> {
    let mut checks = vec![describe(scenario).await];
    let recordings = scenario.recordings.clone();
    if recordings.is_empty() {
        let none = Check::new(SECTION, "recorded answers", Verdict::Skipped);
        checks.push(
            none.got("there are none")
                .next_step("Put a server's answers and what must come of them into recordings/."),
        );
    }
    for recording in &recordings {
        match &recording.call {
            Call::Complete(request) => {
                checks.extend(completion(scenario, recording, request).await);
            }
            Call::ListModels => checks.extend(models(scenario, recording).await),
            Call::Invoke(_) => checks.push(wrong_kind(recording, "a tool, and this is a provider")),
        }
    }
    checks
}

pub(crate) fn wrong_kind(recording: &Recording, what: &str) -> Check {
    Check::failed(SECTION, recording.title())
        .got(format!("the recording calls {what}"))
        .next_step("Put it beside a plugin of its kind.")
}

async fn describe(scenario: &mut Scenario) -> Check {
    const NAME: &str = "describe agrees with plugin.toml";
    let tape = Tape::new(Script::Recorded(Vec::new()), Cut::Whole);
    let probe = scenario.probe();
    let with = Setting {
        settings: probe.settings,
        ..Setting::default()
    };
    let prepared = match scenario.bench.prepare(&tape, &with) {
        Ok(prepared) => prepared,
        Err(why) => return cannot_run(SECTION, NAME.to_owned(), why),
    };
    let asks = async |plugin: &Plugin, context| plugin.describe(context).await;
    let (answer, used) = scenario.bench.ask(prepared, asks).await;
    scenario.peak.note(&used, Cut::Whole);
    let info = match answer {
        Ok(info) => info,
        Err(failure) => {
            return Check::failed(SECTION, NAME)
                .expected("a name")
                .got(failure.to_string())
                .next_step(FAULT)
                .log(&used.last_lines);
        }
    };
    let differences = scenario.bench.manifest.differences(&Described::from(&info));
    if differences.is_empty() {
        return Check::passed(SECTION, NAME);
    }
    let words: Vec<_> = differences.iter().map(ToString::to_string).collect();
    Check::new(SECTION, NAME, Verdict::Warning)
        .got(words.join("; "))
        .next_step("Let the component and plugin.toml say the same.")
}

async fn completion(
    scenario: &mut Scenario,
    recording: &Recording,
    request: &Request,
) -> Vec<Check> {
    let title = recording.title();
    let (whole, used, strays) = match scenario.replay(recording, request, Cut::Whole).await {
        Ok(replayed) => replayed,
        Err(why) => return vec![cannot_run(SECTION, title, why)],
    };
    let failure = whole.end.as_ref().err();
    let words = heard::completion(&whole.events, &whole.end);
    let first = judged(recording, &words, failure, &used, &strays);
    // What breaks or asks for something else is no answer to compare with.
    if matches!(failure, Some(Failure::Fault(_))) || !strays.is_empty() {
        return vec![first];
    }
    let mut checks = vec![first];
    let name = format!("{}: the same again", recording.name);
    checks.push(
        match scenario.replay(recording, request, Cut::Whole).await {
            Ok((again, ..))
                if again.end == whole.end && joined(&again.events) == joined(&whole.events) =>
            {
                Check::passed(SECTION, name)
            }
            Ok((again, again_used, _)) => Check::failed(SECTION, name)
                .expected(ended(&whole))
                .got(ended(&again))
                .next_step(
                    "Make events depend on nothing but the request, the settings and the answer.",
                )
                .log(&again_used.last_lines),
            Err(why) => cannot_run(SECTION, name, why),
        },
    );
    checks.push(cuts(scenario, recording, request, &whole).await);
    checks
}

async fn cuts(
    scenario: &mut Scenario,
    recording: &Recording,
    request: &Request,
    whole: &crate::bench::Outcome,
) -> Check {
    let name = format!("{}: the same wherever the network cuts", recording.name);
    let bodies = recording
        .http
        .iter()
        .map(|exchange| exchange.response.body.len());
    let longest = bodies.max().unwrap_or_default();
    let smallest = Cut::Every(longest.div_ceil(EVERY_BYTE).max(1));
    for cut in std::iter::once(smallest).chain(SEEDS.map(Cut::Random)) {
        let (again, used) = match scenario.replay(recording, request, cut).await {
            Ok((again, used, _)) => (again, used),
            Err(why) => return cannot_run(SECTION, name, why),
        };
        if again.end == whole.end && joined(&again.events) == joined(&whole.events) {
            continue;
        }
        let (said, told) = (heard::seen(&whole.events), heard::seen(&again.events));
        let got = match again.end == whole.end && said != told {
            true => format!("“{told}”"),
            false => ended(&again),
        };
        return Check::failed(SECTION, name)
            .expected(ended(whole))
            .got(format!("{got}, cut {}", words(cut)))
            .next_step("Keep the unfinished rest of each piece, and split it at line ends only.")
            .log(&used.last_lines);
    }
    Check::passed(SECTION, name)
}

fn words(cut: Cut) -> String {
    match cut {
        Cut::Whole => "nowhere".to_owned(),
        Cut::Every(size) => format!("every {size} bytes"),
        Cut::Random(seed) => format!("at random (seed {seed})"),
    }
}

async fn models(scenario: &mut Scenario, recording: &Recording) -> Vec<Check> {
    let mut first: Option<serde_json::Value> = None;
    for cut in [Cut::Whole, Cut::Whole, Cut::Every(7)] {
        let tape = Tape::new(Script::Recorded(recording.http.clone()), cut);
        let with = Setting {
            settings: recording.settings.clone(),
            ..Setting::default()
        };
        let prepared = match scenario.bench.prepare(&tape, &with) {
            Ok(prepared) => prepared,
            Err(why) => return vec![cannot_run(SECTION, recording.title(), why)],
        };
        let asks = async |plugin: &Plugin, context| plugin.list_models(context).await;
        let (listed, used) = scenario.bench.ask(prepared, asks).await;
        scenario.peak.note(&used, cut);
        let words = heard::models(&listed);
        let check = judged(
            recording,
            &words,
            listed.as_ref().err(),
            &used,
            &tape.strays(),
        );
        if check.verdict == Verdict::Failed {
            return vec![check];
        }
        if first.as_ref().is_some_and(|first| *first != words) {
            return vec![
                Check::failed(SECTION, recording.title())
                    .expected("the same list each time")
                    .got(words.to_string())
                    .next_step("Make the list depend on nothing but the answer."),
            ];
        }
        first = Some(words);
    }
    vec![Check::passed(SECTION, recording.title())]
}

/// Whether one replay is what the recording says.
pub(crate) fn judged(
    recording: &Recording,
    heard: &serde_json::Value,
    failure: Option<&Failure>,
    used: &Used,
    strays: &[String],
) -> Check {
    let failed = Check::failed(SECTION, recording.title()).log(&used.last_lines);
    if let Some(Failure::Fault(fault)) = failure {
        let expected = recording.expect.to_string();
        return failed
            .expected(expected)
            .got(fault.to_string())
            .next_step(FAULT);
    }
    if !strays.is_empty() {
        let expected = "the recorded requests, in their order";
        return failed
            .expected(expected)
            .got(strays.join("; "))
            .next_step(STRAY);
    }
    if let Some((expected, got)) = difference(heard, &recording.expect) {
        // An error that nobody expected is most often the reason for all else.
        let got = match failure {
            Some(failure) if recording.expect.get("error").is_none() => {
                format!("{got}; it ended with: {failure}")
            }
            _ => got,
        };
        return failed.expected(expected).got(got).next_step(EXPECT);
    }
    Check::passed(SECTION, recording.title())
}
