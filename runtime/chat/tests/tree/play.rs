//! Lists of operations, played on the tree and on the naive model side by side.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use vale_chat::model::{
    AttemptReason, Conversation, Finish, Message, ModelName, Outcome, Part, State,
};
use vale_chat::ops::again::{self, Others};
use vale_chat::ops::answer::{self, AttemptEnd, Ending};
use vale_chat::ops::fork::{self, Scope};
use vale_chat::ops::purge::{self, Extent};
use vale_chat::ops::send::{self, After, Then};
use vale_chat::ops::{OpError, Plan, Stamp, branch};
use vale_chat::record::{Channel, ConversationCreated, TextDelta};
use vale_chat::{ConversationId, Library, MessageId, Record, Tree};

use crate::naive::{Entry, Naive};

/// An operation; numbers choose among the messages that there are.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    Add,
    AddAfter(u8),
    AddFirst,
    Begin(u8),
    Delta(u8, Channel, String),
    NextAttempt(u8, bool),
    End(u8, State, Option<Finish>),
    Edit(u8, bool),
    Regenerate(u8),
    Continue(u8),
    Compare(u8, u8),
    Keep(u8, Others),
    Choose(u8),
    Prune(u8),
    Restore(u8),
    Move(u8, Option<u8>),
    Fork(u8, Scope),
    Purge(u8, Extent),
    Recover,
}

pub(crate) fn op() -> impl Strategy<Value = Op> {
    let pick = any::<u8>;
    let states = prop_oneof![
        Just(State::Complete),
        Just(State::Failed),
        Just(State::Cancelled),
        Just(State::Interrupted),
    ];
    let finish = prop_oneof![
        Just(None),
        Just(Some(Finish::Stop)),
        Just(Some(Finish::MaxTokens))
    ];
    let channel = prop_oneof![Just(Channel::Text), Just(Channel::Thinking)];
    let scope = prop_oneof![
        Just(Scope::Path),
        Just(Scope::SideBranches),
        Just(Scope::EverythingToHere)
    ];
    let others = prop_oneof![Just(Others::Stay), Just(Others::Hide)];
    let extent = prop_oneof![Just(Extent::Message), Just(Extent::Branch)];
    prop_oneof![
        3 => Just(Op::Add),
        1 => pick().prop_map(Op::AddAfter),
        1 => Just(Op::AddFirst),
        3 => pick().prop_map(Op::Begin),
        5 => (pick(), channel, "[a-zäß🦀]{0,6}").prop_map(|(at, channel, text)| Op::Delta(at, channel, text)),
        4 => (pick(), any::<bool>()).prop_map(|(at, over)| Op::NextAttempt(at, over)),
        14 => (pick(), states, finish).prop_map(|(at, state, finish)| Op::End(at, state, finish)),
        2 => (pick(), any::<bool>()).prop_map(|(at, ask)| Op::Edit(at, ask)),
        2 => pick().prop_map(Op::Regenerate),
        2 => pick().prop_map(Op::Continue),
        3 => (pick(), 0..5_u8).prop_map(|(at, models)| Op::Compare(at, models)),
        3 => (pick(), others).prop_map(|(at, others)| Op::Keep(at, others)),
        2 => pick().prop_map(Op::Choose),
        2 => pick().prop_map(Op::Prune),
        2 => pick().prop_map(Op::Restore),
        3 => (pick(), proptest::option::of(pick())).prop_map(|(at, to)| Op::Move(at, to)),
        1 => (pick(), scope).prop_map(|(at, scope)| Op::Fork(at, scope)),
        1 => (pick(), extent).prop_map(|(at, extent)| Op::Purge(at, extent)),
        1 => Just(Op::Recover),
    ]
}

pub(crate) struct Play {
    pub(crate) tree: Tree,
    pub(crate) naive: Naive,
    pub(crate) records: Vec<Record>,
    /// Every message that ever ended, as it ended.
    kept: HashMap<MessageId, Message>,
    /// How far each answer is, and its text.
    offsets: HashMap<(MessageId, String), u64>,
    groups: usize,
    now_ms: u64,
    next: u64,
    /// How many of each kind were done, not refused.
    pub(crate) done: BTreeMap<String, usize>,
}

