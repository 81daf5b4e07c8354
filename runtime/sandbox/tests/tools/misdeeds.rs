//! Each misdeed of a tool ends in its fault class, and leaves nothing behind.

use std::sync::Arc;

use vale_sandbox::{CallContext, NoLog, Plugin};
use vale_types::{FaultClass, Limits, ToolCall};

use crate::support::{Attachments, call, context, engine, fault, limits, load, soon, text};

/// Runs one misdeed and looks for its remains.
async fn ends(plugin: &Plugin, limits: Limits, asked: &ToolCall) -> (FaultClass, String) {
    let log = Arc::new(NoLog);
    let store = Arc::downgrade(&log);
    let context = CallContext {
        log,
        limits,
        ..context()
    };
    let outcome = soon(&asked.name, plugin.invoke(context, asked)).await;
    assert!(
        store.upgrade().is_none(),
        "{}: its store still lives",
        asked.name
    );
    let (class, detail) = fault(outcome);
    // A backtrace or an address of the host means nothing to a person.
    assert!(!detail.contains('\n'), "{}: {detail}", asked.name);
    (class, detail)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_misdeed_of_a_call_ends_in_its_class() {
    let engine = engine();
    let (bad, good) = (load(&engine, "bad_tool").await, load(&engine, "tool").await);
    let bytes = "1048576 bytes of results (limit event_bytes)";
    for (misdeed, class, words) in [
        ("spin", FaultClass::CpuLimit, "500 ms of CPU time"),
        ("panic", FaultClass::Trap, "unreachable"),
        ("waits", FaultClass::Trap, "unreachable"),
        ("memory", FaultClass::MemoryLimit, "16 MiB of memory"),
        ("log-lines", FaultClass::LogFlood, "1000 lines"),
        (
            "wrong-id",
            FaultClass::Protocol,
            "answered the call “another”",
        ),
        (
            "wrong-name",
            FaultClass::Protocol,
            "answered as the tool “another”",
        ),
        ("not-json", FaultClass::Protocol, "not JSON"),
        ("extras", FaultClass::EventFlood, bytes),
        ("huge-error", FaultClass::EventFlood, bytes),
        ("hammers-kv", FaultClass::Protocol, "10000 times"),
        ("answers-foreign", FaultClass::Protocol, "not this call's"),
    ] {
        let (found, detail) = ends(&bad, limits(), &call(misdeed, &[])).await;
        assert_eq!(found, class, "{misdeed}: {detail}");
        assert!(detail.contains(words), "{misdeed}: {detail}");
        let after = good.invoke(context(), &call("echo", &[])).await;
        assert!(after.is_ok(), "after {misdeed}: {after:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_of_100_mb_or_more_is_a_flood_whatever_memory_the_person_gave() {
    let bad = load(&engine(), "bad_tool").await;
    let generous = Limits {
        memory_mib: 1_024,
        cpu_ms: 60_000,
        ..Limits::default()
    };
    for (bytes, words) in [
        ("100000000", "67108864 bytes of results (limit event_bytes)"),
        // More than the host takes from a guest at once.
        ("200000000", "too much data"),
    ] {
        let asked = call("huge", &[("bytes", bytes)]);
        let (class, detail) = ends(&bad, generous, &asked).await;
        assert_eq!(class, FaultClass::EventFlood, "{detail}");
        assert!(detail.contains(words), "{detail}");
    }
    let (class, detail) = ends(&bad, generous, &call("many", &[])).await;
    assert_eq!(class, FaultClass::EventFlood, "{detail}");
    assert!(detail.contains("20000 parts"), "{detail}");
    // Just below, it passes.
    let generous = CallContext {
        limits: generous,
        ..context()
    };
    let result = bad
        .invoke(generous, &call("huge", &[("bytes", "67000000")]))
        .await;
    assert_eq!(text(&result.unwrap()).len(), 67_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_misdeed_of_a_listing_ends_in_its_class() {
    let engine = engine();
    let (bad, good) = (load(&engine, "bad_tool").await, load(&engine, "tool").await);
    for (misdeed, class, words) in [
        ("spin", FaultClass::CpuLimit, "500 ms of CPU time"),
        ("panic", FaultClass::Trap, "unreachable"),
        ("ten-thousand", FaultClass::EventFlood, "10000 tools"),
        ("no-name", FaultClass::Protocol, "named “”"),
        ("odd-name", FaultClass::Protocol, "rm -rf\\u{202e}"),
        ("twice", FaultClass::Protocol, "“a” twice"),
        (
            "bad-schema",
            FaultClass::Protocol,
            "input schema is not a JSON object",
        ),
        (
            "tower",
            FaultClass::Protocol,
            "output schema is not a JSON object",
        ),
        ("huge-error", FaultClass::EventFlood, ""),
    ] {
        let log = Arc::new(NoLog);
        let store = Arc::downgrade(&log);
        let context = CallContext {
            settings_json: format!("{{\"misdeed\":\"{misdeed}\"}}"),
            limits: Limits {
                // Messages are cut to 16 KiB, which is below the usual cap.
                event_bytes: if misdeed == "huge-error" {
                    10_000
                } else {
                    1 << 20
                },
                ..limits()
            },
            log,
            ..context()
        };
        let (found, detail) = fault(soon(misdeed, bad.list_tools(context)).await);
        assert_eq!(found, class, "{misdeed}: {detail}");
        assert!(detail.contains(words), "{misdeed}: {detail}");
        assert!(
            store.upgrade().is_none(),
            "{misdeed}: its store still lives"
        );
        let after = good.list_tools(crate::support::context()).await;
        assert!(after.is_ok(), "after {misdeed}: {after:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attachment_of_another_call_cannot_be_read_or_handed_on() {
    let bad = load(&engine(), "bad_tool").await;
    let attachments = Attachments::new(&[("mine", b"x")], &[("theirs", b"secret")]);
    let with = || CallContext {
        blobs: Arc::clone(&attachments) as _,
        ..context()
    };
    let read = bad
        .invoke(with(), &call("reads-foreign", &[("id", "theirs")]))
        .await;
    assert_eq!(text(&read.unwrap()), "Error::Unknown");
    let read = bad
        .invoke(with(), &call("reads-foreign", &[("id", "mine")]))
        .await;
    assert_eq!(text(&read.unwrap()), "read 1");
    let asked = call("answers-foreign", &[("id", "theirs")]);
    let (class, detail) = fault(bad.invoke(with(), &asked).await);
    assert_eq!(class, FaultClass::Protocol, "{detail}");
    assert!(detail.contains("“theirs”"), "{detail}");
}
