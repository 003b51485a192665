//! CPU time and memory, of this thread and of other processes.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::time::{ClockId, clock_gettime};

/// CPU time that the calling thread has used.
pub fn of_this_thread() -> Duration {
    read(ClockId::ThreadCPUTime)
}

/// CPU time that all threads of this process have used, those that ended too.
pub fn of_this_process() -> Duration {
    read(ClockId::ProcessCPUTime)
}

/// CPU time of all living threads of a process, from `/proc/PID/task/*/schedstat`: nanoseconds, where `stat` counts ticks of 10 ms.
/// Exact only while the process is at rest, so measurements begin and end there.
pub fn of_process(pid: u32) -> Result<Duration> {
    let tasks = format!("/proc/{pid}/task");
    let mut nanoseconds = 0;
    for task in fs::read_dir(&tasks).with_context(|| format!("cannot read {tasks}"))? {
        nanoseconds += on_cpu(&task?.path())?;
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// CPU time of all children that have ended, and of all that they waited for, in ticks of 10 ms.
pub fn of_ended_children() -> Duration {
    // The difference of two calls is one child: this program starts one after the other.
    let usage = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = usage.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    // After the name: state is field 3, cutime 16 and cstime 17.
    let ticks: u64 = [13, 14].iter().filter_map(|&place| fields.get(place)?.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * MILLISECONDS_PER_TICK)
}

/// Resident memory in bytes: all of it, and the part that no other process could share.
pub fn resident(pid: u32) -> Result<Resident> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let field = |name: &str| -> Result<u64> {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .with_context(|| format!("{path} has no `{name}`"))?;
        let kilobytes: u64 =
            line.trim().trim_end_matches(" kB").parse().with_context(|| format!("`{line}` is no amount"))?;
        Ok(kilobytes * 1024)
    };
    Ok(Resident { all: field("VmRSS:")?, private: field("RssAnon:")? })
}

/// Resident memory in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Resident {
    /// With pages of files, which other processes may share.
    pub all: u64,
    /// Without them.
    pub private: u64,
}

fn read(clock: ClockId) -> Duration {
    let now = clock_gettime(clock);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}

fn on_cpu(task: &Path) -> Result<u64> {
    let path = task.join("schedstat");
    // A thread may end between the listing and the reading: it takes its time with it.
    let Ok(text) = fs::read_to_string(&path) else { return Ok(0) };
    let first = text.split_whitespace().next().unwrap_or_default();
    first.parse().with_context(|| format!("{} says `{first}`", path.display()))
}

/// `sysconf(_SC_CLK_TCK)` is 100 on every Linux of today.
const MILLISECONDS_PER_TICK: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_this_process() {
        let mut sum = 0_u64;
        let before = (of_this_thread(), of_process(std::process::id()).unwrap());
        while of_this_thread() < before.0 + Duration::from_millis(5) {
            sum = std::hint::black_box(sum.wrapping_mul(31).wrapping_add(7));
        }
        let resident = resident(std::process::id()).unwrap();
        assert!(resident.all >= resident.private && resident.private > 0);
        assert!(of_process(std::process::id()).unwrap() >= before.1);
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error() {
        assert!(of_process(u32::MAX).unwrap_err().to_string().contains("/proc/4294967295/task"));
    }
}
