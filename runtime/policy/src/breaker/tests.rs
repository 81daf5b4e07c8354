use proptest::prelude::*;
use vale_types::{AuthKind, LimitScope, RateLimit};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn breaker() -> Breaker {
    Breaker::new(BreakerConfig::default())
}

fn ends(breaker: &mut Breaker, outcome: Outcome, now: Instant) {
    let permit = breaker.admit(now).unwrap();
    breaker.record(permit, outcome, now);
}

fn opened(now: Instant) -> Breaker {
    let mut breaker = breaker();
    for _ in 0..5 {
        ends(&mut breaker, Outcome::Failure, now);
    }
    assert_eq!(breaker.snapshot(now).state, State::Open);
    breaker
}

#[test]
fn five_failures_in_a_row_open_it_and_a_success_between_them_does_not() {
    let now = Instant::now();
    let mut breaker = breaker();
    for round in 0..3 {
        for _ in 0..4 {
            ends(&mut breaker, Outcome::Failure, now + SECOND * 100 * round);
        }
        ends(&mut breaker, Outcome::Success, now + SECOND * 100 * round);
    }
    assert_eq!(breaker.snapshot(now + SECOND * 200).state, State::Closed);
    let refusal = opened(now).admit(now + SECOND).unwrap_err();
    assert_eq!(refusal.why, RefusalReason::Open);
    assert_eq!(refusal.until, Some(now + SECOND * 30));
}

#[test]
fn half_of_ten_within_a_minute_open_it_and_half_of_ten_within_an_hour_do_not() {
    let now = Instant::now();
    for (gap, state) in [(SECOND, State::Open), (SECOND * 60, State::Closed)] {
        let mut breaker = breaker();
        let mut at = now;
        for call in 0..10 {
            let outcome = if call % 2 == 0 {
                Outcome::Success
            } else {
                Outcome::Failure
            };
            ends(&mut breaker, outcome, at);
            at += gap;
        }
        assert_eq!(breaker.snapshot(at).state, state, "{gap:?}");
    }
}

#[test]
fn half_open_lets_exactly_one_probe_through_and_its_success_closes() {
    let now = Instant::now();
    let mut breaker = opened(now);
    let later = now + SECOND * 30;
    let probe = breaker.admit(later).unwrap();
    assert!(probe.is_probe());
    for _ in 0..100 {
        let refusal = breaker.admit(later + SECOND).unwrap_err();
        assert_eq!(refusal.why, RefusalReason::ProbeInFlight);
    }
    breaker.record(probe, Outcome::Success, later);
    let snapshot = breaker.snapshot(later);
    assert_eq!((snapshot.state, snapshot.times_opened), (State::Closed, 0));
    assert!(!breaker.admit(later).unwrap().is_probe());
}

#[test]
fn each_failed_probe_doubles_the_wait_up_to_the_longest() {
    let now = Instant::now();
    let mut breaker = opened(now);
    let mut at = now;
    let mut waits = Vec::new();
    for _ in 0..6 {
        let until = breaker.snapshot(at).until.unwrap();
        waits.push((until - at).as_secs());
        at = until;
        ends(&mut breaker, Outcome::Failure, at);
    }
    assert_eq!(waits, [30, 60, 120, 240, 300, 300]);
}

#[test]
fn a_probe_that_says_nothing_frees_its_place() {
    let now = Instant::now();
    let mut breaker = opened(now);
    let later = now + SECOND * 31;
    ends(&mut breaker, Outcome::Neutral, later);
    assert_eq!(breaker.snapshot(later).state, State::HalfOpen);
    assert!(breaker.admit(later).unwrap().is_probe());
}

#[test]
fn what_began_before_it_opened_changes_nothing_after() {
    let now = Instant::now();
    let mut breaker = breaker();
    let (slow, late) = (breaker.admit(now).unwrap(), breaker.admit(now).unwrap());
    for _ in 0..5 {
        ends(&mut breaker, Outcome::Failure, now);
    }
    breaker.record(slow, Outcome::Success, now + SECOND);
    assert_eq!(breaker.snapshot(now + SECOND).state, State::Open);
    let probe = breaker.admit(now + SECOND * 30).unwrap();
    breaker.record(late, Outcome::Failure, now + SECOND * 30);
    assert_eq!(breaker.snapshot(now + SECOND * 30).state, State::HalfOpen);
    breaker.record(probe, Outcome::Success, now + SECOND * 31);
    assert_eq!(breaker.snapshot(now + SECOND * 31).state, State::Closed);
}

