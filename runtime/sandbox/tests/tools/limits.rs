//! Time: a tool may wait, and not for ever; calls beside each other do not disturb each other.

use vale_sandbox::CallContext;
use vale_types::{FaultClass, Limits};

use crate::support::{call, context, engine, fault, limits, load, soon, text};

#[tokio::test(flavor = "multi_thread")]
async fn a_spinning_tool_disturbs_nobody_and_is_gone_when_dropped() {
    let engine = engine();
    let (bad, good) = (load(&engine, "bad_tool").await, load(&engine, "tool").await);
    let endless = Limits {
        cpu_ms: u64::MAX,
        ..limits()
    };
    let mut spinning = Vec::new();
    for _ in 0..2 {
        let log = std::sync::Arc::new(crate::support::Lines::default());
        let store = std::sync::Arc::downgrade(&log);
        let context = CallContext {
            limits: endless,
            log,
            ..context()
        };
        let bad = bad.clone();
        let asked = call("spin", &[]);
        let task = tokio::spawn(async move { bad.invoke(context, &asked).await.map(drop) });
        spinning.push((task, store));
    }
    let asked = call("fail", &[]);
    let beside = good.invoke(context(), &asked);
    let beside = soon("a call beside two that spin", beside).await.unwrap();
    assert_eq!(text(&beside), "no such city");
    for (task, store) in spinning {
        task.abort();
        let gone = async {
            while store.upgrade().is_some() {
                tokio::task::yield_now().await;
            }
        };
        soon("the end of a spinning tool", gone).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_calls_at_once_all_end_and_leave_no_store() {
    let plugin = load(&engine(), "tool").await;
    let log = std::sync::Arc::new(vale_sandbox::NoLog);
    let calls = (0..1_000).map(|n| {
        let (plugin, n) = (plugin.clone(), n.to_string());
        let context = CallContext {
            log: log.clone(),
            ..context()
        };
        async move {
            let result = plugin.invoke(context, &call("echo", &[("n", &n)])).await;
            (result, n)
        }
    });
    for (result, n) in soon("a thousand calls", futures::future::join_all(calls)).await {
        let said = format!("{:?}", result.unwrap().content);
        assert!(said.contains(&format!("\\\"{n}\\\"")), "{n}: {said}");
    }
    assert_eq!(std::sync::Arc::strong_count(&log), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wall_limit_ends_a_tool_that_computes_within_its_cpu_limit() {
    let bad = load(&engine(), "bad_tool").await;
    let context = CallContext {
        limits: Limits {
            cpu_ms: u64::MAX,
            wall_s: 1,
            ..limits()
        },
        ..context()
    };
    let (class, detail) =
        fault(soon("the wall limit", bad.invoke(context, &call("spin", &[]))).await);
    assert_eq!(class, FaultClass::WallLimit, "{detail}");
}
