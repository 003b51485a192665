//! Ends the processes of a control plane when its test is gone, however that came: return, panic, Ctrl-C or SIGKILL.
//!
//! The test writes a line for each process that it starts and holds the other end of our standard input, which closes with it.
//! The argument is the store's folder, removed at the end: 120 MB that nobody reads afterwards.

use std::io::BufRead;

use rustix::process::{Pid, Signal, kill_process};
use stateward_cluster_tests::processes::started_at;

fn main() {
    let mut started = Vec::new();
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        if let Ok(pid) = line.trim().parse::<i32>() {
            started.push((pid, started_at(pid)));
        }
    }
    // Numbers are given out again: only one that began at the same time is still the one we were told of.
    for (pid, _) in started.into_iter().rev().filter(|(pid, at)| at.is_some() && *at == started_at(*pid)) {
        if let Some(pid) = Pid::from_raw(pid) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
    if let Some(folder) = std::env::args_os().nth(1) {
        let _ = std::fs::remove_dir_all(folder);
    }
}
