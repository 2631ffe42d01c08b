//! `exec`: ask the gate, run the rest of the line, record how it ended, tell who must know.

mod held;
mod supervise;

use std::cell::RefCell;
use std::thread;
use std::time::Duration;

use common::Exit;
use common::clock;
use common::fleet::liveness::Holder;
use common::report;

use super::Ctx;
use super::check::describe;
use super::unrecorded::{self, Unrecorded};
use crate::TOOL;
use crate::cli::ExecArgs;
use crate::guard::{Admission, Block, Guard, Terms, Verdict};
use crate::settings::{Mode, Settings};
use crate::{alert, jitter};
use supervise::{Recorder, Start, supervise};

/// How long a wait for a turn lasts at most before the group is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

pub(crate) fn run(args: &ExecArgs, ctx: &mut Ctx<'_>) -> anyhow::Result<Exit> {
    // A wrapper that cannot even read its settings has not started the command.
    let settings = match ctx.settings() {
        Ok(settings) => settings,
        Err(error) => {
            report::fail::<crate::error::Error>(TOOL, ctx.json, &error);
            return Ok(Exit::NotStarted);
        }
    };
    if let Some(most) = args.jitter {
        thread::sleep(most.mul_f64(jitter::fraction(args.job.as_str())));
    }
    let admitted = ctx.guard(&settings).and_then(|mut guard| {
        let admission = ask(args, &mut guard)?;
        Ok((guard, admission))
    });
    match admitted {
        Ok((guard, Admission::Go { run, probe })) => {
            let start = Start { job: args.job.as_str(), run: Some(run), probe };
            recorded(args, &settings, guard, &start)
        }
        Ok((guard, Admission::Blocked { block, .. })) => {
            let exit = blocked(args, block, ctx);
            guard.tell_aside();
            exit
        }
        Err(error) => without_journal(args, &settings, error, ctx),
    }
}

/// Asks the gate; for a group's turn as often as it takes, when the arguments say so.
fn ask(args: &ExecArgs, guard: &mut Guard<'_>) -> Result<Admission, common::Error> {
    let terms =
        Terms { no_overlap: args.no_overlap, spacing: args.spacing.clone(), waits: args.wait };
    let holder = Holder::this_process(guard.here());
    loop {
        match guard.admit(args.job.as_str(), &terms, holder.as_ref())? {
            Admission::Blocked { retry_at: Some(at), .. } if args.wait => {
                thread::sleep(at.since(clock::now()).clamp(Duration::from_millis(10), LOOK_AGAIN));
            }
            admission => return Ok(admission),
        }
    }
}

fn blocked(args: &ExecArgs, block: Block, ctx: &mut Ctx<'_>) -> anyhow::Result<Exit> {
    if ctx.json {
        ctx.out.json(&describe(args.job.as_str(), &Verdict::Blocked(block)))?;
    }
    Ok(Exit::Code(args.blocked_exit))
}

/// Runs the command with the journal at hand.
fn recorded(
    args: &ExecArgs,
    settings: &Settings,
    guard: Guard<'_>,
    start: &Start<'_>,
) -> anyhow::Result<Exit> {
    let guard = RefCell::new(guard);
    let recorder = Recorder::new(&guard);
    let result = supervise(args, start, &recorder);
    let (tripped, has_due_alert) = (recorder.tripped(), recorder.has_due_alert());
    let mut guard = guard.into_inner();
    if has_due_alert {
        guard.tell_of(start.job);
    }
    if let Some(reason) = tripped
        && alert::configured(settings.alerts()).is_empty()
    {
        // Nobody set up a channel; cron mails what stands on stderr, so this one line is the alert.
        let resume = alert::compose::resume_argv(start.job, guard.named_db.as_deref());
        let resume = alert::compose::as_shell(&resume);
        let is_observed = settings.job(start.job).mode == Mode::Observe;
        let state = if is_observed { "would be blocked (observe)" } else { "is blocked" };
        report::warn(TOOL, &format!("{} {state}: {reason}; {resume}", start.job));
    }
    result
}

/// Decides by what is known beside the journal, and runs the command without a record.
fn without_journal(
    args: &ExecArgs,
    settings: &Settings,
    error: common::Error,
    ctx: &mut Ctx<'_>,
) -> anyhow::Result<Exit> {
    let job = args.job.as_str();
    match unrecorded::decide_without(settings, job, error, ctx)? {
        Unrecorded::Blocked(block) => blocked(args, block, ctx),
        Unrecorded::Go => {
            let start = Start { job, run: None, probe: false };
            supervise(args, &start, &Recorder::none())
        }
    }
}
