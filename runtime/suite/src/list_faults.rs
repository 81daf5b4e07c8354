//! The table of faults over a provider's list of models. A list comes whole or not at all: what a
//! broken answer holds, and what is missing in it, are no models.

use serde_json::{Map, Value};
use vale_sandbox::Plugin;
use vale_types::{Failure, Model};

use crate::bench::{Setting, Used};
use crate::fault_judge::{
    Ended, WITHOUT_KEY, judge, no_key_needed, nobody_asked, without_key_judged,
};
use crate::fault_rows::{Right, Row, begun, head, is_json, of_a_list, refused, unanswered};
use crate::heard::error_name;
use crate::recording::{Call, Exchange, Recording};
use crate::report::{Check, Section, Verdict};
use crate::scenario::{Scenario, cannot_run};
use crate::tape::{Asked, Cut, Script, Tape};

const SECTION: Section = Section::ListFaults;
/// Requests behind the first at which every row is played; a server with many models is asked for
/// each, and each is asked alike.
const LATER: usize = 2;
/// Longest list that is spelt out for people.
const SPELT: usize = 4;

/// One call of `list-models`.
struct Listed {
    answer: Result<Vec<Model>, Failure>,
    used: Used,
    asked: Vec<Asked>,
}

impl Listed {
    fn ended(&self) -> Ended<'_> {
        Ended {
            failure: self.answer.as_ref().err(),
            words: match &self.answer {
                Ok(models) => in_words(models),
                Err(failure) => format!("{} ({failure})", error_name(failure)),
            },
            used: &self.used,
        }
    }
}

/// The whole table.
pub(crate) async fn provider(scenario: &mut Scenario) -> Vec<Check> {
    let recording = recorded(scenario).cloned();
    let settings = match &recording {
        Some(recording) => recording.settings.clone(),
        None => scenario.probe().settings,
    };
    if let Some(check) = asks_nobody(scenario, &settings).await {
        return vec![check];
    }
    let mut checks = Vec::new();
    for row in unanswered().iter().chain(&refused()) {
        checks.push(first(scenario, &settings, row).await);
    }
    match &recording {
        Some(recording) => {
            for row in begins(recording) {
                checks.push(first(scenario, &settings, &row).await);
            }
            checks.extend(later(scenario, recording).await);
        }
        None => checks.push(
            Check::new(SECTION, "lists that begin and do not end", Verdict::Skipped)
                .got("no recording holds a list of models")
                .next_step("Record one: `\"call\": {\"list-models\": {}}`, with its `models`."),
        ),
    }
    checks.push(without_key(scenario, &settings).await);
    checks
}

/// The first recorded list that names models.
fn recorded(scenario: &Scenario) -> Option<&Recording> {
    scenario.recordings.iter().find(|recording| {
        let names = recording.expect.get("models").and_then(Value::as_array);
        matches!(recording.call, Call::ListModels)
            && !recording.http.is_empty()
            && names.is_some_and(|names| !names.is_empty())
    })
}

/// The rows of a recorded list's first answer that says anything of models, which is the last where
/// a server was asked in several ways.
fn begins(recording: &Recording) -> Vec<Row> {
    let is_good = |exchange: &&Exchange| (200..300).contains(&exchange.response.status);
    let Some(exchange) = recording.http.iter().find(is_good) else {
        return Vec::new();
    };
    rows_of(exchange)
        .chain(of_a_list(&exchange.response))
        .collect()
}

fn rows_of(exchange: &Exchange) -> impl Iterator<Item = Row> + use<> {
    let whole = &exchange.response;
    let has_shape = is_json(&whole.body);
    let rows = begun(whole, &head(&whole.body)).into_iter();
    rows.filter(move |row| has_shape || !row.by_shape)
}

async fn list(scenario: &mut Scenario, script: Script, with: &Setting) -> Result<Listed, String> {
    let tape = Tape::new(script, Cut::Whole);
    let prepared = scenario.bench.prepare(&tape, with)?;
    let asks = async |plugin: &Plugin, context| plugin.list_models(context).await;
    let (answer, used) = scenario.bench.ask(prepared, asks).await;
    scenario.peak.note(&used, Cut::Whole);
    Ok(Listed {
        answer,
        used,
        asked: tape.asked(),
    })
}

