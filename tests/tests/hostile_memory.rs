//! Memory that a guest took comes back. Alone in its program: others would move the figure.

use vale_sandbox::Plugin;
use vale_tests::{Sandboxed, closed_gate, context, request, run, skip};
use vale_types::{FaultClass, Limits};

/// Calls before the first figure: threads, caches and the allocator's own pools are then in place.
const WARM_UP: usize = 10;
const CALLS: usize = 50;
/// A call takes 64 MiB, touched; a single one that is not given back is beyond this.
const TOLERANCE_KIB: u64 = 16 << 10;

async fn take_all(plugin: &Plugin, calls: usize) {
    for _ in 0..calls {
        let context = context(closed_gate(), Limits::default());
        let outcome = run(plugin, context, &request("heap", &[])).await;
        assert_eq!(outcome.fault().0, FaultClass::MemoryLimit);
    }
}

/// Resident memory of this process in KiB; none where there is no procfs.
fn resident_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_returns_after_fifty_guests_that_took_all_they_could() {
    let plugin = Sandboxed::default().load("alloc").await;
    take_all(&plugin, WARM_UP).await;
    let Some(before) = resident_kib() else {
        skip("memory that returns after hostile guests: no /proc/self/status here");
        return;
    };
    take_all(&plugin, CALLS).await;
    let after = resident_kib().unwrap();
    println!("resident before {before} KiB, after {CALLS} calls of 64 MiB {after} KiB");
    assert!(
        after <= before + TOLERANCE_KIB,
        "{before} KiB before, {after} KiB after {CALLS} calls"
    );
}
