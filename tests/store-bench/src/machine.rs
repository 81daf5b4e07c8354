//! What the machine says of this process, its disk and its load. Linux only: elsewhere these are none.

use std::path::Path;

use crate::Result;

/// CPU seconds of this process so far, all threads.
#[cfg(target_os = "linux")]
pub(crate) fn cpu() -> Option<f64> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    #[expect(clippy::cast_precision_loss, reason = "seconds for people")]
    let seconds = time.tv_sec as f64 + time.tv_nsec as f64 / 1e9;
    Some(seconds)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn cpu() -> Option<f64> {
    None
}

/// A line of `/proc/self/status` in MB: `RssAnon` is what the process itself holds, `VmHWM` the most it
/// ever had with the pages of files.
pub(crate) fn memory(line: &str) -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|found| found.starts_with(line))?;
    let kilobytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024.0 / 1e6)
}

/// Bytes of a folder's files.
pub(crate) fn bytes(folder: &Path) -> Result<u64> {
    let mut sum = 0;
    each_file(folder, &mut |path| {
        sum += path.metadata()?.len();
        Ok(())
    })?;
    Ok(sum)
}

/// Takes a folder's files out of the page cache.
#[cfg(target_os = "linux")]
pub(crate) fn evict(folder: &Path) -> Result<bool> {
    each_file(folder, &mut |path| {
        let file = std::fs::File::open(path)?;
        file.sync_all()?;
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
        Ok(())
    })?;
    Ok(true)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn evict(_: &Path) -> Result<bool> {
    Ok(false)
}

fn each_file(folder: &Path, visit: &mut dyn FnMut(&Path) -> Result<()>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            each_file(&path, visit)?;
        } else {
            visit(&path)?;
        }
    }
    Ok(())
}

/// Programs that wanted a core in the last minute, on average.
pub(crate) fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split_whitespace().next().unwrap_or("?").to_owned()
}

/// The day, the processor and the system.
pub(crate) fn describe() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find(|line| line.starts_with("model name"));
    let model = model.and_then(|line| line.split(": ").nth(1));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let date = std::process::Command::new("date").arg("+%Y-%m-%d").output();
    let date = date.map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned());
    format!(
        "{}; {}, {cores} cores; {}",
        date.unwrap_or_default(),
        model.unwrap_or("unknown processor"),
        std::env::consts::OS
    )
}
