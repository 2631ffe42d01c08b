//! `check`: go or blocked, without a word.

use common::Exit;
use serde_json::json;

use super::Ctx;
use super::unrecorded::{self, Unrecorded};
use crate::cli::CheckArgs;
use crate::guard::Verdict;

pub(crate) fn run(args: &CheckArgs, ctx: &mut Ctx<'_>) -> anyhow::Result<Exit> {
    let settings = ctx.settings()?;
    let job = args.job.as_str();
    let checked = ctx.guard(&settings).and_then(|mut guard| guard.check(job));
    let verdict = match checked {
        Ok(verdict) => verdict,
        Err(error) => match unrecorded::decide_without(&settings, job, error, ctx)? {
            Unrecorded::Go => Verdict::Go { probe: false },
            Unrecorded::Blocked(block) => Verdict::Blocked(block),
        },
    };
    if ctx.json {
        ctx.out.json(&describe(job, &verdict))?;
    }
    Ok(match verdict {
        Verdict::Go { .. } => Exit::Done,
        Verdict::Blocked(_) => Exit::Code(args.blocked_exit),
    })
}

/// A verdict for programs.
pub(super) fn describe(job: &str, verdict: &Verdict) -> serde_json::Value {
    match verdict {
        Verdict::Go { probe } => json!({ "job": job, "verdict": "go", "probe": probe }),
        Verdict::Blocked(block) => json!({
            "job": job, "verdict": "blocked", "kind": block.kind, "reason": block.reason,
            "hold": block.hold,
        }),
    }
}
