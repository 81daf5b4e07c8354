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
/// Where the same request may go well elsewhere: no key or no money here, no such model, a prompt
/// that is too long for this one, a server that is down, busy, slow or broken, a plugin that
/// failed, something that this wire cannot say. Not where the person's own request or wish is the
/// reason (cancelled, a filter, a request that is wrong), nor where the host forbade it.
#[must_use]
pub fn may_fall_back(failure: &Failure, content_seen: bool) -> bool {
    if content_seen {
        return false;
    }
    let Failure::Error(Error { kind, .. }) = failure else {
        return true;
    };
    match kind {
        ErrorKind::Auth(_)
        | ErrorKind::RateLimited(_)
        | ErrorKind::Overloaded(_)
        | ErrorKind::ContextLength(_)
        | ErrorKind::ModelNotFound
        | ErrorKind::Unsupported(_)
        | ErrorKind::MalformedResponse
        | ErrorKind::Internal
        | ErrorKind::Other(_) => true,
        ErrorKind::Network(network) => network.kind != NetworkKind::DeniedByPolicy,
        ErrorKind::ContentFilter(_) | ErrorKind::InvalidRequest(_) | ErrorKind::Cancelled => false,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use vale_types::{AuthKind, Fault, FaultClass, NetworkFailure};

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
        for (failure, may) in [
            (error(ErrorKind::Auth(AuthKind::Missing)), true),
            (error(ErrorKind::Overloaded(None)), true),
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
}
