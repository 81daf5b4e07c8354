//! Each misdeed ends in its fault class, and what was received before stays.

use vale_tests::{Held, Sandboxed, closed_gate, context, request, run, soon};
use vale_types::{Event, Failure, FaultClass, FinishReason, Limits};

/// Small enough to be reached quickly, large enough for an honest guest.
fn limits() -> Limits {
    Limits {
        memory_mib: 16,
        cpu_ms: 500,
        wall_s: 60,
        log_lines: 100,
        log_bytes: 1 << 20,
        events: 1_000,
        event_bytes: 1 << 20,
        ..Limits::default()
    }
}

/// Runs each misdeed of a guest: the model that names it, the class, words of the detail.
async fn each(guest: &str, kept: &str, limits: Limits, table: &[(&str, FaultClass, &str)]) {
    let plugin = Sandboxed::default().load(guest).await;
    for (misdeed, class, words) in table {
        let outcome = run(
            &plugin,
            context(closed_gate(), limits),
            &request(misdeed, &[]),
        )
        .await;
        let (found, detail) = outcome.fault();
        assert_eq!(found, *class, "{guest} {misdeed}: {detail}");
        assert!(detail.contains(words), "{guest} {misdeed}: {detail}");
        assert!(
            outcome.text().starts_with(kept),
            "{guest} {misdeed}: lost its text"
        );
        // A backtrace or an address of the host means nothing to a person.
        assert!(!detail.contains('\n'), "{guest} {misdeed}: {detail}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_honest_guest_passes_under_the_same_limits() {
    let plugin = Sandboxed::default().load("honest").await;
    let outcome = run(
        &plugin,
        context(closed_gate(), limits()),
        &request("", &["to be ", "or not"]),
    )
    .await;
    assert_eq!(outcome.text(), "to be or not");
    let finish = outcome.end.unwrap();
    assert_eq!(finish.reason, FinishReason::Stop);
    assert_eq!(finish.usage.unwrap().total(), 4);
    assert!(matches!(outcome.events.last(), Some(Event::Usage(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_spins_for_ever_is_ended_by_its_cpu_limit() {
    let words = "500 ms of CPU time (limit cpu_ms)";
    each(
        "spin",
        "",
        limits(),
        &[("at-once", FaultClass::CpuLimit, words)],
    )
    .await;
    let table = [("after-text", FaultClass::CpuLimit, words)];
    each("spin", "before the spin", limits(), &table).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_takes_memory_for_ever_is_ended_by_its_memory_limit() {
    let words = "16 MiB of memory (limit memory_mib)";
    let table = [
        ("heap", FaultClass::MemoryLimit, words),
        ("grow", FaultClass::MemoryLimit, words),
    ];
    each("alloc", "before the memory", limits(), &table).await;
    // The host's memory counts too.
    let words = "128 MiB of request bodies";
    let hoard = [("hoard", FaultClass::MemoryLimit, words)];
    let patient = Limits {
        cpu_ms: 30_000,
        ..limits()
    };
    each("alloc", "before the memory", patient, &hoard).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_events_or_log_is_ended_by_its_limit() {
    let bytes = "1048576 bytes of events (limit event_bytes)";
    let table = [
        (
            "events",
            FaultClass::EventFlood,
            "1000 events (limit events)",
        ),
        (
            "tool-calls",
            FaultClass::EventFlood,
            "1000 events (limit events)",
        ),
        ("bytes", FaultClass::EventFlood, bytes),
        // Bytes count wherever they are put.
        ("started", FaultClass::EventFlood, bytes),
        ("thinking-id", FaultClass::EventFlood, bytes),
        ("extras", FaultClass::EventFlood, bytes),
        ("usage-tier", FaultClass::EventFlood, bytes),
        ("log-lines", FaultClass::LogFlood, "100 lines"),
        ("log-bytes", FaultClass::LogFlood, "1048576 bytes"),
    ];
    each("flood", "before the flood", limits(), &table).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_trap_is_a_fault_of_the_guest_alone() {
    let table = [
        ("panic", FaultClass::Trap, "unreachable"),
        ("unreachable", FaultClass::Trap, "unreachable"),
        ("bad-access", FaultClass::Trap, "out of bounds"),
        ("stack", FaultClass::Trap, "stack"),
    ];
    each("trap", "before the trap", limits(), &table).await;
    each("trap", "", limits(), &[("at-once", FaultClass::Trap, "")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_rule_of_the_contract_is_a_fault_that_names_it() {
    let table = [
        (
            "emit-after-finish",
            FaultClass::Protocol,
            "an event after its terminal value",
        ),
        (
            "shrinks-usage",
            FaultClass::Protocol,
            "shrank from 15 to 14",
        ),
        (
            "shrinks-usage-at-the-end",
            FaultClass::Protocol,
            "shrank from 15 to 2",
        ),
        (
            "unknown-tool-index",
            FaultClass::Protocol,
            "tool call 7, which it never began",
        ),
        (
            "begins-a-tool-twice",
            FaultClass::Protocol,
            "tool call 0 twice",
        ),
        (
            "goes-on-after-a-tools-end",
            FaultClass::Protocol,
            "tool call 0 after its end",
        ),
        (
            "leaves-a-tool-open",
            FaultClass::Protocol,
            "without ending tool call 0",
        ),
    ];
    each("contract", "before the breach", limits(), &table).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_component_models_own_rules_hold_against_the_bare_intrinsics() {
    let twice = [("returns-twice", FaultClass::Trap, "called more than once")];
    each("raw", "", limits(), &twice).await;
    let table = [
        ("ends-twice", FaultClass::Trap, "previous write succeeded"),
        (
            "drops-the-end-unwritten",
            FaultClass::Trap,
            "without first writing",
        ),
    ];
    each("raw", "before the breach", limits(), &table).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_never_comes_to_an_end_is_given_one() {
    let plugin = Sandboxed::default().load("contract").await;
    let impatient = Limits {
        wall_s: 60,
        ..limits()
    };
    for (misdeed, class, words) in [
        (
            "stream-left-open",
            FaultClass::Protocol,
            "left its events open",
        ),
        (
            "never-says-how-it-ended",
            FaultClass::Protocol,
            "did not say how it ended",
        ),
        ("waits-for-nothing", FaultClass::Trap, "unreachable"),
    ] {
        let silent = Held::start().await;
        let request = request(misdeed, &[&silent.upstream.url("/")]);
        let outcome = run(
            &plugin,
            context(silent.upstream.gate(), impatient),
            &request,
        )
        .await;
        let (found, detail) = outcome.fault();
        assert_eq!(found, class, "{misdeed}: {detail}");
        assert!(detail.contains(words), "{misdeed}: {detail}");
        assert_eq!(outcome.text(), "before the breach", "{misdeed}");
    }

    // The answer is whole: whatever the guest does afterwards is nobody's loss.
    let mut silent = Held::start().await;
    let request = request("idles-after-the-end", &[&silent.upstream.url("/")]);
    let outcome = run(
        &plugin,
        context(silent.upstream.gate(), impatient),
        &request,
    )
    .await;
    assert_eq!(outcome.end.unwrap().reason, FinishReason::Stop);
    if silent.events.recv().await.is_some() {
        let gone = soon(
            "the end of the idle guest's connection",
            silent.events.recv(),
        )
        .await;
        assert_eq!(gone, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_exports_are_guarded_like_a_completion() {
    let sandboxed = Sandboxed::default();
    let spin = sandboxed.load("spin").await;
    let trap = sandboxed.load("trap").await;
    let class = |failure| match failure {
        Failure::Fault(fault) => fault.class,
        Failure::Error(error) => panic!("{error}"),
    };
    let fresh = || context(closed_gate(), limits());
    let described = soon("describe", spin.describe(fresh())).await;
    assert_eq!(class(described.unwrap_err()), FaultClass::CpuLimit);
    let listed = soon("list-models", spin.list_models(fresh())).await;
    assert_eq!(class(listed.unwrap_err()), FaultClass::CpuLimit);
    let described = soon("describe", trap.describe(fresh())).await;
    assert_eq!(class(described.unwrap_err()), FaultClass::Trap);
}