fn under(settings: &Map<String, Value>, row: &Row) -> Setting {
    Setting {
        settings: settings.clone(),
        response_bytes: row.cap,
        ..Setting::default()
    }
}

/// The one check of a provider that asks no server for its models; none = it asks one.
async fn asks_nobody(scenario: &mut Scenario, settings: &Map<String, Value>) -> Option<Check> {
    const NAME: &str = "a list without asking a server";
    let rows = unanswered();
    let row = rows.first()?;
    let script = Script::Always(row.reply.clone());
    match list(scenario, script, &under(settings, row)).await {
        Err(why) => Some(cannot_run(SECTION, NAME.to_owned(), why)),
        Ok(listed) if !listed.asked.is_empty() => None,
        Ok(listed) => Some(unasked(NAME, &listed)),
    }
}

fn unasked(name: &str, listed: &Listed) -> Check {
    const EXPECTED: &str = "a request to the server, a list of the plugin's own, or unsupported";
    let passed = |got: String| Check::passed(SECTION, name).expected(EXPECTED).got(got);
    match &listed.answer {
        Ok(models) => passed(format!(
            "{}; nobody was asked, so nothing could fail",
            in_words(models)
        )),
        Err(failure) if error_name(failure) == "unsupported" => {
            passed("unsupported; nobody was asked".to_owned())
        }
        Err(_) => Check::failed(SECTION, name)
            .expected(EXPECTED)
            .got(format!("{}, and nobody was asked", listed.ended().words))
            .next_step("Ask the server, or say `unsupported` where it has no list.")
            .log(&listed.used.last_lines),
    }
}

fn in_words(models: &[Model]) -> String {
    let ids: Vec<_> = models.iter().map(|model| model.id.as_str()).collect();
    match ids.as_slice() {
        [] => "a list of no models".to_owned(),
        [one] => format!("a list of one model (“{one}”)"),
        ids if ids.len() <= SPELT => {
            format!("a list of {} models (“{}”)", ids.len(), ids.join("”, “"))
        }
        ids => format!("a list of {} models", ids.len()),
    }
}

/// Every request meets the row.
async fn first(scenario: &mut Scenario, settings: &Map<String, Value>, row: &Row) -> Check {
    let script = Script::Always(row.reply.clone());
    let listed = match list(scenario, script, &under(settings, row)).await {
        Ok(listed) => listed,
        Err(why) => return cannot_run(SECTION, row.name.to_owned(), why),
    };
    let end = listed.ended();
    if let Some(check) = nobody_asked(SECTION, row.name, &end, &listed.asked) {
        return check;
    }
    match &listed.answer {
        Ok(models) if models.is_empty() && row.listing.or_nothing => {
            Check::passed(SECTION, row.name)
                .expected(expected(&row.listing))
                .got(end.words)
        }
        _ => {
            let check = judge(SECTION, row, &row.listing, &end);
            match check.verdict {
                Verdict::Failed if row.listing.or_nothing => check.expected(expected(&row.listing)),
                _ => check,
            }
        }
    }
}

fn expected(right: &Right) -> String {
    let kinds = right.kinds.join(" or ");
    if right.or_nothing {
        format!("{kinds} or a list of no models")
    } else {
        kinds
    }
}

/// The rows at the requests behind the first: a page of the list, a model's own card. There the
/// whole list may come all the same; a shorter one may not.
async fn later(scenario: &mut Scenario, recording: &Recording) -> Vec<Check> {
    let mut checks = Vec::new();
    for (place, exchange) in recording.http.iter().enumerate().skip(1).take(LATER) {
        let rows = unanswered().into_iter().chain(refused());
        for row in rows.chain(rows_of(exchange)) {
            checks.push(one_later(scenario, recording, place, &row).await);
        }
    }
    checks
}