#[test]
fn a_pause_that_the_server_asks_for_is_kept_up_to_a_limit_and_is_no_failure() {
    let now = Instant::now();
    let mut breaker = breaker();
    let asked = |s| Outcome::RateLimited {
        retry_after: Some(SECOND * s),
    };
    ends(&mut breaker, asked(20), now);
    let refusal = breaker.admit(now + SECOND * 19).unwrap_err();
    assert_eq!(
        (refusal.why, refusal.until),
        (RefusalReason::RateLimited, Some(now + SECOND * 20))
    );
    assert_eq!(breaker.snapshot(now).consecutive_failures, 0);
    ends(&mut breaker, asked(100_000), now + SECOND * 20);
    assert_eq!(
        breaker.snapshot(now + SECOND * 20).until,
        Some(now + SECOND * 920)
    );

    let mut silent = self::breaker();
    let mut at = now;
    let mut pauses = Vec::new();
    for _ in 0..4 {
        ends(&mut silent, Outcome::RateLimited { retry_after: None }, at);
        let until = silent.snapshot(at).until.unwrap();
        pauses.push((until - at).as_secs());
        at = until;
    }
    assert_eq!(pauses, [5, 10, 20, 40]);
}

#[test]
fn one_failure_after_a_pause_is_no_illness_yet() {
    let now = Instant::now();
    let mut breaker = breaker();
    ends(
        &mut breaker,
        Outcome::RateLimited {
            retry_after: Some(SECOND),
        },
        now,
    );
    let probe = breaker.admit(now + SECOND).unwrap();
    assert!(probe.is_probe(), "still one at a time");
    assert!(breaker.admit(now + SECOND).is_err());
    breaker.record(probe, Outcome::Failure, now + SECOND);
    assert_eq!(breaker.snapshot(now + SECOND).state, State::Closed);
    for _ in 0..4 {
        ends(&mut breaker, Outcome::Failure, now + SECOND);
    }
    assert_eq!(breaker.snapshot(now + SECOND).state, State::Open);
}

#[test]
fn a_pause_during_a_probe_does_not_undo_that_it_was_open() {
    let now = Instant::now();
    let mut breaker = breaker();
    // Opened by the ratio: hardly any in a row.
    for call in 0..10 {
        let outcome = if call % 2 == 0 {
            Outcome::Success
        } else {
            Outcome::Failure
        };
        ends(&mut breaker, outcome, now);
    }
    let at = now + SECOND * 30;
    ends(
        &mut breaker,
        Outcome::RateLimited {
            retry_after: Some(SECOND),
        },
        at,
    );
    ends(&mut breaker, Outcome::Failure, at + SECOND);
    let snapshot = breaker.snapshot(at + SECOND);
    assert_eq!((snapshot.state, snapshot.times_opened), (State::Open, 2));
}

#[test]
fn a_clock_that_goes_back_does_not_stretch_a_hold_by_more_than_its_length() {
    let base = Instant::now() + SECOND * 1_000_000;
    for hours in [0, 1, 5, 100] {
        let mut breaker = opened(base);
        let back = base - SECOND * 3600 * hours;
        // The states that a face shows and those that calls meet agree.
        let waited = (0..=60).find(|s| {
            let at = back + SECOND * *s;
            let is_half_open = breaker.snapshot(at).state == State::HalfOpen;
            let admitted = breaker.admit(at);
            assert_eq!(is_half_open, admitted.is_ok());
            admitted.is_ok()
        });
        assert!(waited.is_some(), "{hours} hours back");
        assert!(hours > 0 || waited == Some(30), "{waited:?}");
    }
    // Two threads' clocks that differ by a moment open nothing early.
    let mut breaker = opened(base);
    assert!(breaker.admit(base - Duration::from_millis(1)).is_err());
}

#[test]
fn failures_that_a_clock_put_in_the_future_do_not_count_for_ever() {
    let base = Instant::now() + SECOND * 1_000_000;
    let mut breaker = breaker();
    for _ in 0..3 {
        ends(&mut breaker, Outcome::Failure, base);
        ends(&mut breaker, Outcome::Success, base);
    }
    let back = base - SECOND * 18_000;
    assert_eq!(breaker.snapshot(back).calls_in_window, 0);
    for _ in 0..4 {
        ends(&mut breaker, Outcome::Failure, back);
    }
    let snapshot = breaker.snapshot(back);
    assert_eq!(
        (snapshot.state, snapshot.calls_in_window),
        (State::Closed, 4)
    );
}

#[test]
fn what_a_face_shows_of_the_window_grows_old_without_calls() {
    let now = Instant::now();
    let mut breaker = breaker();
    for _ in 0..4 {
        ends(&mut breaker, Outcome::Failure, now);
    }
    let counts = |at| {
        let snapshot = breaker.snapshot(at);
        (snapshot.calls_in_window, snapshot.failures_in_window)
    };
    assert_eq!(counts(now + SECOND * 60), (4, 4));
    assert_eq!(counts(now + SECOND * 61), (0, 0));
}

