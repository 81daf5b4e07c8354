//! Messages that hang together in any way, made into trees.
//!
//! Exports hold cycles, parents that are not there, messages that two others claim, and places where
//! nothing was ever shown. Whatever comes in, every message with content comes out once, behind its
//! parent.

use std::collections::HashMap;

use super::neutral::{Neutral, NeutralMessage, Node};
use crate::model::Role;

/// A message in its place.
#[derive(Debug)]
pub(super) struct Placed {
    pub id: String,
    /// The place of its parent in the list.
    pub parent: Option<usize>,
    pub message: NeutralMessage,
}

/// The messages, parents first, and what had to be mended.
#[derive(Debug, Default)]
pub(super) struct Placement {
    pub messages: Vec<Placed>,
    /// The end of the branch to show.
    pub current: Option<usize>,
    pub missing_parents: usize,
    pub cycles: usize,
    pub doubles: usize,
}

/// Puts the nodes of a conversation in order, and takes them out of it.
pub(super) fn place(conversation: &mut Neutral) -> Placement {
    let mut placement = Placement::default();
    let mut nodes = std::mem::take(&mut conversation.nodes);
    let index = name(&mut nodes, &mut placement);
    let mut parents = link(&nodes, &index, &mut placement);
    cut_cycles(&mut parents, &mut placement);
    let (order, children) = order(&nodes, &index, &parents);
    hand_down_thinking(&mut nodes, &order, &children);

    // For each node: the nearest one at or above it that stays, by its place in the result.
    let mut anchors: Vec<Option<usize>> = vec![None; nodes.len()];
    for at in order {
        let above = parents
            .get(at)
            .copied()
            .flatten()
            .and_then(|parent| anchors.get(parent).copied().flatten());
        let Some(node) = nodes.get_mut(at) else {
            continue;
        };
        let message = node.message.take();
        let anchor = match message.filter(|message| !message.parts.is_empty()) {
            Some(message) => {
                placement.messages.push(Placed {
                    id: std::mem::take(&mut node.id),
                    parent: above,
                    message,
                });
                Some(placement.messages.len() - 1)
            }
            None => above,
        };
        if let Some(slot) = anchors.get_mut(at) {
            *slot = anchor;
        }
    }
    let current = conversation
        .current
        .as_ref()
        .and_then(|current| index.get(current))
        .and_then(|at| anchors.get(*at).copied().flatten());
    placement.current = end_of_branch(&placement.messages, current);
    placement
}

/// Gives each node a name of its own.
fn name(nodes: &mut [Node], placement: &mut Placement) -> HashMap<String, usize> {
    let mut index = HashMap::with_capacity(nodes.len());
    for (at, node) in nodes.iter_mut().enumerate() {
        if node.id.is_empty() {
            node.id = format!("#{at}");
        }
        if index.contains_key(&node.id) {
            placement.doubles += 1;
            node.id = format!("{}#{at}", node.id);
        }
        index.insert(node.id.clone(), at);
    }
    index
}

/// The parent of each node: the one it names, else the first that claims it.
fn link(
    nodes: &[Node],
    index: &HashMap<String, usize>,
    placement: &mut Placement,
) -> Vec<Option<usize>> {
    let mut claimed = HashMap::new();
    for (at, node) in nodes.iter().enumerate() {
        for child in &node.children {
            claimed.entry(child.as_str()).or_insert(at);
        }
    }
    let parent_of = |(at, node): (usize, &Node)| {
        let named = node.parent.as_deref().filter(|parent| !parent.is_empty());
        let found = named.and_then(|parent| index.get(parent).copied());
        let found = found.or_else(|| claimed.get(node.id.as_str()).copied());
        if named.is_some() && found.is_none() {
            placement.missing_parents += 1;
        }
        if found == Some(at) {
            placement.cycles += 1;
        }
        found.filter(|parent| *parent != at)
    };
    nodes.iter().enumerate().map(parent_of).collect()
}

/// Makes the first node met twice on a way up a root.
fn cut_cycles(parents: &mut [Option<usize>], placement: &mut Placement) {
    // The walk in which a node was met; 0 = never.
    let mut met = vec![0_usize; parents.len()];
    for start in 0..parents.len() {
        let walk = start + 1;
        let mut at = start;
        while let Some(slot) = met.get_mut(at).filter(|slot| **slot == 0) {
            *slot = walk;
            let Some(parent) = parents.get(at).copied().flatten() else {
                break;
            };
            if met.get(parent) == Some(&walk) {
                placement.cycles += 1;
                if let Some(slot) = parents.get_mut(parent) {
                    *slot = None;
                }
                break;
            }
            at = parent;
        }
    }
}