async fn one_later(
    scenario: &mut Scenario,
    recording: &Recording,
    place: usize,
    row: &Row,
) -> Check {
    let name = format!("request {}: {}", place + 1, row.name);
    let script = Script::FailsAt(recording.http.clone(), place, row.reply.clone());
    // A cap counts what came before, too.
    let mut with = under(&recording.settings, row);
    with.response_bytes = with.response_bytes.map(|cap| {
        let before = recording.http.iter().take(place);
        let before = before.map(|exchange| exchange.response.body.len() as u64);
        cap.saturating_add(before.sum())
    });
    let listed = match list(scenario, script, &with).await {
        Ok(listed) => listed,
        Err(why) => return cannot_run(SECTION, name, why),
    };
    let end = listed.ended();
    let mut check = match &listed.answer {
        _ if listed.asked.len() <= place => Check::failed(SECTION, row.name)
            .expected("the recorded requests")
            .got(format!(
                "{} after {} of them",
                end.words,
                listed.asked.len()
            ))
            .next_step("Change the request that the plugin makes, or the recording's `http`."),
        Ok(models) => whole_or_not(row, models, &recording.expect, &listed.used),
        Err(_) => judge(SECTION, row, &row.listing, &end),
    };
    check.name = name;
    check
}

/// Whether a list that came in spite of a fault names every model.
fn whole_or_not(row: &Row, models: &[Model], expect: &Value, used: &Used) -> Check {
    let names = expect.get("models").and_then(Value::as_array);
    let is_named = |name: &&Value| {
        models
            .iter()
            .all(|model| Some(model.id.as_str()) != name.as_str())
    };
    let missing = names.into_iter().flatten().find(is_named);
    let kinds = row.listing.kinds.join(" or ");
    let expected = format!("{kinds} or the whole list");
    match missing {
        None => Check::passed(SECTION, row.name)
            .expected(expected)
            .got("the whole list all the same"),
        Some(missing) => Check::failed(SECTION, row.name)
            .expected(expected)
            .got(format!("{}, without {missing}", in_words(models)))
            .next_step("End in the error of the request that failed: half a list is no list.")
            .log(&used.last_lines),
    }
}

async fn without_key(scenario: &mut Scenario, settings: &Map<String, Value>) -> Check {
    if let Some(check) = no_key_needed(SECTION, scenario, settings) {
        return check;
    }
    let with = Setting {
        settings: settings.clone(),
        without_keys: true,
        ..Setting::default()
    };
    let script = Script::Always(crate::fault_rows::status_row(200, &[]));
    match list(scenario, script, &with).await {
        Ok(listed) => without_key_judged(SECTION, &listed.ended(), &listed.asked),
        Err(why) => cannot_run(SECTION, WITHOUT_KEY.to_owned(), why),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vale_types::ErrorKind;

    use super::*;

    fn models(ids: &[&str]) -> Vec<Model> {
        let named = |id: &&str| {
            let value = json!({ "id": id, "prices": [], "extras": [] });
            serde_json::from_value(value).unwrap()
        };
        ids.iter().map(named).collect()
    }

    #[test]
    fn a_list_in_spite_of_a_fault_must_be_whole() {
        let rows = unanswered();
        let expect = json!({"models": ["a", "b"]});
        let of = |ids: &[&str]| whole_or_not(&rows[0], &models(ids), &expect, &Used::default());
        assert_eq!(of(&["a", "b"]).verdict, Verdict::Passed);
        // An entry that a card would have told to be no chat model.
        assert_eq!(of(&["b", "embeds", "a"]).verdict, Verdict::Passed);
        let short = of(&["a"]);
        assert_eq!(short.verdict, Verdict::Failed);
        assert!(short.got.unwrap().contains("without \"b\""));
        assert_eq!(of(&[]).verdict, Verdict::Failed);
    }

    #[test]
    fn only_a_list_or_unsupported_may_come_without_asking() {
        let of = |answer| {
            let listed = Listed {
                answer,
                used: Used::default(),
                asked: Vec::new(),
            };
            unasked("row", &listed)
        };
        let own = of(Ok(models(&["a"])));
        assert_eq!(own.verdict, Verdict::Passed);
        let got = own.got.unwrap();
        assert!(
            got.contains("“a”") && got.contains("nobody was asked"),
            "{got}"
        );
        let error = |kind| Err(vale_types::Error::new(kind, "x").into());
        let no_list = of(error(ErrorKind::Unsupported("list-models".to_owned())));
        assert_eq!(no_list.verdict, Verdict::Passed);
        assert_eq!(of(error(ErrorKind::Internal)).verdict, Verdict::Failed);
    }
}
