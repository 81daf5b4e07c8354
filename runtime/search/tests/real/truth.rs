//! The index, the scan of what waits and any mixture of the two against a truth that knows nothing of tokens.

use std::collections::{BTreeMap, HashSet};

use proptest::prelude::*;
use tempfile::tempdir;
use vale_search::{Change, Doc, Filters, Index, Mode, Query, Recent};

use crate::model::{in_order, key, open, ords};

const WORDS: [&str; 8] = [
    "alpha",
    "alphabet",
    "beta",
    "gamma",
    "x1",
    "x12",
    "δέλτα",
    "йод",
];
const CHARS: [char; 4] = ['模', '型', '語', '한'];
const ROLES: [&str; 2] = ["user", "assistant"];

/// A text is units with spaces between: words, or runs without spaces.
#[derive(Debug, Clone, PartialEq)]
enum Unit {
    Word(&'static str),
    Run(String),
}

impl Unit {
    fn text(&self) -> &str {
        match self {
            Self::Word(word) => word,
            Self::Run(run) => run,
        }
    }
}

/// What is asked.
#[derive(Debug, Clone)]
enum Ask {
    Word(&'static str),
    Phrase(Vec<&'static str>),
    Substring(String),
    Not(&'static str),
    NotSubstring(String),
}

impl Ask {
    fn typed(&self) -> String {
        match self {
            Self::Word(word) => (*word).to_uppercase(),
            Self::Phrase(words) => format!("\"{}\"", words.join(" ")),
            Self::Substring(run) => run.clone(),
            Self::Not(word) => format!("-{word}"),
            Self::NotSubstring(run) => format!("-{run}"),
        }
    }

    fn holds(&self, units: &[Unit]) -> bool {
        let runs = |run: &str| {
            let mut all = units.iter();
            all.any(|unit| matches!(unit, Unit::Run(text) if text.contains(run)))
        };
        match self {
            Self::Word(word) => units.contains(&Unit::Word(word)),
            Self::Phrase(words) => {
                let words: Vec<Unit> = words.iter().map(|word| Unit::Word(word)).collect();
                units.windows(words.len()).any(|window| window == words)
            }
            Self::Substring(run) => runs(run),
            Self::Not(word) => !units.contains(&Unit::Word(word)),
            Self::NotSubstring(run) => !runs(run),
        }
    }
}

#[derive(Debug, Clone)]
struct Case {
    texts: Vec<(Vec<Unit>, Doc)>,
    /// Later versions, removals and removals of conversations, by index into the texts.
    later: Vec<Later>,
    asks: Vec<Ask>,
    prefix: Option<String>,
    filters: Filters,
    /// Changes from here on wait.
    split: prop::sample::Index,
    /// Where commits are, so that there are several segments.
    commits: Vec<prop::sample::Index>,
}

#[derive(Debug, Clone)]
enum Later {
    Rewrite(prop::sample::Index, Vec<Unit>),
    Remove(prop::sample::Index),
    RemoveConversation(u64),
}

fn run() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(&CHARS[..]), 1..5).prop_map(String::from_iter)
}

fn units() -> impl Strategy<Value = Vec<Unit>> {
    let unit = prop_oneof![
        3 => prop::sample::select(&WORDS[..]).prop_map(Unit::Word),
        2 => run().prop_map(Unit::Run),
    ];
    prop::collection::vec(unit, 0..7)
}

fn ask() -> impl Strategy<Value = Ask> {
    let word = || prop::sample::select(&WORDS[..]);
    prop_oneof![
        4 => word().prop_map(Ask::Word),
        2 => prop::collection::vec(word(), 2..4).prop_map(Ask::Phrase),
        4 => run().prop_map(Ask::Substring),
        1 => word().prop_map(Ask::Not),
        1 => run().prop_map(Ask::NotSubstring),
    ]
}

fn filters() -> impl Strategy<Value = Filters> {
    let maybe = |likely: f64| prop::option::weighted(likely, any::<bool>());
    let keys = || prop::collection::hash_set((0..4_u64).prop_map(key), 0..4);
    (
        maybe(0.2),
        maybe(0.2),
        maybe(0.2),
        prop::option::weighted(0.2, 0..40_u64),
        prop::option::weighted(0.2, 0..40_u64),
        maybe(0.2),
        prop::option::weighted(0.2, keys()),
        prop_oneof![3 => Just(HashSet::new()), 1 => keys()],
    )
        .prop_map(
            |(role, provider, model, from_ms, to_ms, has_attachment, conversations, exclude)| {
                Filters {
                    role: role.map(|which| ROLES[usize::from(which)].to_owned()),
                    provider: provider.map(|_| "acme".to_owned()),
                    model: model.map(|_| "acme/Large v2".to_owned()),
                    from_ms,
                    to_ms,
                    has_attachment,
                    conversations,
                    exclude,
                }
            },
        )
}

fn texts() -> impl Strategy<Value = Vec<(Vec<Unit>, Doc)>> {
    let fields = (units(), 0..4_u64, 0..40_u64, any::<[bool; 4]>());
    prop::collection::vec(fields, 1..25).prop_map(|all| {
        let docs = (1..)
            .zip(all)
            .map(|(ord, (units, conversation, time_ms, [a, b, c, d]))| {
                let doc = Doc {
                    ord,
                    conversation: key(conversation),
                    time_ms,
                    role: ROLES[usize::from(a)].to_owned(),
                    provider: b.then(|| "acme".to_owned()),
                    model: c.then(|| "acme/Large v2".to_owned()),
                    has_attachment: d,
                    text: written(&units),
                };
                (units, doc)
            });
        docs.collect()
    })
}

fn written(units: &[Unit]) -> String {
    let words: Vec<&str> = units.iter().map(Unit::text).collect();
    words.join(" ")
}

fn case() -> impl Strategy<Value = Case> {
    let any_index = any::<prop::sample::Index>;
    let later = prop_oneof![
        2 => (any_index(), units()).prop_map(|(which, units)| Later::Rewrite(which, units)),
        2 => any_index().prop_map(Later::Remove),
        1 => (0..4_u64).prop_map(Later::RemoveConversation),
    ];
    let prefixes = ["alp", "alpha", "gamm", "δέλ", "йод", "x12"]
        .map(str::to_owned)
        .to_vec();
    (
        texts(),
        prop::collection::vec(later, 0..5),
        prop::collection::vec(ask(), 1..4),
        prop::option::weighted(0.3, prop::sample::select(prefixes)),
        filters(),
        any_index(),
        prop::collection::vec(any_index(), 0..3),
    )
        .prop_map(
            |(texts, later, asks, prefix, filters, split, commits)| Case {
                texts,
                later,
                asks,
                prefix,
                filters,
                split,
                commits,
            },
        )
}

impl Case {
    fn changes(&self) -> Vec<(Change, Vec<Unit>)> {
        let puts = self.texts.iter();
        let mut changes: Vec<_> = puts
            .map(|(units, doc)| (Change::Put(doc.clone()), units.clone()))
            .collect();
        for later in &self.later {
            let change = match later {
                Later::Rewrite(which, units) => {
                    let mut doc = which.get(&self.texts).1.clone();
                    doc.text = written(units);
                    (Change::Put(doc), units.clone())
                }
                Later::Remove(which) => {
                    let ord = which.get(&self.texts).1.ord;
                    (Change::Remove { ord }, Vec::new())
                }
                Later::RemoveConversation(which) => {
                    (Change::RemoveConversation(key(*which)), Vec::new())
                }
            };
            changes.push(change);
        }
        changes
    }

