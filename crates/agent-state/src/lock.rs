//! Which claims on which resources stand in each other's way, and how long a grant holds. Pure rules.

use std::path::Path;

use common::clock::Timestamp;
use common::fleet::liveness::{Fate, Here, Holder};

/// What somebody wants, waits for, or holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    /// The resource; an absolute path when `is_path`.
    pub(crate) resource: String,
    /// Other shared claims are welcome.
    pub(crate) shared: bool,
    /// The resource is a path, and what is above and below it is claimed, too.
    pub(crate) is_path: bool,
}

impl Claim {
    /// Whether both cannot be granted at once.
    pub(crate) fn conflicts_with(&self, other: &Self) -> bool {
        !(self.shared && other.shared) && self.touches(other)
    }

    /// Whether both are about the same thing, or one about what contains the other.
    fn touches(&self, other: &Self) -> bool {
        if self.resource == other.resource {
            return true;
        }
        let (mine, theirs) = (Path::new(&self.resource), Path::new(&other.resource));
        self.is_path && other.is_path && (mine.starts_with(theirs) || theirs.starts_with(mine))
    }
}

/// Exclusive claims in sorted order, each once, so that no two requests wait for each other.
pub(crate) fn exclusive(resources: impl Iterator<Item = String>) -> Vec<Claim> {
    let sorted: std::collections::BTreeSet<String> = resources.collect();
    let claim = |resource| Claim { resource, shared: false, is_path: false };
    sorted.into_iter().map(claim).collect()
}

/// Why a grant holds no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lapse {
    /// Nobody renewed it.
    Expired,
    /// Its process is gone.
    ProcessGone,
    /// The machine was rebooted.
    Reboot,
    /// Its run has ended.
    RunEnded,
}

impl Lapse {
    /// The word for it in events.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::ProcessGone => "process gone",
            Self::Reboot => "reboot",
            Self::RunEnded => "run ended",
        }
    }
}

/// Why a grant holds no longer; `None` while it holds.
///
/// Unlike a run, a grant ends with its lease even while its process lives: a process that sleeps past
/// its lease must find the lock lost, since others may have had it meanwhile.
pub(crate) fn lapse(
    expires_at: Timestamp,
    holder: Option<&Holder>,
    run_is_running: Option<bool>,
    here: &Here,
    now: Timestamp,
) -> Option<Lapse> {
    if expires_at <= now {
        return Some(Lapse::Expired);
    }
    match holder.map_or(Fate::Unknown, |holder| holder.fate(here)) {
        Fate::Gone => Some(Lapse::ProcessGone),
        Fate::Rebooted => Some(Lapse::Reboot),
        Fate::Alive | Fate::Unknown => (run_is_running == Some(false)).then_some(Lapse::RunEnded),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(resource: &str, shared: bool, is_path: bool) -> Claim {
        Claim { resource: resource.to_owned(), shared, is_path }
    }

    #[test]
    fn claims_conflict_on_one_resource_unless_both_are_shared() {
        let (exclusive, shared) = (claim("deploy", false, false), claim("deploy", true, false));
        assert!(exclusive.conflicts_with(&exclusive));
        assert!(exclusive.conflicts_with(&shared) && shared.conflicts_with(&exclusive));
        assert!(!shared.conflicts_with(&shared));
        assert!(!exclusive.conflicts_with(&claim("deploy2", false, false)));
    }

    #[test]
    fn a_directory_conflicts_with_what_is_below_it_and_not_with_its_namesakes() {
        let folder = claim("/srv/site", false, true);
        for (other, expect) in [
            (claim("/srv/site/a/b.md", false, true), true),
            (claim("/srv", false, true), true),
            (claim("/srv/site2", false, true), false),
            (claim("/srv/site", false, false), true),
            (claim("/srv/site/a", false, false), false),
        ] {
            assert_eq!(folder.conflicts_with(&other), expect, "{other:?}");
            assert_eq!(other.conflicts_with(&folder), expect, "{other:?}");
        }
    }

    #[test]
    fn a_grant_ends_with_its_lease_its_process_or_its_run() {
        let here = Here::now();
        let alive = Holder::this_process(&here).unwrap();
        let gone = Holder { pid_started: alive.pid_started - 1, ..alive.clone() };
        let rebooted = Holder { boot_id: "another".into(), ..alive.clone() };
        let (now, later) = (Timestamp(1000), Timestamp(2000));
        for (expires_at, holder, run, expect) in [
            (later, Some(&alive), Some(true), None),
            (later, None, None, None),
            (now, Some(&alive), Some(true), Some(Lapse::Expired)),
            (later, Some(&gone), Some(true), Some(Lapse::ProcessGone)),
            (later, Some(&rebooted), None, Some(Lapse::Reboot)),
            (later, None, Some(false), Some(Lapse::RunEnded)),
        ] {
            assert_eq!(lapse(expires_at, holder, run, &here, now), expect);
        }
    }
}
