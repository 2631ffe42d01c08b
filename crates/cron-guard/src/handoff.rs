//! `blocked.json`: what is blocked and how to pause and resume it, for programs. Versioned, atomic.
//!
//! Other agents read it, so every instruction in it comes from this file's own fixed words.

use std::path::Path;

use common::clock::Timestamp;
use serde_json::{Value, json};

use crate::alert::compose;
use crate::guard::fleet::Member;
use crate::guard::{Block, Probe, Verdict};

/// The document.
pub(crate) fn document(members: &[Member], named_db: Option<&Path>, now: Timestamp) -> Value {
    let blocked: Vec<Value> = members
        .iter()
        .filter(|member| member.is_blocked())
        .map(|member| entry(member, named_db))
        .collect();
    json!({ "version": 1, "written_at": now, "checked": members.len(), "blocked": blocked })
}

fn entry(member: &Member, named_db: Option<&Path>) -> Value {
    let breaker = &member.job.breaker;
    let resume = match &member.verdict {
        Verdict::Blocked(Block { hold: Some(scope), .. }) => compose::release_argv(scope, named_db),
        // The window slides on by itself.
        Verdict::Blocked(Block { kind: "budget", .. }) => Vec::new(),
        _ => compose::resume_argv(&member.job.name, named_db),
    };
    json!({
        "job": member.job.name,
        "state": member.state(),
        // A job whose probe is due is to be started as ever: its next run decides.
        "action": if member.probe() == Some(Probe::Due) { "probe" } else { "pause" },
        "probe": member.probe().map(Probe::as_str),
        "reason": member.reason(),
        "streak": breaker.streak,
        "run_ids": breaker.failed_runs,
        "first_failure": breaker.first_failure_at,
        "last_failure": breaker.last_failure_at,
        "opened_at": breaker.opened_at,
        "next_probe": breaker.next_probe_at,
        "tier": member.own.tier.as_str(),
        "owner": member.own.owner,
        "labels": member.own.labels,
        "signature": member.job.signature,
        "resume": resume,
    })
}