pub(crate) fn model(name: &str) -> ModelName {
    ModelName {
        provider: "p".into(),
        model: name.into(),
    }
}

fn counter(next: &mut u64) -> impl FnMut() -> [u8; 10] {
    move || {
        *next += 1;
        // Not in order within a millisecond, as real ones are not.
        let mixed = next.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
        let mut bytes = [0; 10];
        bytes[..8].copy_from_slice(&mixed);
        bytes
    }
}

impl Play {
    /// `number` tells the conversations of one test apart.
    pub(crate) fn new(number: u64) -> Self {
        let mut next = number << 32;
        let id = ConversationId::new(1_000, &mut counter(&mut next));
        let conversation = Conversation::new(id, 1_000);
        let tree = Tree::new(conversation.clone());
        Self {
            tree,
            naive: Naive::default(),
            records: vec![Record::from(ConversationCreated { conversation })],
            kept: HashMap::new(),
            offsets: HashMap::new(),
            groups: 0,
            now_ms: 1_000,
            next,
            done: BTreeMap::new(),
        }
    }

    fn pick(&self, number: u8) -> Option<MessageId> {
        let ids = self.naive.ids();
        ids.get(usize::from(number) % ids.len().max(1)).copied()
    }

    /// Mostly one of which that is true.
    fn pick_where(&self, number: u8, is: impl Fn(&Entry) -> bool) -> Option<MessageId> {
        let mut ids = self.naive.ids();
        ids.retain(|id| number.is_multiple_of(8) || is(self.naive.get(*id)));
        let picked = ids.get(usize::from(number / 8) % ids.len().max(1));
        picked.copied().or_else(|| self.pick(number))
    }

