//! What is left of a guarded run whose guard was killed: its command dies with the guard, and what the
//! command had started goes on.
//!
//! It is known by the id of the run in its environment, which no other process ever has, so that neither a
//! reused pid nor a reboot can be taken for it. Who left the job on purpose, in a session of its own, is a daemon
//! and no part of the run any more. Only Linux shows this; elsewhere nothing is left.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::{GUARD_VARIABLE, RUN_ID_VARIABLE};
use crate::stat;

/// How long one look at all processes answers for the runs that are judged together.
const FRESH: Duration = Duration::from_millis(50);
/// SIGKILL in the masks of signals that /proc shows.
const KILL: u64 = 1 << (libc::SIGKILL - 1);

thread_local! {
    static LAST: RefCell<Option<(Instant, HashSet<String>)>> = const { RefCell::new(None) };
}

/// Whether a process of the guarded run `run` lives on this machine.
pub(super) fn are_left_of(run: &str) -> bool {
    LAST.with_borrow_mut(|last| {
        if last.as_ref().is_none_or(|(at, _)| at.elapsed() > FRESH) {
            *last = Some((Instant::now(), guarded_runs()));
        }
        last.as_ref().is_some_and(|(_, runs)| runs.contains(run))
    })
}

/// The runs that a process of this user belongs to.
fn guarded_runs() -> HashSet<String> {
    let Ok(entries) = fs::read_dir("/proc") else { return HashSet::new() };
    entries
        .flatten()
        .filter(|entry| entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit))
        .filter_map(|entry| run_of(&entry.path()))
        .collect()
}

/// The guarded run of a process, if it has one and is neither a daemon nor about to die.
fn run_of(process: &Path) -> Option<String> {
    let environment = fs::read(process.join("environ")).ok()?;
    let value = |name: &str| {
        let mut words = environment.split(|byte| *byte == 0);
        words.find_map(|word| word.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
    };
    value(GUARD_VARIABLE)?;
    let run = std::str::from_utf8(value(RUN_ID_VARIABLE)?).ok()?.to_owned();
    let stat = fs::read_to_string(process.join("stat")).ok()?;
    let mut fields = stat::fields(&stat)?;
    let (state, group, session) = (fields.next()?, fields.nth(1)?, fields.next()?);
    let is_daemon = group == session;
    (!is_daemon && !matches!(state, "Z" | "X") && !is_killed(process)).then_some(run)
}

/// Whether the process has been sent KILL and has not got round to dying.
fn is_killed(process: &Path) -> bool {
    let status = fs::read_to_string(process.join("status")).unwrap_or_default();
    let pending = status
        .lines()
        .filter_map(|line| line.strip_prefix("SigPnd:").or_else(|| line.strip_prefix("ShdPnd:")))
        .filter_map(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    pending.fold(0, |all, mask| all | mask) & KILL != 0
}
