//! Actions that must not happen twice: what a retry may do. Pure rules.
//!
//! The intention is written before the deed. What a crash leaves behind may be tried again when the deed
//! was harmless; when it changes something in the world it is unknown, and nobody goes on before a person
//! has looked.

use std::time::Duration;

use common::clock::Timestamp;
use common::fleet::agents::AgentId;
use common::fleet::liveness::{Fate, Here, Holder};
use common::fleet::runs::RunId;
use serde::Serialize;

use crate::value::Json;

common::words! {
    /// What a deed does to the world.
    Tier {
        /// It only looks.
        Read = "read",
        /// It adds something, and a double does no harm.
        Append = "append",
        /// It changes something.
        Mutate = "mutate",
    }
}

common::words! {
    /// Where an action stands.
    State {
        /// It was begun, or awaits its approval.
        Intended = "intended",
        /// It is done.
        Done = "done",
        /// It failed before it had an effect.
        Failed = "failed",
        /// Nobody knows whether it had an effect.
        Unknown = "unknown",
    }
}

/// An action on record.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Action {
    pub(crate) key: String,
    pub(crate) state: State,
    pub(crate) tier: Tier,
    pub(crate) irreversible: bool,
    pub(crate) fingerprint: Option<String>,
    /// 0 while it awaits its approval.
    pub(crate) attempts: i64,
    pub(crate) agent_id: Option<AgentId>,
    pub(crate) agent: Option<String>,
    pub(crate) run_id: Option<RunId>,
    pub(crate) begun_at: Timestamp,
    pub(crate) lease_until: Timestamp,
    #[serde(skip)]
    pub(crate) window: Duration,
    pub(crate) ended_at: Option<Timestamp>,
    pub(crate) result: Option<Json>,
    pub(crate) error: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) holder: Option<Holder>,
}

impl Action {
    /// Whether whoever began it is gone: its process, else its run, else its lease.
    pub(crate) fn is_left_behind(
        &self,
        run_is_running: Option<bool>,
        here: &Here,
        now: Timestamp,
    ) -> bool {
        if self.state != State::Intended || self.attempts == 0 {
            return false;
        }
        let lease_has_passed = self.lease_until <= now;
        match (self.holder.as_ref().map(|holder| holder.fate(here)), run_is_running) {
            (Some(Fate::Alive), _) => false,
            (Some(Fate::Gone | Fate::Rebooted), _) => true,
            (Some(Fate::Unknown), _) | (None, None) => lease_has_passed,
            (None, Some(is_running)) => !is_running,
        }
    }

    /// Whether it no longer stands in the way of a new action under its key.
    fn is_over(&self, now: Timestamp) -> bool {
        let is_old = |ended_at: Timestamp| ended_at.plus(self.window) <= now;
        matches!(self.state, State::Done | State::Failed) && self.ended_at.is_some_and(is_old)
    }
}

/// What somebody wants to begin.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) tier: Tier,
    pub(crate) irreversible: bool,
    pub(crate) fingerprint: Option<String>,
    pub(crate) is_approved: bool,
}

/// What the one who asks may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Begin, for the first time or as a new action under an old key.
    Fresh,
    /// Begin again what failed or was left behind.
    Retry,
    /// It is done.
    Done,
    /// Somebody is at it.
    InProgress,
    /// Somebody left it behind, and it may have had its effect.
    Unknown,
    /// It needs approval first.
    Approval,
    /// The key stands for something else.
    OtherFingerprint,
}

impl Verdict {
    /// The word for it in JSON.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Fresh | Self::Retry => "proceed",
            Self::Done => "done",
            Self::InProgress => "in_progress",
            Self::Unknown => "unknown",
            Self::Approval => "needs_approval",
            Self::OtherFingerprint => "other_fingerprint",
        }
    }
}

