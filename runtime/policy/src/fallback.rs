//! Who answers instead.

use std::time::Instant;

use vale_types::{Error, ErrorKind, Failure, ModelRef, NetworkKind};

use crate::breaker::Refusal;

/// A model of the person's list, and how it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The model.
    pub model: ModelRef,
    /// How it is.
    pub health: Health,
}

/// How a candidate is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It would be asked.
    Ready,
    /// Its breaker refuses.
    Refused(Refusal),
    /// Its key or account needs the person; in words.
    NeedsAttention(String),
    /// There is no such provider.
    Unknown,
}

/// Who is next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// This one of the list.
    Take(usize),
    /// All that are left rest; this one is back first, then.
    AllResting {
        /// Which.
        first: usize,
        /// When; none = when another call has tried it.
        until: Option<Instant>,
    },
    /// Nobody is left.
    Exhausted,
}

/// The first of the list that was not tried and would be asked.
#[must_use]
pub fn choose(chain: &[Candidate], tried: &[usize]) -> Choice {
    let left = || {
        let all = chain.iter().enumerate();
        all.filter(|(index, _)| !tried.contains(index))
    };
    if let Some((index, _)) = left().find(|(_, one)| one.health == Health::Ready) {
        return Choice::Take(index);
    }
    let resting = left().filter_map(|(index, one)| match one.health {
        Health::Refused(refusal) => Some((index, refusal.until)),
        _ => None,
    });
    // Who waits for another's probe comes last: nobody knows when.
    let first = resting.min_by_key(|(_, until)| (until.is_none(), *until));
    first.map_or(Choice::Exhausted, |(first, until)| Choice::AllResting {
        first,
        until,
    })
}