    /// Asks for an operation, and demands that it is refused exactly when the model says so.
    fn ask<T>(
        &mut self,
        allowed: bool,
        op: impl FnOnce(&Tree, &mut Stamp<'_>) -> Result<T, OpError>,
    ) -> Option<T> {
        // Clocks stand still at times.
        self.now_ms += self.next % 2;
        let mut ids = counter(&mut self.next);
        let mut stamp = Stamp {
            now_ms: self.now_ms,
            ids: &mut ids,
        };
        let result = op(&self.tree, &mut stamp);
        assert_eq!(result.is_ok(), allowed, "{:?}", result.err());
        result.ok()
    }

    fn write(&mut self, plan: Plan) {
        self.tree.apply_all(&plan.records).unwrap();
        self.records.extend(plan.records);
    }

    fn text(&mut self) -> Vec<Part> {
        vec![Part::text(format!("text {}", self.next))]
    }

    pub(crate) fn play(&mut self, op: &Op) {
        let before = self.next;
        let written = self.records.len();
        self.step(op);
        self.check();
        // A fork writes into another conversation, and takes ids for it.
        if self.records.len() > written || matches!(op, Op::Fork(..)) && self.next > before {
            let name = format!("{op:?}");
            let name = name.split(['(', ' ']).next().unwrap();
            *self.done.entry(name.to_owned()).or_default() += 1;
        }
    }

    fn step(&mut self, op: &Op) {
        match op {
            Op::Add => {
                let (text, after) = (self.text(), self.naive.active);
                let plan = self.ask(self.naive.idle(), |tree, stamp| {
                    send::add_user(tree, After::Shown, text, stamp)
                });
                self.added(plan, after);
            }
            Op::AddAfter(at) => {
                let Some(at) = self.pick(*at) else { return };
                let allowed = self.naive.idle() && self.naive.visible(at);
                let text = self.text();
                let plan = self.ask(allowed, |tree, stamp| {
                    send::add_user(tree, After::Message(at), text, stamp)
                });
                self.added(plan, Some(at));
            }
            Op::AddFirst => {
                let text = self.text();
                let plan = self.ask(self.naive.idle(), |tree, stamp| {
                    send::add_user(tree, After::Nothing, text, stamp)
                });
                self.added(plan, None);
            }
            Op::Begin(at) => {
                let Some(at) = self.pick(*at) else { return };
                let allowed = self.naive.idle() && self.naive.visible(at);
                let plan = self.ask(allowed, |tree, stamp| {
                    answer::begin(tree, at, model("m"), stamp)
                });
                self.began(plan, Some(at));
            }
            Op::Delta(at, channel, text) => self.delta(*at, channel, text),
            Op::NextAttempt(at, over) => self.next_attempt(*at, *over),
            Op::End(at, state, finish) => {
                self.end(*at, state, finish.clone());
                // Every other time, all that stream.
                while at % 2 == 1 && !self.naive.idle() {
                    self.end(*at, state, finish.clone());
                }
            }
            Op::Edit(at, ask) => self.edit(*at, *ask),
            Op::Regenerate(at) => {
                let Some(at) = self.pick_where(*at, |entry| entry.answer) else {
                    return;
                };
                let entry = self.naive.get(at).clone();
                let allowed = self.naive.idle() && self.naive.visible(at) && entry.answer;
                let allowed = allowed && entry.parent.is_some();
                let plan = self.ask(allowed, |tree, stamp| {
                    again::regenerate(tree, at, model("m"), stamp)
                });
                self.began(plan, entry.parent);
            }
            Op::Continue(at) => {
                let Some(at) = self.pick_where(*at, |entry| entry.unfinished) else {
                    return;
                };
                let entry = self.naive.get(at).clone();
                let allowed = self.naive.idle() && self.naive.visible(at) && entry.unfinished;
                let plan = self.ask(allowed, |tree, stamp| {
                    again::continue_(tree, at, model("m"), stamp)
                });
                let began = plan.as_ref().map(|plan| plan.messages[0]);
                self.began(plan, entry.parent);
                if let Some(id) = began {
                    let message = self.tree.message(id).unwrap();
                    assert_eq!(message.continues, Some(at));
                    assert_eq!(message.text(), self.kept[&at].text());
                }
            }
            Op::Compare(at, models) => self.compare(*at, *models),
            Op::Keep(at, others) => self.keep(*at, *others),
            Op::Choose(at) => {
                let Some(at) = self.pick(*at) else { return };
                let plan = self.ask(self.naive.visible(at), |tree, stamp| {
                    branch::choose(tree, at, stamp)
                });
                if let Some(plan) = plan {
                    self.write(plan);
                    self.naive.active = self.naive.newest(Some(at));
                }
            }
            Op::Prune(at) => {
                let Some(at) = self.pick(*at) else { return };
                let still = !self.naive.streams(&self.naive.branch(at));
                let plan = self.ask(self.naive.visible(at) && still, |tree, stamp| {
                    branch::prune(tree, at, stamp)
                });
                if let Some(plan) = plan {
                    self.write(plan);
                    self.naive.hidden.insert(at);
                    self.leave(at);
                }
            }
            Op::Restore(at) => {
                let Some(at) = self.pick_where(*at, |entry| self.naive.hidden.contains(&entry.id))
                else {
                    return;
                };
                let plan = self.ask(self.naive.hidden.contains(&at), |tree, stamp| {
                    branch::restore(tree, at, stamp)
                });
                if let Some(plan) = plan {
                    self.write(plan);
                    self.naive.hidden.remove(&at);
                    if self.naive.visible(at) {
                        self.naive.active = self.naive.newest(Some(at));
                    }
                }
            }
            Op::Move(at, to) => self.move_branch(*at, *to),
            Op::Fork(at, scope) => self.fork(*at, *scope),
            Op::Purge(at, extent) => self.purge(*at, *extent),
            Op::Recover => {
                self.now_ms += 1;
                let texts: Vec<(MessageId, String)> = self.texts();
                let records = self.tree.recover(self.now_ms);
                self.records.extend(records);
                for (id, text) in texts {
                    let message = self.tree.message(id).unwrap();
                    assert_eq!(
                        (&message.state, message.text()),
                        (&State::Interrupted, text)
                    );
                    self.ended(id);
                }
            }
        }
    }

    /// The answers that stream, with what is shown of them.
    fn texts(&self) -> Vec<(MessageId, String)> {
        let streaming = self.naive.entries.iter().filter(|entry| entry.streaming);
        let texts = streaming.map(|entry| (entry.id, self.tree.shown(entry.id).unwrap().text()));
        texts.collect()
    }

    fn added(&mut self, plan: Option<Plan>, parent: Option<MessageId>) {
        let Some(plan) = plan else { return };
        let id = plan.messages[0];
        self.write(plan);
        self.naive.add(id, parent, false);
        self.ended(id);
    }

    fn began(&mut self, plan: Option<Plan>, parent: Option<MessageId>) {
        let Some(plan) = plan else { return };
        let id = *plan.messages.last().unwrap();
        self.write(plan);
        self.naive.add(id, parent, true);
    }

    /// Keeps a message as it ended.
    fn ended(&mut self, id: MessageId) {
        let message = self.tree.message(id).unwrap().clone();
        let cut = message.state != State::Complete || message.finish == Some(Finish::MaxTokens);
        let some = message.parts.iter().any(|part| match part {
            Part::Text(text) => !text.is_empty(),
            _ => true,
        });
        let entry = self.naive.get_mut(id);
        entry.streaming = false;
        entry.unfinished = entry.answer && cut && some;
        self.kept.insert(id, message);
    }

    fn delta(&mut self, at: u8, channel: &Channel, text: &str) {
        let streaming: Vec<MessageId> = self.tree.streaming();
        let Some(id) = streaming.get(usize::from(at) % streaming.len().max(1)) else {
            return;
        };
        let offset = self
            .offsets
            .entry((*id, channel.as_str().into()))
            .or_default();
        let before = self.tree.shown(*id).unwrap().text();
        let record = Record::from(TextDelta {
            conversation: self.tree.conversation().id,
            message: *id,
            channel: channel.clone(),
            offset: *offset,
            text: text.into(),
        });
        *offset += text.len() as u64;
        self.tree.apply(&record).unwrap();
        self.records.push(record);
        let expected = match channel {
            Channel::Text => before + text,
            _ => before,
        };
        assert_eq!(self.tree.shown(*id).unwrap().text(), expected);
    }

    fn last_attempt(&self, id: MessageId) -> Option<AttemptEnd> {
        let mut attempts = self.tree.message(id).unwrap().attempts.iter();
        let open = attempts.find(|attempt| attempt.outcome.is_none())?;
        Some(AttemptEnd {
            attempt: open.id,
            outcome: Outcome::Failed,
            request_sent: Some(true),
            request_id: None,
            usage_json: None,
            error: None,
        })
    }

    fn next_attempt(&mut self, at: u8, over: bool) {
        let Some(id) = self.pick_where(at, |entry| entry.streaming) else {
            return;
        };
        let streaming = self.naive.get(id).streaming;
        if over && let Some(end) = self.last_attempt(id) {
            let plan = self.ask(streaming, |tree, stamp| {
                answer::attempt_over(tree, id, end, stamp)
            });
            if let Some(plan) = plan {
                self.write(plan);
            }
        }
        let open = self.last_attempt(id).is_some();
        let plan = self.ask(streaming && !open, |tree, stamp| {
            answer::attempt(tree, id, model("n"), AttemptReason::Fallback, stamp)
        });
        if let Some(plan) = plan {
            self.write(plan);
        }
    }

    fn end(&mut self, at: u8, state: &State, finish: Option<Finish>) {
        let streaming: Vec<MessageId> = self.tree.streaming();
        let id = streaming
            .get(usize::from(at) % streaming.len().max(1))
            .copied();
        let Some(id) = id.or_else(|| self.pick(at)) else {
            return;
        };
        let last = self.last_attempt(id);
        let mut parts = self.tree.shown(id).unwrap().parts.clone();
        parts.push(Part::text("."));
        let ending = Ending {
            parts,
            state: state.clone(),
            finish,
            usage: None,
            model: None,
        };
        let plan = self.ask(self.naive.get(id).streaming, |tree, stamp| {
            answer::end(tree, id, last, ending, stamp)
        });
        if let Some(plan) = plan {
            self.write(plan);
            self.ended(id);
        }
    }

    fn edit(&mut self, at: u8, ask: bool) {
        let Some(at) = self.pick(at) else { return };
        let entry = self.naive.get(at).clone();
        let allowed = self.naive.idle() && self.naive.visible(at);
        let then = if ask {
            Then::Ask(model("m"))
        } else {
            Then::Save
        };
        let text = self.text();
        let plan = self.ask(allowed, |tree, stamp| {
            send::edit(tree, at, text, then, stamp)
        });
        let Some(plan) = plan else { return };
        let ids = plan.messages.clone();
        self.write(plan);
        self.naive.add(ids[0], entry.parent, entry.answer);
        if !(ask && entry.answer) {
            self.ended(ids[0]);
        }
        if let Some(id) = ids.get(1) {
            self.naive.add(*id, Some(ids[0]), true);
        }
        assert_eq!(ids.len(), if ask && !entry.answer { 2 } else { 1 });
    }

    fn compare(&mut self, at: u8, models: u8) {
        let Some(at) = self.pick(at) else { return };
        let allowed = self.naive.idle() && self.naive.visible(at) && models >= 2;
        let models = (0..models).map(|_| model("twice")).collect();
        let plan = self.ask(allowed, |tree, stamp| {
            again::compare(tree, at, models, stamp)
        });
        let Some(plan) = plan else { return };
        let ids = plan.messages.clone();
        self.write(plan);
        self.groups += 1;
        for id in &ids {
            self.naive.add(*id, Some(at), true);
            self.naive.get_mut(*id).group = Some(self.groups);
        }
        self.naive.active = Some(ids[0]);
    }

    fn keep(&mut self, at: u8, others: Others) {
        let Some(at) = self.pick_where(at, |entry| entry.group.is_some()) else {
            return;
        };
        let compared = self.naive.compared(at);
        let allowed = self.naive.idle() && self.naive.visible(at) && compared.len() >= 2;
        let plan = self.ask(allowed, |tree, stamp| again::keep(tree, at, others, stamp));
        let Some(plan) = plan else { return };
        self.write(plan);
        if others == Others::Hide {
            self.naive
                .hidden
                .extend(compared.iter().filter(|id| **id != at));
        }
        self.naive.active = self.naive.newest(Some(at));
    }

    /// What is shown after a branch went out of sight: the newest end of what it hung below.
    fn leave(&mut self, top: MessageId) {
        let active = self.naive.active.unwrap();
        if self.naive.path(active).contains(&top) {
            self.naive.active = self.naive.newest(self.naive.get(top).parent);
        }
    }

    fn move_branch(&mut self, at: u8, to: Option<u8>) {
        let Some(at) = self.pick(at) else { return };
        let to = to.and_then(|to| self.pick(to));
        let branch = self.naive.branch(at);
        let target = to.is_none_or(|to| {
            self.naive.visible(to) && !self.naive.get(to).streaming && !branch.contains(&to)
        });
        let allowed = self.naive.visible(at)
            && !self.naive.streams(&branch)
            && target
            && self.naive.get(at).parent != to;
        let plan = self.ask(allowed, |tree, stamp| {
            branch::move_branch(tree, at, to, stamp)
        });
        let Some(plan) = plan else { return };
        self.write(plan);
        self.naive.get_mut(at).parent = to;
        if to.is_some() && self.naive.active == to {
            self.naive.active = self.naive.newest(Some(at));
        }
    }

    fn purge(&mut self, at: u8, extent: Extent) {
        let Some(at) = self.pick(at) else { return };
        let gone = match extent {
            Extent::Message => vec![at],
            Extent::Branch => self.naive.branch(at),
        };
        let plan = self.ask(!self.naive.streams(&gone), |tree, stamp| {
            purge::purge(tree, at, extent, stamp)
        });
        let Some(plan) = plan else { return };
        self.write(plan);
        let path = self
            .naive
            .active
            .map_or_else(Vec::new, |id| self.naive.path(id));
        let parent = self.naive.get(at).parent;
        let hid = self.naive.hidden.contains(&at);
        let children: Vec<MessageId> = self.naive.ids();
        for child in children {
            if extent == Extent::Message && self.naive.get(child).parent == Some(at) {
                self.naive.get_mut(child).parent = parent;
                if hid {
                    self.naive.hidden.insert(child);
                }
            }
        }
        self.naive.entries.retain(|entry| !gone.contains(&entry.id));
        for id in &gone {
            self.naive.hidden.remove(id);
            self.kept.remove(id);
        }
        let stays = path.into_iter().rfind(|id| !gone.contains(id));
        self.naive.active = self.naive.newest(stays);
    }

    fn fork(&mut self, at: u8, scope: Scope) {
        let Some(at) = self.pick(at) else { return };
        let path = self.naive.path(at);
        let allowed = self.naive.visible(at) && !self.naive.streams(&path);
        let forked = self.ask(allowed, |tree, stamp| fork::fork(tree, at, scope, stamp));
        let Some((id, plan)) = forked else { return };
        let mut library = Library::new();
        for record in &plan.records {
            library.apply(record).unwrap();
        }
        let fork = library.conversation(id).unwrap();
        assert_eq!(fork.oddities(), []);
        // What should be there, by the path of each message.
        let mut expected = self.naive.ids();
        expected.retain(|id| {
            let own = self.naive.path(*id);
            let taken = match scope {
                Scope::Path => path.contains(id),
                Scope::SideBranches => *id == at || !own.contains(&at),
                Scope::EverythingToHere => own.len() <= path.len(),
            };
            taken && self.naive.visible(*id) && !self.naive.streams(&own)
        });
        if scope == Scope::Path {
            // First to last, wherever they came from.
            expected = path;
        }
        let copies = fork.messages();
        let originals: Vec<MessageId> = copies
            .iter()
            .map(|copy| copy.copied_from.unwrap())
            .collect();
        assert_eq!(originals, expected);
        for copy in copies {
            let original = copy.copied_from.unwrap();
            let parent = fork.parent(copy.id).unwrap();
            let parent = parent.map(|id| fork.message(id).unwrap().copied_from.unwrap());
            assert_eq!(parent, self.naive.get(original).parent);
            let kept = &self.kept[&original];
            assert_eq!(
                (&copy.parts, &copy.role, &copy.state),
                (&kept.parts, &kept.role, &kept.state)
            );
            assert_ne!(copy.id, original);
            assert_eq!(copy.attempts, []);
        }
        let leaf = fork.active_leaf().unwrap();
        assert_eq!(fork.message(leaf).unwrap().copied_from, Some(at));
    }

    /// Everything that can be asked of the tree, asked of both.
    pub(crate) fn check(&self) {
        let (tree, naive) = (&self.tree, &self.naive);
        assert_eq!(tree.oddities(), []);
        let ids = naive.ids();
        assert_eq!(
            tree.messages().iter().map(|m| m.id).collect::<Vec<_>>(),
            ids
        );
        for id in &ids {
            assert_eq!(tree.path(*id), naive.path(*id));
            assert_eq!(tree.depth(*id), naive.path(*id).len());
            assert_eq!(tree.parent(*id), Some(naive.get(*id).parent));
            assert_eq!(tree.is_visible(*id), naive.visible(*id));
            assert_eq!(tree.children(Some(*id)), naive.children(Some(*id)));
            assert_eq!(tree.compared(*id), naive.compared(*id));
            let mut branch = tree.branch(*id);
            branch.sort_by_key(|id| ids.iter().position(|other| other == id));
            assert_eq!(branch, naive.branch(*id));
            let siblings = naive.children(naive.get(*id).parent);
            let index = siblings.iter().position(|sibling| sibling == id);
            let position = tree.position(*id);
            assert_eq!(position.map(|position| position.index - 1), index);
            assert!(position.is_none_or(|position| position.count == siblings.len()));
            // Nothing is ever overwritten.
            assert_eq!(naive.get(*id).streaming, !self.kept.contains_key(id));
            if let Some(kept) = self.kept.get(id) {
                assert_eq!(tree.message(*id), Some(kept));
            }
        }
        assert_eq!(tree.children(None), naive.children(None));
        assert_eq!(tree.leaves(), naive.leaves());
        let visible = ids.iter().filter(|id| naive.visible(**id)).count();
        let active = naive.active.map_or_else(Vec::new, |leaf| naive.path(leaf));
        // What is shown ends at the end of a visible branch.
        assert_eq!(tree.active_leaf(), naive.active);
        assert_eq!(naive.active.is_some(), visible > 0);
        assert!(
            naive
                .active
                .is_none_or(|leaf| naive.leaves().contains(&leaf))
        );
        assert_eq!(tree.conversation().active_leaf, naive.active);
        assert_eq!(tree.active_path(), active);
        assert_eq!(tree.elsewhere(), visible - active.len());
        assert_eq!(tree.hidden(), ids.len() - visible);
    }
}
