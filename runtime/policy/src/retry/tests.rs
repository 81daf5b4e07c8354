use proptest::prelude::*;
use vale_types::{AuthKind, Fault, FaultClass, LimitScope, NetworkFailure, NetworkKind, RateLimit};

use super::*;

fn error(kind: ErrorKind) -> Failure {
    Error::new(kind, "x").into()
}

fn network(request_sent: bool) -> Failure {
    let kind = NetworkKind::Reset;
    error(ErrorKind::Network(NetworkFailure { kind, request_sent }))
}

fn limited(ms: u64) -> Failure {
    error(ErrorKind::RateLimited(RateLimit {
        retry_after_ms: Some(ms),
        scope: LimitScope::Requests,
    }))
}

fn first(failure: &Failure) -> AttemptFacts<'_> {
    AttemptFacts {
        attempt: 1,
        failure,
        content_seen: false,
        unanswered_repeats: 0,
    }
}

fn decided(facts: &AttemptFacts<'_>) -> Decision {
    let now = Instant::now();
    let mut budget = RetryBudget::new(BudgetConfig::default(), now);
    decide(&RetryConfig::default(), &mut budget, facts, now, 0.0)
}

#[test]
fn nothing_is_repeated_after_content_or_where_it_would_fail_again() {
    let well = error(ErrorKind::Internal);
    let seen = AttemptFacts {
        content_seen: true,
        ..first(&well)
    };
    assert_eq!(decided(&seen), Decision::GiveUp(GiveUp::ContentSeen));
    let key = error(ErrorKind::Auth(AuthKind::Invalid));
    assert_eq!(
        decided(&first(&key)),
        Decision::GiveUp(GiveUp::NotRetryable)
    );
}

#[test]
fn two_repeats_with_growing_waits_and_then_no_more() {
    let failure = error(ErrorKind::Overloaded(None));
    let after = |attempt| {
        decided(&AttemptFacts {
            attempt,
            ..first(&failure)
        })
    };
    let retry = |ms| Decision::Retry {
        after: Duration::from_millis(ms),
        possibly_billed: false,
    };
    assert_eq!(after(1), retry(500));
    assert_eq!(after(2), retry(1000));
    assert_eq!(after(3), Decision::GiveUp(GiveUp::TooOften));
}

#[test]
fn what_was_sent_and_gave_no_status_is_repeated_once_and_marked() {
    let sent = network(true);
    assert!(matches!(
        decided(&first(&sent)),
        Decision::Retry {
            possibly_billed: true,
            ..
        }
    ));
    let again = AttemptFacts {
        attempt: 2,
        unanswered_repeats: 1,
        ..first(&sent)
    };
    assert_eq!(decided(&again), Decision::GiveUp(GiveUp::MayBeBilledTwice));
    let unsent = network(false);
    assert!(matches!(
        decided(&first(&unsent)),
        Decision::Retry {
            possibly_billed: false,
            ..
        }
    ));
}

#[test]
fn the_servers_wait_wins_up_to_a_limit() {
    let wait = |failure: &Failure| match decided(&first(failure)) {
        Decision::Retry { after, .. } => after.as_millis(),
        Decision::GiveUp(why) => panic!("{why:?}"),
    };
    assert_eq!(wait(&limited(7000)), 7125);
    assert_eq!(wait(&limited(0)), 125);
    assert_eq!(
        decided(&first(&limited(61_000))),
        Decision::GiveUp(GiveUp::WaitTooLong)
    );
}

#[test]
fn an_empty_budget_ends_repeats_and_a_quiet_minute_brings_them_back() {
    let now = Instant::now();
    let mut budget = RetryBudget::new(BudgetConfig::default(), now);
    let (well, late) = (error(ErrorKind::Internal), limited(61_000));
    let mut ask = |failure: &Failure, now| {
        decide(
            &RetryConfig::default(),
            &mut budget,
            &first(failure),
            now,
            0.0,
        )
    };
    let empty = Decision::GiveUp(GiveUp::NoBudget);
    for _ in 0..10 {
        // What is given up for another reason costs nothing.
        assert_eq!(ask(&late, now), Decision::GiveUp(GiveUp::WaitTooLong));
        assert_ne!(ask(&well, now), empty);
    }
    assert_eq!(ask(&well, now), empty);
    assert_eq!(ask(&well, now + Duration::from_secs(5)), empty);
    let later = now + Duration::from_secs(7);
    assert_ne!(ask(&well, later), empty);
    assert_eq!(ask(&well, later), empty);
}

