//! What a helper costs. The bounds are wide, for loaded machines; the figures are printed.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::{self, Form, only_child};
use vale_confine::Confined;

/// One after the other, so that neither is measured while the other runs.
#[test]
fn a_start_takes_little_longer_and_little_memory() {
    for form in [Form::Namespace, Form::Reduced] {
        if form.is_here() {
            measure(form);
        }
    }
}

fn measure(form: Form) {
    let plain = median(|| Confined::new(None, Path::new("/bin/true")).command());
    let confined = median(|| form.command("/bin/true"));
    let added = confined.saturating_sub(plain);
    let mut child = form
        .command("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    common::until("the program runs", || {
        std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id()))
            .is_ok_and(|init| init.trim().parse().is_ok_and(has_cat))
    });
    let init = only_child(child.id());
    let (warden_kib, init_kib) = (pss_kib(child.id()), pss_kib(init));
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    println!(
        "{form:?}: plain {plain:?}, confined {confined:?}, added {added:?} (medians of 20); \
         PSS helper {warden_kib} KiB + init {init_kib} KiB"
    );
    assert!(added < Duration::from_millis(100), "{added:?}");
    assert!(
        warden_kib + init_kib < 6 * 1024,
        "{warden_kib} + {init_kib}"
    );
}

fn has_cat(init: u32) -> bool {
    let list = std::fs::read_to_string(format!("/proc/{init}/task/{init}/children"));
    let name = |id: &str| std::fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
    list.is_ok_and(|list| list.split_whitespace().any(|id| name(id) == "cat\n"))
}

fn median(command: impl Fn() -> Command) -> Duration {
    let mut times: Vec<_> = (0..20)
        .map(|_| {
            let start = Instant::now();
            assert!(command().status().unwrap().success());
            start.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}

fn pss_kib(process: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap()
}