#[test]
fn settings_that_nobody_validated_overflow_no_clock() {
    for wild in [f64::MAX, 1e19, f64::INFINITY, f64::NAN, -1.0] {
        let now = Instant::now();
        let mut breaker = Breaker::new(BreakerConfig {
            window_s: wild,
            open_for_s: wild,
            max_open_for_s: wild,
            rate_limit_pause_s: wild,
            max_rate_limit_pause_s: wild,
            ..BreakerConfig::default()
        });
        for _ in 0..5 {
            ends(&mut breaker, Outcome::Failure, now);
        }
        let later = now + SECOND * 86_400;
        let retry_after = Some(Duration::MAX);
        ends(&mut breaker, Outcome::RateLimited { retry_after }, later);
        ends(
            &mut breaker,
            Outcome::RateLimited { retry_after: None },
            later + SECOND * 86_400,
        );
    }
}

#[test]
fn keys_money_and_bad_requests_are_nobodys_illness() {
    let failure = |kind| Failure::Error(Error::new(kind, "x"));
    for kind in [
        ErrorKind::Auth(AuthKind::Invalid),
        ErrorKind::Auth(AuthKind::QuotaExhausted),
        ErrorKind::InvalidRequest(None),
        ErrorKind::Cancelled,
        ErrorKind::ModelNotFound,
    ] {
        assert_eq!(
            Outcome::of(&failure(kind.clone())),
            Outcome::Neutral,
            "{kind:?}"
        );
    }
    assert_eq!(
        Outcome::of(&failure(ErrorKind::Overloaded(None))),
        Outcome::Failure
    );
    assert_eq!(Outcome::of(&Failure::host("x")), Outcome::Neutral);
    let limited = ErrorKind::RateLimited(RateLimit {
        retry_after_ms: Some(1500),
        scope: LimitScope::Tokens,
    });
    let retry_after = Some(Duration::from_millis(1500));
    assert_eq!(
        Outcome::of(&failure(limited)),
        Outcome::RateLimited { retry_after }
    );
}

#[derive(Debug, Clone)]
enum Act {
    Admit,
    End(usize, u8, u32),
    Pass(i32),
    Reset,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => Just(Act::Admit),
        4 => (any::<usize>(), 0..4_u8, 0..2000_u32).prop_map(|(i, o, s)| Act::End(i, o, s)),
        2 => prop_oneof![4 => -400..2000_i32, 1 => -40_000..40_000_i32].prop_map(Act::Pass),
        1 => Just(Act::Reset),
    ];
    proptest::collection::vec(act, 0..200)
}

proptest! {
    /// Whatever happens in whatever order, on a clock that also jumps back.
    #[test]
    fn there_are_never_two_probes_and_it_never_wedges(acts in acts()) {
        let base = Instant::now() + SECOND * 1_000_000;
        let (mut now, mut breaker) = (base, breaker());
        let mut held: Vec<Permit> = Vec::new();
        for act in acts {
            match act {
                Act::Admit => if let Ok(permit) = breaker.admit(now) {
                    held.push(permit);
                },
                Act::End(which, outcome, wait) if !held.is_empty() => {
                    let permit = held.swap_remove(which % held.len());
                    let outcome = match outcome {
                        0 => Outcome::Success,
                        1 => Outcome::Failure,
                        2 => Outcome::Neutral,
                        _ => Outcome::RateLimited { retry_after: (wait > 0).then(|| SECOND * wait) },
                    };
                    breaker.record(permit, outcome, now);
                }
                Act::End(..) => {}
                Act::Pass(s) if s < 0 => now -= SECOND * s.unsigned_abs(),
                Act::Pass(s) => now += SECOND * s.unsigned_abs(),
                Act::Reset => breaker.reset(now),
            }
            let live = held.iter().filter(|p| p.is_probe() && p.generation == breaker.generation);
            prop_assert!(live.count() <= 1);
        }
        // All calls end, nothing is said, and enough time passes: it must be tried again.
        for permit in held.drain(..) {
            breaker.record(permit, Outcome::Neutral, now);
        }
        // No hold is longer than 900 s, and none is stretched to more than twice that.
        let admits = (0..=1800).any(|s| breaker.admit(now + SECOND * s).is_ok());
        prop_assert!(admits);
    }

    #[test]
    fn successes_alone_never_close_anybody_out(
        gaps in proptest::collection::vec(-9000..9000_i32, 0..100),
    ) {
        let (mut now, mut breaker) = (Instant::now() + SECOND * 1_000_000, breaker());
        for gap in gaps {
            let by = SECOND * gap.unsigned_abs();
            now = if gap < 0 { now - by } else { now + by };
            ends(&mut breaker, Outcome::Success, now);
        }
        prop_assert_eq!(breaker.snapshot(now).state, State::Closed);
    }
}
