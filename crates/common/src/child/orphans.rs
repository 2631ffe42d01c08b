//! Killing what a child that had to end left behind: background jobs, daemons, whatever ignored TERM.

#[cfg(target_os = "linux")]
use std::time::{Duration, Instant};

#[cfg(target_os = "linux")]
use rustix::process::{Pid, Signal, WaitOptions, kill_process, wait};

#[cfg(target_os = "linux")]
use crate::stat;

/// Kills every child that this process still has, at most for two seconds.
///
/// On Linux orphans of the child are children of this process, a subreaper. Elsewhere the process
/// group was all that could be reached, and it is dead already.
#[cfg(target_os = "linux")]
pub(super) fn sweep() {
    let until = Instant::now() + Duration::from_secs(2);
    while Instant::now() < until {
        match wait(WaitOptions::NOHANG) {
            Err(_) => return, // No children are left.
            Ok(Some(_)) => continue,
            Ok(None) => {}
        }
        for orphan in children_of_this_process() {
            let _ = kill_process(orphan, Signal::KILL);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn sweep() {}

/// Processes whose parent this process is, by /proc; empty without it.
#[cfg(target_os = "linux")]
fn children_of_this_process() -> Vec<Pid> {
    let parent = rustix::process::getpid().as_raw_nonzero().get();
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| {
            std::fs::read_to_string(format!("/proc/{pid}/stat"))
                .ok()
                .and_then(|stat| stat::fields(&stat)?.nth(1)?.parse::<i32>().ok())
                == Some(parent)
        })
        .filter_map(Pid::from_raw)
        .collect()
}
