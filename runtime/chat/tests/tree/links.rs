//! Messages whose parents are missing, come later, or form a ring.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use proptest::prelude::*;
use vale_chat::model::{Conversation, Message, Part, Role};
use vale_chat::record::MessageAdded;
use vale_chat::{ConversationId, MessageId, Oddity, Record, Tree};

fn id(number: u8) -> MessageId {
    MessageId::from_bytes([number; 16])
}

fn conversation() -> Conversation {
    Conversation::new(ConversationId::from_bytes([0xff; 16]), 1)
}

fn messages(links: &[(u8, Option<u8>)]) -> Vec<Message> {
    let messages = links.iter().map(|(number, parent)| {
        let text = vec![Part::text(number.to_string())];
        Message::new(id(*number), parent.map(id), Role::User, text, 1)
    });
    messages.collect()
}

fn parents(tree: &Tree) -> BTreeMap<MessageId, Option<MessageId>> {
    let messages = tree.messages().into_iter();
    messages
        .map(|message| (message.id, tree.parent(message.id).unwrap()))
        .collect()
}

fn oddities(tree: &Tree) -> BTreeSet<String> {
    tree.oddities().iter().map(ToString::to_string).collect()
}

#[test]
fn a_ring_a_missing_parent_and_a_self_link_are_shown_and_reported() {
    // 1 ← 2 ← 3 ← 1 is a ring with 4 hanging on it; 5 follows 99, which is missing; 6 itself.
    let links = [
        (4, Some(2)),
        (3, Some(2)),
        (2, Some(1)),
        (1, Some(3)),
        (5, Some(99)),
        (6, Some(6)),
        (7, None),
    ];
    let tree = Tree::from_messages(conversation(), messages(&links));
    assert_eq!(tree.len(), 7);
    assert_eq!(tree.children(None), [id(1), id(5), id(6), id(7)]);
    assert_eq!(tree.path(id(4)), [id(1), id(2), id(4)]);
    assert_eq!(tree.children(Some(id(2))), [id(4), id(3)]);
    assert_eq!(
        tree.oddities(),
        [
            Oddity::Cycle {
                message: id(1),
                parent: id(3)
            },
            Oddity::MissingParent {
                message: id(5),
                parent: id(99)
            },
            Oddity::Cycle {
                message: id(6),
                parent: id(6)
            },
        ]
    );
    // The one that comes a second time does not replace the first.
    let mut twice = messages(&[(1, None), (1, None)]);
    twice[1].parts = vec![Part::text("another")];
    let tree = Tree::from_messages(conversation(), twice);
    assert_eq!(tree.message(id(1)).unwrap().text(), "1");
    assert_eq!(tree.oddities(), [Oddity::Twice(id(1))]);
}

#[test]
fn a_conversation_of_100_000_messages_in_reverse_is_a_matter_of_a_second() {
    let mut links = Vec::new();
    let name = |number: u32| {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        MessageId::from_bytes(bytes)
    };
    for number in (1..=100_000_u32).rev() {
        let parent = (number > 1).then(|| name(number - 1));
        links.push(Message::new(name(number), parent, Role::User, vec![], 1));
    }
    let begun = std::time::Instant::now();
    let tree = Tree::from_messages(conversation(), links);
    assert_eq!(tree.active_path().len(), 100_000);
    assert_eq!(tree.path(name(100_000))[0], name(1));
    // A quadratic way would take minutes.
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}

proptest! {
    #![proptest_config(crate::config(512))]

    #[test]
    fn any_links_in_any_order_make_the_same_tree(
        targets in proptest::collection::vec(proptest::option::of(0..14_u8), 1..12),
        order in any::<u64>(),
    ) {
        // Targets of 12 and more do not exist, some of the others neither.
        let links: Vec<(u8, Option<u8>)> = targets.iter().enumerate()
            .map(|(number, target)| (u8::try_from(number).unwrap(), *target)).collect();
        let mut shuffled = links.clone();
        let mut state = order | 1;
        for at in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            shuffled.swap(at, usize::try_from(state >> 33).unwrap() % (at + 1));
        }
        let tree = Tree::from_messages(conversation(), messages(&links));
        let other = Tree::from_messages(conversation(), messages(&shuffled));
        prop_assert_eq!(parents(&tree), parents(&other));
        prop_assert_eq!(oddities(&tree), oddities(&other));

        // Message by message, as they come, it is the same as all at once.
        let mut grown = Tree::new(conversation());
        for message in messages(&shuffled) {
            let conversation = conversation().id;
            grown.apply(&Record::from(MessageAdded { conversation, message })).unwrap();
        }
        prop_assert_eq!(&grown, &other);

        // By brute force: a link is let go if it leads nowhere, or from the least of a ring.
        let target = |number: u8| links.get(usize::from(number)).and_then(|link| link.1);
        let mut let_go = HashSet::new();
        for (number, link) in &links {
            if link.is_some_and(|link| usize::from(link) >= links.len()) {
                let_go.insert(*number);
            }
            let mut ring = vec![*number];
            while let Some(next) = target(*ring.last().unwrap()) {
                if next == *number {
                    if ring.iter().min() == Some(number) {
                        let_go.insert(*number);
                    }
                    break;
                }
                if ring.contains(&next) || usize::from(next) >= links.len() {
                    break;
                }
                ring.push(next);
            }
        }
        for (number, link) in &links {
            let expected = link.filter(|_| !let_go.contains(number)).map(id);
            prop_assert_eq!(tree.parent(id(*number)), Some(expected), "{}", number);
        }
        prop_assert_eq!(tree.oddities().len(), let_go.len());
        // One root, and everything is reached from it.
        let reached: usize = tree.all_children(None).iter().map(|top| tree.branch(*top).len()).sum();
        prop_assert_eq!(reached, links.len());
    }
}