/// All nodes, each behind its parent, siblings as the parent lists them and else as they came; and
/// the children of each.
fn order(
    nodes: &[Node],
    index: &HashMap<String, usize>,
    parents: &[Option<usize>],
) -> (Vec<usize>, Vec<Vec<usize>>) {
    let mut rank = vec![usize::MAX; nodes.len()];
    for (at, node) in nodes.iter().enumerate() {
        for (position, child) in node.children.iter().enumerate() {
            let child = index.get(child).copied();
            let mine = child.filter(|child| parents.get(*child) == Some(&Some(at)));
            if let Some(rank) = mine.and_then(|child| rank.get_mut(child)) {
                *rank = (*rank).min(position);
            }
        }
    }
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    let mut stack = Vec::new();
    for (at, parent) in parents.iter().enumerate() {
        match parent.and_then(|parent| children.get_mut(parent)) {
            Some(siblings) => siblings.push(at),
            None => stack.push(at),
        }
    }
    for siblings in &mut children {
        siblings.sort_by_key(|child| rank.get(*child).copied());
    }
    stack.reverse();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(at) = stack.pop() {
        order.push(at);
        stack.extend(children.get(at).into_iter().flatten().rev());
    }
    (order, children)
}

/// Thinking that stood as a message of its own goes to the answers after it, where there are any.
fn hand_down_thinking(nodes: &mut [Node], order: &[usize], children: &[Vec<usize>]) {
    for at in order {
        let below = children.get(*at).map(Vec::as_slice).unwrap_or_default();
        let answers = |child: &usize| {
            let message = nodes.get(*child).and_then(|node| node.message.as_ref());
            message.is_some_and(|message| message.role == Role::Assistant)
        };
        let goes_down = nodes.get(*at).is_some_and(|node| node.lead)
            && !below.is_empty()
            && below.iter().all(answers);
        if !goes_down {
            continue;
        }
        let Some(thinking) = nodes.get_mut(*at).and_then(|node| node.message.take()) else {
            continue;
        };
        for child in below {
            let message = nodes.get_mut(*child).and_then(|node| node.message.as_mut());
            if let Some(message) = message {
                message.parts.splice(0..0, thinking.parts.iter().cloned());
            }
        }
    }
}

