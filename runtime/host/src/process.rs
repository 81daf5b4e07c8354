//! What a child process and its descendants use.

/// Processor time and memory of a process tree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Used {
    /// Seconds of processor time so far.
    pub(crate) cpu_s: f64,
    /// Bytes that are resident, shared ones counted for each.
    pub(crate) memory: u64,
}

/// What this process and its descendants use; none = it is gone, or the platform does not tell.
#[cfg(target_os = "linux")]
pub(crate) fn used_by_tree(root: u32) -> Option<Used> {
    let mut total = used_by(root)?;
    let mut open = children(root);
    // A tree of ours has a handful; a fork bomb must not keep the status waiting.
    for _ in 0..64 {
        let Some(next) = open.pop() else { break };
        if let Some(used) = used_by(next) {
            total.cpu_s += used.cpu_s;
            total.memory = total.memory.saturating_add(used.memory);
            open.extend(children(next));
        }
    }
    Some(total)
}

/// See the other.
#[cfg(not(target_os = "linux"))]
pub(crate) fn used_by_tree(_root: u32) -> Option<Used> {
    None
}

#[cfg(target_os = "linux")]
fn used_by(process: u32) -> Option<Used> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name may hold spaces and brackets; what follows the last bracket are numbers (proc(5)):
    // state is field 3, utime and stime are 14 and 15, rss is 24.
    let (_, after_name) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    let ticks = number(14)?.saturating_add(number(15)?);
    Some(Used {
        cpu_s: std::time::Duration::from_millis(ticks.saturating_mul(1000 / TICKS_A_SECOND))
            .as_secs_f64(),
        memory: number(24)?.saturating_mul(rustix::param::page_size() as u64),
    })
}

/// `USER_HZ`, which Linux keeps at 100 on every architecture that Rust's std runs on.
#[cfg(target_os = "linux")]
const TICKS_A_SECOND: u64 = 100;

/// The children of all its threads.
#[cfg(target_os = "linux")]
fn children(process: u32) -> Vec<u32> {
    let threads = std::fs::read_dir(format!("/proc/{process}/task"));
    let threads = threads.into_iter().flatten().flatten();
    let lists =
        threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    let ids = |list: String| -> Vec<u32> {
        let ids = list.split_whitespace();
        ids.filter_map(|id| id.parse().ok()).collect()
    };
    lists.flat_map(ids).collect()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_tree_counts_its_descendants_and_a_dead_one_nothing() {
        let own = used_by(std::process::id()).unwrap();
        assert!(own.memory > 100_000);
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let with_child = used_by_tree(std::process::id()).unwrap();
        let child_alone = used_by_tree(child.id()).unwrap();
        assert!(with_child.memory > child_alone.memory);
        assert!(children(std::process::id()).contains(&child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(used_by_tree(child.id()), None);
    }
}