/// Decides, by what is on record under the key.
pub(crate) fn decide(
    known: Option<&Action>,
    is_left_behind: bool,
    wanted: &Wanted,
    now: Timestamp,
) -> Verdict {
    let approve = |verdict, irreversible| {
        if irreversible && !wanted.is_approved { Verdict::Approval } else { verdict }
    };
    let Some(known) = known.filter(|known| !known.is_over(now)) else {
        return approve(Verdict::Fresh, wanted.irreversible);
    };
    if let (Some(known), Some(wanted)) = (&known.fingerprint, &wanted.fingerprint)
        && known != wanted
    {
        return Verdict::OtherFingerprint;
    }
    // What was called irreversible once stays so: the one who retries does not choose the rules.
    let irreversible = known.irreversible || wanted.irreversible;
    match known.state {
        State::Done => Verdict::Done,
        State::Unknown => Verdict::Unknown,
        State::Intended if known.attempts == 0 => approve(Verdict::Fresh, irreversible),
        State::Intended if !is_left_behind => Verdict::InProgress,
        State::Intended if known.tier == Tier::Mutate => Verdict::Unknown,
        State::Failed | State::Intended => approve(Verdict::Retry, irreversible),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn action(state: State, tier: Tier) -> Action {
        Action {
            key: "k".to_owned(),
            state,
            tier,
            irreversible: false,
            fingerprint: Some("f".to_owned()),
            attempts: 1,
            agent_id: None,
            agent: None,
            run_id: None,
            begun_at: Timestamp(0),
            lease_until: Timestamp(2_000_000),
            window: Duration::from_secs(1),
            ended_at: matches!(state, State::Done | State::Failed).then_some(NOW),
            result: None,
            error: None,
            reason: None,
            holder: None,
        }
    }

    fn wanted() -> Wanted {
        Wanted { tier: Tier::Mutate, irreversible: false, fingerprint: None, is_approved: false }
    }

    #[test]
    fn what_a_crash_left_behind_is_retried_when_harmless_and_unknown_when_not() {
        for (tier, expect) in [
            (Tier::Read, Verdict::Retry),
            (Tier::Append, Verdict::Retry),
            (Tier::Mutate, Verdict::Unknown),
        ] {
            let known = action(State::Intended, tier);
            assert_eq!(decide(Some(&known), true, &wanted(), NOW), expect);
            assert_eq!(decide(Some(&known), false, &wanted(), NOW), Verdict::InProgress);
        }
    }

    #[test]
    fn done_is_done_within_its_window_and_unknown_for_ever() {
        let done = action(State::Done, Tier::Mutate);
        assert_eq!(decide(Some(&done), false, &wanted(), NOW), Verdict::Done);
        assert_eq!(decide(Some(&done), false, &wanted(), Timestamp(0)), Verdict::Done);
        let later = NOW.plus(Duration::from_secs(1));
        assert_eq!(decide(Some(&done), false, &wanted(), later), Verdict::Fresh);
        let unknown = action(State::Unknown, Tier::Mutate);
        assert_eq!(decide(Some(&unknown), false, &wanted(), Timestamp(i64::MAX)), Verdict::Unknown);
        let until_finished = Action { window: Duration::ZERO, ..done };
        assert_eq!(decide(Some(&until_finished), false, &wanted(), NOW), Verdict::Fresh);
    }

    #[test]
    fn an_irreversible_deed_needs_approval_for_each_attempt_whoever_asks() {
        let approved = Wanted { is_approved: true, ..wanted() };
        let irreversible = Wanted { irreversible: true, ..wanted() };
        assert_eq!(decide(None, false, &irreversible, NOW), Verdict::Approval);
        assert_eq!(
            decide(None, false, &Wanted { irreversible: true, ..approved.clone() }, NOW),
            Verdict::Fresh
        );
        let failed = Action { irreversible: true, ..action(State::Failed, Tier::Mutate) };
        assert_eq!(decide(Some(&failed), false, &wanted(), NOW), Verdict::Approval);
        assert_eq!(decide(Some(&failed), false, &approved, NOW), Verdict::Retry);
    }

    #[test]
    fn another_fingerprint_is_another_deed_under_a_taken_key() {
        let done = action(State::Done, Tier::Mutate);
        let other = Wanted { fingerprint: Some("g".to_owned()), ..wanted() };
        assert_eq!(decide(Some(&done), false, &other, NOW), Verdict::OtherFingerprint);
        let same = Wanted { fingerprint: Some("f".to_owned()), ..wanted() };
        assert_eq!(decide(Some(&done), false, &same, NOW), Verdict::Done);
    }

    #[test]
    fn a_process_a_run_or_a_lease_tells_whether_an_action_was_left_behind() {
        let here = Here::now();
        let alive = Holder::this_process(&here).unwrap();
        let gone = Holder { pid_started: alive.pid_started - 1, ..alive.clone() };
        let begun = action(State::Intended, Tier::Mutate);
        let late = Timestamp(3_000_000);
        for (holder, run, now, expect) in [
            (None, None, NOW, false),
            (None, None, late, true),
            (None, Some(true), late, false),
            (None, Some(false), NOW, true),
            (Some(alive), Some(false), late, false),
            (Some(gone), Some(true), NOW, true),
        ] {
            let begun = Action { holder, ..begun.clone() };
            assert_eq!(begun.is_left_behind(run, &here, now), expect);
        }
        assert!(!action(State::Done, Tier::Mutate).is_left_behind(None, &here, late));
    }
}