    fn query(&self, mode: Mode) -> Query {
        let mut typed: Vec<String> = self.asks.iter().map(Ask::typed).collect();
        typed.extend(self.prefix.clone());
        Query {
            mode,
            filters: self.filters.clone(),
            prefix_last: self.prefix.is_some(),
            limit: 100,
            ..Query::new(typed.join(" "))
        }
    }

    /// The ords of what should be found, the newest first.
    fn truth(&self) -> Vec<u64> {
        let mut live: BTreeMap<u64, (Doc, Vec<Unit>)> = BTreeMap::new();
        for (change, units) in self.changes() {
            match change {
                Change::Put(doc) => {
                    live.insert(doc.ord, (doc, units));
                }
                Change::Remove { ord } => {
                    live.remove(&ord);
                }
                Change::RemoveConversation(key) => {
                    live.retain(|_, (doc, _)| doc.conversation != key);
                }
            }
        }
        let prefix = |units: &[Unit]| match &self.prefix {
            Some(prefix) => {
                let begins = |unit: &Unit| matches!(unit, Unit::Word(word) if word.starts_with(prefix.as_str()));
                units.iter().any(begins)
            }
            None => true,
        };
        let filters = &self.filters;
        let lets_through = |doc: &Doc| {
            filters.role.as_ref().is_none_or(|role| *role == doc.role)
                && (filters.provider.is_none() || filters.provider == doc.provider)
                && (filters.model.is_none() || filters.model == doc.model)
                && doc.time_ms >= filters.from_ms.unwrap_or(0)
                && doc.time_ms < filters.to_ms.unwrap_or(u64::MAX)
                && filters
                    .has_attachment
                    .is_none_or(|has| has == doc.has_attachment)
                && filters
                    .conversations
                    .as_ref()
                    .is_none_or(|only| only.contains(&doc.conversation))
                && !filters.exclude.contains(&doc.conversation)
        };
        let found = live.into_values().filter(|(doc, units)| {
            lets_through(doc) && prefix(units) && self.asks.iter().all(|ask| ask.holds(units))
        });
        let mut found: Vec<(u64, u64)> = found.map(|(doc, _)| (doc.time_ms, doc.ord)).collect();
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.into_iter().map(|(_, ord)| ord).collect()
    }
}

/// An index with the first `count` changes.
fn fill(index: &Index, changes: &[(Change, Vec<Unit>)], commits: &[usize]) {
    let mut writer = index.writer().unwrap();
    for (lsn, (change, _)) in (1..).zip(changes) {
        writer.apply(&[(lsn, change.clone())]).unwrap();
        if commits.contains(&usize::try_from(lsn).unwrap()) {
            writer.commit().unwrap();
        }
    }
    writer.commit().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]
    #[test]
    fn index_and_scan_find_what_is_there(case in case()) {
        let truth = case.truth();
        let mut sorted = truth.clone();
        sorted.sort_unstable();
        let changes = case.changes();
        let split = case.split.index(changes.len() + 1);
        let commits: Vec<usize> = case.commits.iter().map(|at| at.index(changes.len()) + 1).collect();
        for indexed in [0, split, changes.len()] {
            let folder = tempdir().unwrap();
            let index = open(folder.path()).index;
            fill(&index, &changes[..indexed], &commits);
            let mut recent = Recent::new();
            // Some of what waits is in already: a commit and the forgetting are two steps.
            let from = indexed.saturating_sub(2);
            for (lsn, (change, _)) in (1..).zip(&changes).skip(from) {
                recent.push(lsn, change.clone());
            }
            let found = ords(&index, &recent, &case.query(Mode::Ranked));
            prop_assert_eq!(&found, &sorted, "{} of {} indexed, ranked", indexed, changes.len());
            let found = in_order(&index, &recent, &case.query(Mode::Newest));
            prop_assert_eq!(&found, &truth, "{} of {} indexed, newest", indexed, changes.len());
        }
    }
}