/// Whether another model may answer after this failure.
///
/// The rule: where the same request may go well elsewhere, and never after the person has seen
/// something of an answer. Per kind, the reason stands at its line. Whether *this* model is asked
/// again first is [`crate::retry::decide`]'s.
#[must_use]
pub fn may_fall_back(failure: &Failure, content_seen: bool) -> bool {
    // Two models' words in one answer would be neither's.
    if content_seen {
        return false;
    }
    let Failure::Error(Error { kind, .. }) = failure else {
        // The plugin failed; another provider's is other code.
        return true;
    };
    match kind {
        // The key or the account is this provider's. It also needs the person's attention.
        ErrorKind::Auth(_) => true,
        // Others have room; a wait that was short enough was kept before.
        ErrorKind::RateLimited(_) | ErrorKind::Overloaded(_) => true,
        // Another model may take a longer prompt. IronClaw stops here, and the person is stuck.
        ErrorKind::ContextLength(_) => true,
        // Retired here, or never had.
        ErrorKind::ModelNotFound => true,
        // This wire cannot say it; another's may.
        ErrorKind::Unsupported(_) => true,
        // The server is broken.
        ErrorKind::MalformedResponse | ErrorKind::Internal => true,
        // Resting, ours, or of a later version: nothing says that it would fail elsewhere.
        ErrorKind::Other(_) => true,
        // Down or out of reach. Not where the host forbade it: the person's rule is not to be
        // walked around.
        ErrorKind::Network(network) => network.kind != NetworkKind::DeniedByPolicy,
        // Sending what one provider filtered to the next is for the person to decide.
        ErrorKind::ContentFilter(_) => false,
        // The request itself is wrong and would be elsewhere.
        ErrorKind::InvalidRequest(_) => false,
        // The person wished for an end.
        ErrorKind::Cancelled => false,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use vale_types::{
        AuthKind, ContextLimit, Fault, FaultClass, LimitScope, NetworkFailure, RateLimit,
    };

    use super::*;
    use crate::breaker::RefusalReason;

    fn chain(healths: Vec<Health>) -> Vec<Candidate> {
        let model = |index: usize| format!("p{index}/m").parse().unwrap();
        let numbered = healths.into_iter().enumerate();
        numbered
            .map(|(index, health)| Candidate {
                model: model(index),
                health,
            })
            .collect()
    }

    #[test]
    fn the_first_that_is_ready_and_untried_is_next() {
        let now = Instant::now();
        let rests = |s| {
            Health::Refused(Refusal {
                until: Some(now + Duration::from_secs(s)),
                why: RefusalReason::Open,
            })
        };
        let ask = Health::NeedsAttention("key".into());
        let all = chain(vec![
            Health::Ready,
            ask,
            rests(9),
            Health::Ready,
            Health::Unknown,
            rests(5),
        ]);
        assert_eq!(choose(&all, &[]), Choice::Take(0));
        assert_eq!(choose(&all, &[0]), Choice::Take(3));
        let until = Some(now + Duration::from_secs(5));
        assert_eq!(
            choose(&all, &[0, 3]),
            Choice::AllResting { first: 5, until }
        );
        assert_eq!(choose(&all, &[0, 2, 3, 5]), Choice::Exhausted);
        assert_eq!(choose(&[], &[]), Choice::Exhausted);
    }

    #[test]
    fn another_may_answer_unless_the_request_itself_is_the_reason() {
        let error = |kind| Failure::Error(Error::new(kind, "x"));
        let network = |kind| {
            error(ErrorKind::Network(NetworkFailure {
                kind,
                request_sent: true,
            }))
        };
        let limited = error(ErrorKind::RateLimited(RateLimit {
            retry_after_ms: None,
            scope: LimitScope::Tokens,
        }));
        let too_long = error(ErrorKind::ContextLength(ContextLimit {
            limit: Some(8192),
            requested: Some(9000),
        }));
        for (failure, may) in [
            (error(ErrorKind::Auth(AuthKind::Missing)), true),
            (error(ErrorKind::Auth(AuthKind::QuotaExhausted)), true),
            (limited, true),
            (error(ErrorKind::Overloaded(None)), true),
            (too_long, true),
            (error(ErrorKind::ModelNotFound), true),
            (error(ErrorKind::Unsupported("images".into())), true),
            (error(ErrorKind::MalformedResponse), true),
            (error(ErrorKind::Internal), true),
            (error(ErrorKind::Other("new".into())), true),
            (network(NetworkKind::Dns), true),
            (network(NetworkKind::Timeout), true),
            (network(NetworkKind::DeniedByPolicy), false),
            (error(ErrorKind::Cancelled), false),
            (error(ErrorKind::ContentFilter(None)), false),
            (error(ErrorKind::InvalidRequest(None)), false),
            (Fault::new(FaultClass::Trap, "x").into(), true),
            (Failure::resting("x"), true),
            (Failure::host("x"), true),
        ] {
            assert_eq!(may_fall_back(&failure, false), may, "{failure:?}");
            assert!(!may_fall_back(&failure, true));
        }
    }

    proptest! {
        #[test]
        fn the_choice_is_the_first_that_is_ready_or_else_who_is_back_first(
            healths in proptest::collection::vec((0..4_u8, proptest::option::of(0..99_u64)), 0..8),
            tried in proptest::collection::vec(0..8_usize, 0..8),
        ) {
            let now = Instant::now();
            let all = chain(healths.into_iter().map(|(kind, wait)| match kind {
                0 => Health::Ready,
                1 => Health::NeedsAttention("key".into()),
                2 => Health::Unknown,
                _ => Health::Refused(Refusal {
                    until: wait.map(|s| now + Duration::from_secs(s)),
                    why: RefusalReason::Open,
                }),
            }).collect());
            let left: Vec<_> = (0..all.len()).filter(|index| !tried.contains(index)).collect();
            let ready = left.iter().find(|index| all[**index].health == Health::Ready);
            let waits: Vec<_> = left.iter().filter_map(|index| match all[*index].health {
                Health::Refused(refusal) => Some(refusal.until),
                _ => None,
            }).collect();
            match choose(&all, &tried) {
                Choice::Take(index) => prop_assert_eq!(Some(&index), ready),
                Choice::AllResting { first, until } => {
                    prop_assert!(ready.is_none() && left.contains(&first));
                    prop_assert_eq!(until, waits.iter().flatten().min().copied());
                }
                Choice::Exhausted => prop_assert!(ready.is_none() && waits.is_empty()),
            }
        }
    }
}
