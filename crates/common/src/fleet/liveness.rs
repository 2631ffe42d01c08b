//! Whether the process behind a run still lives, judged without a daemon.
//!
//! A run that belongs to a live process stores host, boot, pid space, pid and the process's start
//! time. On the same host and boot the process table is the truth, whatever the lease says: a live slow
//! process is never reaped and a reused pid is not taken for the owner. Elsewhere the lease decides.
//! Nothing here touches the database.

use std::fs;

use rustix::process::{Pid, test_kill_process};
use serde::Serialize;

use crate::clock::Timestamp;
use crate::stat;

/// This machine as it runs now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Here {
    /// The host's name.
    pub host: String,
    /// The id of this boot; empty where the system has none.
    pub boot_id: String,
    /// The machine and the pid namespace, as far as the system has them. A pid means something only inside it.
    pub pid_space: String,
}

impl Here {
    /// Reads what identifies this machine.
    pub fn now() -> Self {
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let pid_space = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        // Machines that were set up from one image can have one name. A part of the id tells them apart, and
        // the whole of it is nobody else's business, as machine-id(5) says.
        let machine = fs::read_to_string("/etc/machine-id").unwrap_or_default();
        let machine = machine.trim().get(..12).unwrap_or_default();
        Self {
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            boot_id: boot_id.trim().to_owned(),
            pid_space: format!("{machine} {}", pid_space.display()),
        }
    }
}

/// The machine of a pid space.
fn machine(pid_space: &str) -> &str {
    pid_space.split_once(' ').map_or("", |(machine, _)| machine)
}

/// The process that a run belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Holder {
    /// The host on which it runs.
    pub host: String,
    /// The boot in which it runs.
    pub boot_id: String,
    /// The pid namespace in which it runs.
    #[serde(skip)]
    pub pid_space: String,
    /// Its process id.
    pub pid: i64,
    /// Its start, in clock ticks since boot.
    #[serde(skip)]
    pub pid_started: i64,
}

impl Holder {
    /// This process; `None` where the system does not tell a process's start time.
    pub fn this_process(here: &Here) -> Option<Self> {
        Self::of(here, std::process::id())
    }

    /// The process `pid` of this machine; `None` when there is none.
    pub fn of(here: &Here, pid: u32) -> Option<Self> {
        Some(Self {
            host: here.host.clone(),
            boot_id: here.boot_id.clone(),
            pid_space: here.pid_space.clone(),
            pid: pid.into(),
            pid_started: started(pid.into())?,
        })
    }

    /// What can be said of the process from here.
    pub fn fate(&self, here: &Here) -> Fate {
        let is_here =
            self.host == here.host && machine(&self.pid_space) == machine(&here.pid_space);
        if !is_here || here.boot_id.is_empty() {
            return Fate::Unknown;
        }
        if self.boot_id != here.boot_id {
            return Fate::Rebooted;
        }
        if self.pid_space != here.pid_space {
            return Fate::Unknown;
        }
        match started(self.pid) {
            Some(started) if started == self.pid_started => Fate::Alive,
            // Without a readable /proc entry, as under hidepid, the kernel is asked for the bare pid.
            None if is_there(self.pid) => Fate::Unknown,
            Some(_) | None => Fate::Gone,
        }
    }
}

/// What became of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It runs.
    Alive,
    /// It is gone, and the machine is still in the same boot.
    Gone,
    /// The boot in which it ran has ended.
    Rebooted,
    /// It cannot be judged from here: another host, another pid namespace.
    Unknown,
}

/// Why a running row is not running any more; `None` while it is.
///
/// `holder` is the process that the row belongs to, if any, and `lease_until` decides without one.
pub fn interruption(
    holder: Option<&Holder>,
    lease_until: Timestamp,
    here: &Here,
    now: Timestamp,
) -> Option<Interruption> {
    match holder.map_or(Fate::Unknown, |holder| holder.fate(here)) {
        Fate::Alive => None,
        Fate::Gone => Some(Interruption::ProcessGone),
        Fate::Rebooted => Some(Interruption::Reboot),
        Fate::Unknown => (lease_until <= now).then_some(Interruption::LeaseExpired),
    }
}

/// Why a run was found interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interruption {
    /// Its process is gone without a word.
    ProcessGone,
    /// The machine was rebooted.
    Reboot,
    /// Nobody renewed its lease.
    LeaseExpired,
}

impl Interruption {
    /// The reason as the journal stores it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ProcessGone => "process gone",
            Self::Reboot => "reboot",
            Self::LeaseExpired => "lease expired",
        }
    }
}

/// The start time of a process in clock ticks since boot; `None` for none and for a zombie.
fn started(pid: i64) -> Option<i64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat::fields(&stat)?;
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

fn is_there(pid: i64) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let is_zombie_or_hidden = |pid: Pid| {
        // A zombie answers to signals; /proc shows it, and a hidden process has no entry at all.
        let shown = fs::metadata(format!("/proc/{}", pid.as_raw_nonzero())).is_ok();
        !shown && !matches!(test_kill_process(pid), Err(rustix::io::Errno::SRCH))
    };
    pid.is_some_and(is_zombie_or_hidden)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000);
    const LATER: Timestamp = Timestamp(2_000);
    const EARLIER: Timestamp = Timestamp(500);

    #[test]
    fn a_live_process_is_never_interrupted_even_past_its_lease() {
        let here = Here::now();
        let holder = Holder::this_process(&here).unwrap();
        assert_eq!(interruption(Some(&holder), EARLIER, &here, NOW), None);
    }

    #[test]
    fn a_dead_a_reused_and_a_rebooted_pid_are_told_apart() {
        let _turn = crate::turn::beside_others();
        let here = Here::now();
        let holder = Holder::this_process(&here).unwrap();
        let reused = Holder { pid_started: holder.pid_started - 1, ..holder.clone() };
        assert_eq!(interruption(Some(&reused), LATER, &here, NOW), Some(Interruption::ProcessGone));
        let rebooted = Holder { boot_id: "another boot".into(), ..holder.clone() };
        assert_eq!(interruption(Some(&rebooted), LATER, &here, NOW), Some(Interruption::Reboot));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let dead = Holder { pid: child.id().into(), ..holder };
        child.wait().unwrap();
        assert_eq!(interruption(Some(&dead), LATER, &here, NOW), Some(Interruption::ProcessGone));
    }

    #[test]
    fn a_zombie_does_not_live() {
        let _turn = crate::turn::beside_others();
        let here = Here::now();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while started(child.id().into()).is_some() && std::time::Instant::now() < until {
            std::thread::yield_now();
        }
        let holder = Holder { pid: child.id().into(), ..Holder::this_process(&here).unwrap() };
        assert_eq!(holder.fate(&here), Fate::Gone);
        child.wait().unwrap();
    }

    #[test]
    fn a_process_of_another_host_or_namespace_is_judged_by_its_lease() {
        let here = Here::now();
        let holder = Holder::this_process(&here).unwrap();
        for elsewhere in [
            Holder { host: "elsewhere".into(), ..holder.clone() },
            Holder {
                pid_space: "another-machine pid:[1]".into(),
                boot_id: "another boot".into(),
                ..holder.clone()
            },
            Holder { pid_space: "pid:[1]".into(), ..holder },
        ] {
            assert_eq!(interruption(Some(&elsewhere), LATER, &here, NOW), None);
            assert_eq!(
                interruption(Some(&elsewhere), EARLIER, &here, NOW),
                Some(Interruption::LeaseExpired)
            );
        }
        assert_eq!(interruption(None, NOW, &here, NOW), Some(Interruption::LeaseExpired));
    }
}