/// From where the app was, or else from the last message, on to the end of that branch.
fn end_of_branch(messages: &[Placed], current: Option<usize>) -> Option<usize> {
    let Some(mut at) = current else {
        return messages.len().checked_sub(1);
    };
    let mut last_child = vec![None; messages.len()];
    for (place, message) in messages.iter().enumerate() {
        let slot = message.parent.and_then(|parent| last_child.get_mut(parent));
        if let Some(slot) = slot {
            *slot = Some(place);
        }
    }
    while let Some(child) = last_child.get(at).copied().flatten() {
        at = child;
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::{Placement, place};
    use crate::import::neutral::{Neutral, NeutralMessage, NeutralPart, Node};
    use crate::model::Role;

    fn node(id: &str, parent: &str, children: &[&str]) -> Node {
        let mut message = NeutralMessage::new(Role::User);
        message.push_text(Some(format!("text of {id}")));
        Node {
            id: id.into(),
            parent: (!parent.is_empty()).then(|| parent.into()),
            children: children.iter().map(|child| (*child).into()).collect(),
            message: Some(message),
            lead: false,
        }
    }

    fn placed(nodes: Vec<Node>, current: &str) -> Placement {
        place(&mut Neutral {
            nodes,
            current: Some(current.into()),
            ..Neutral::default()
        })
    }

    /// `child<parent` for each message, in order.
    fn shape(placement: &Placement) -> String {
        let names = placement.messages.iter().map(|message| {
            let parent = message.parent.map(|at| placement.messages[at].id.as_str());
            format!("{}<{}", message.id, parent.unwrap_or("-"))
        });
        names.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn parents_come_first_and_siblings_as_their_parent_lists_them() {
        let nodes = vec![
            node("c", "b", &[]),
            node("b2", "a", &[]),
            node("b", "a", &["c"]),
            node("a", "", &["b", "b2"]),
        ];
        let placement = placed(nodes, "c");
        assert_eq!(shape(&placement), "a<- b<a c<b b2<a");
        assert_eq!(placement.current, Some(2));
    }

    #[test]
    fn cycles_missing_parents_two_roots_and_two_claims_lose_no_message() {
        let cycle = vec![
            node("a", "c", &["b"]),
            node("b", "a", &["c"]),
            node("c", "b", &["a"]),
        ];
        let placement = placed(cycle, "c");
        assert_eq!(shape(&placement), "a<- b<a c<b");
        assert_eq!(placement.cycles, 1);

        let own_parent = placed(vec![node("a", "a", &["a"])], "a");
        assert_eq!((shape(&own_parent).as_str(), own_parent.cycles), ("a<-", 1));

        let missing = placed(vec![node("a", "gone", &[]), node("b", "a", &[])], "b");
        assert_eq!(shape(&missing), "a<- b<a");
        assert_eq!(missing.missing_parents, 1);

        let roots = placed(vec![node("a", "", &[]), node("b", "", &[])], "a");
        assert_eq!(shape(&roots), "a<- b<-");
        assert_eq!(roots.current, Some(0));

        let claims = vec![
            node("a", "", &["x"]),
            node("b", "", &["x"]),
            node("x", "b", &[]),
        ];
        assert_eq!(shape(&placed(claims, "x")), "a<- b<- x<b");
        let only_claimed = vec![node("a", "", &["x"]), node("x", "", &[])];
        assert_eq!(shape(&placed(only_claimed, "x")), "a<- x<a");

        let doubles = placed(vec![node("a", "", &[]), node("a", "a", &[])], "a");
        assert_eq!(shape(&doubles), "a<- a#1<a");
        assert_eq!(doubles.doubles, 1);
    }

    #[test]
    fn what_was_never_shown_goes_and_its_children_move_up() {
        let mut nodes = vec![
            node("root", "", &["sys"]),
            node("sys", "root", &["q"]),
            node("q", "sys", &["empty"]),
            node("empty", "q", &["answer"]),
            node("answer", "empty", &[]),
        ];
        nodes[0].message = None;
        nodes[1].message = None;
        nodes[3].message = Some(NeutralMessage::new(Role::Assistant));
        let placement = placed(nodes, "empty");
        assert_eq!(shape(&placement), "q<- answer<q");
        assert_eq!(placement.current, Some(1), "on to the end of the branch");
    }

    #[test]
    fn thinking_goes_to_every_answer_after_it_or_stays() {
        let mut nodes = vec![
            node("q", "", &[]),
            node("t", "q", &[]),
            node("a1", "t", &[]),
            node("a2", "t", &[]),
            node("t2", "q", &[]),
        ];
        for (at, lead) in [(1, true), (2, false), (3, false), (4, true)] {
            let mut message = NeutralMessage::new(Role::Assistant);
            message.parts.push(if lead {
                NeutralPart::Thinking(format!("thought {at}"))
            } else {
                NeutralPart::Text(format!("answer {at}"))
            });
            nodes[at].message = Some(message);
            nodes[at].lead = lead;
        }
        let placement = placed(nodes, "a1");
        assert_eq!(shape(&placement), "q<- a1<q a2<q t2<q");
        for answer in &placement.messages[1..3] {
            assert!(matches!(answer.message.parts[0], NeutralPart::Thinking(_)));
            assert_eq!(answer.message.parts.len(), 2);
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config { failure_persistence: None, ..Default::default() })]
        /// Whatever names whatever: each message comes out once, behind its parent, and the end of
        /// the branch is an end.
        #[test]
        fn any_heap_of_links_becomes_trees(
            heap in proptest::collection::vec(
                (0_u8..12, 0_u8..14, proptest::collection::vec(0_u8..14, 0..3), 0_u8..4),
                0..12,
            ),
            current in 0_u8..14,
        ) {
            let mut shown = 0;
            let nodes = heap.iter().map(|(id, parent, children, kind)| {
                let children: Vec<String> = children.iter().map(u8::to_string).collect();
                let children: Vec<&str> = children.iter().map(String::as_str).collect();
                let mut node = node(&id.to_string(), &parent.to_string(), &children);
                match kind {
                    0 => node.message = None,
                    1 => node.lead = true,
                    _ => {}
                }
                shown += usize::from(*kind != 0);
                node
            });
            let placement = placed(nodes.collect(), &current.to_string());
            proptest::prop_assert_eq!(placement.messages.len(), shown);
            let mut names = std::collections::HashSet::new();
            for (at, message) in placement.messages.iter().enumerate() {
                proptest::prop_assert!(message.parent.is_none_or(|parent| parent < at));
                proptest::prop_assert!(names.insert(message.id.clone()));
            }
            let ends = |at: usize| placement.messages.iter().all(|one| one.parent != Some(at));
            proptest::prop_assert_eq!(placement.current.is_some(), shown > 0);
            proptest::prop_assert!(placement.current.is_none_or(ends));
        }
    }

    #[test]
    fn a_hundred_thousand_messages_in_one_line_need_no_stack() {
        let count = 100_000;
        let mut nodes: Vec<Node> = (0..count)
            .map(|at| node(&at.to_string(), &(at + 1).to_string(), &[]))
            .collect();
        nodes.reverse();
        let placement = placed(nodes, "0");
        assert_eq!(placement.messages.len(), count);
        assert_eq!(placement.current, Some(count - 1));
    }
}