#[test]
fn five_first_attempts_pay_for_one_repeat() {
    let now = Instant::now();
    let config = BudgetConfig {
        per_minute: 0.0,
        ..BudgetConfig::default()
    };
    let mut budget = RetryBudget::new(config, now);
    while budget.withdraw(now) {}
    for _ in 0..4 {
        budget.deposit(now);
        assert!(!budget.withdraw(now));
    }
    budget.deposit(now);
    assert!(budget.withdraw(now) && !budget.withdraw(now));
}

#[test]
fn a_call_that_ran_out_of_time_may_be_billed_and_other_faults_are_not_repeated() {
    let timed_out = Fault::new(FaultClass::WallLimit, "x").into();
    let Decision::Retry {
        possibly_billed, ..
    } = decided(&first(&timed_out))
    else {
        panic!("a wall limit may not be hit again");
    };
    assert!(possibly_billed);
    let trapped = Fault::new(FaultClass::Trap, "x").into();
    assert_eq!(
        decided(&first(&trapped)),
        Decision::GiveUp(GiveUp::NotRetryable)
    );
}

proptest! {
    /// Whatever failed, however often and with whichever wait.
    #[test]
    fn a_wait_before_a_repeat_is_never_shorter_than_asked_nor_much_longer_than_allowed(
        asked in proptest::option::of(0..100_000_u64), attempt in 1..4_u32, random in 0.0..1.0_f64,
    ) {
        let config = RetryConfig::default();
        let now = Instant::now();
        let mut budget = RetryBudget::new(BudgetConfig::default(), now);
        let failure = error(ErrorKind::Overloaded(asked));
        let facts = AttemptFacts { attempt, ..first(&failure) };
        let asked = asked.map(Duration::from_millis);
        match decide(&config, &mut budget, &facts, now, random) {
            Decision::Retry { after, .. } => {
                prop_assert!(attempt <= config.max_retries);
                prop_assert!(asked.is_none_or(|asked| asked <= config.max_wait_for_provider()));
                let longest = asked.unwrap_or_default() + seconds(config.backoff.max_s);
                prop_assert!(after >= asked.unwrap_or_default() && after <= longest);
                prop_assert!(after > Duration::ZERO);
            }
            Decision::GiveUp(GiveUp::TooOften) => prop_assert!(attempt > config.max_retries),
            Decision::GiveUp(why) => {
                prop_assert_eq!(why, GiveUp::WaitTooLong);
                prop_assert!(asked > Some(config.max_wait_for_provider()));
            }
        }
    }

    /// However failures come, and whatever the clock does.
    #[test]
    fn repeats_never_exceed_the_budget(
        acts in proptest::collection::vec(
            (any::<bool>(), prop_oneof![8 => -50..200_i64, 1 => -9_000_000..9_000_000_i64]),
            0..300,
        ),
    ) {
        let base = Instant::now() + Duration::from_secs(4_000_000);
        let (mut now, mut latest) = (base, base);
        let config = BudgetConfig::default();
        let mut budget = RetryBudget::new(config.clone(), now);
        let failure = error(ErrorKind::Internal);
        let (mut firsts, mut repeats) = (0, 0);
        for (is_first, ms) in acts {
            let step = Duration::from_millis(ms.unsigned_abs());
            now = if ms < 0 { now - step } else { now + step };
            latest = latest.max(now);
            if is_first {
                firsts += 1;
                budget.deposit(now);
            } else if let Decision::Retry { .. } =
                decide(&RetryConfig::default(), &mut budget, &first(&failure), now, 0.5)
            {
                repeats += 1;
            }
            prop_assert!(repeats <= config.bound(firsts, latest - base));
        }
    }
}
