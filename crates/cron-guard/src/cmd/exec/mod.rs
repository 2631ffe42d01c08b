//! `exec`: ask the gate, run the rest of the line, record how it ended, tell who must know.

use std::cell::RefCell;
use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd as _;
use std::process::{Command, Stdio};

use common::Exit;
use common::child::{End, Fate, Stream, Supervisor, Tail, Watch};
use common::fleet::liveness::Holder;
use common::fleet::runs::{Outcome, RunId, Status};
use common::fleet::{JOB_VARIABLE, RUN_ID_VARIABLE};
use common::report::{self, Explain as _};

use super::Ctx;
use super::check::describe;
use crate::cli::ExecArgs;
use crate::guard::{Admission, Guard, LEASE, Terms, Verdict};
use crate::machine::outcome::TIMED_OUT;

/// How much of the command's stderr is kept, in bytes.
const TAIL_MAX: usize = 4096;
/// Names the job in the environment of the command.
const JOB: &str = "CRON_GUARD_JOB";
/// Tells the command that it is a probe, so that it can try without effect.
const PROBE: &str = "CRON_GUARD_PROBE";

pub(crate) fn run(args: &ExecArgs, ctx: &mut Ctx<'_>) -> anyhow::Result<Exit> {
    let settings = ctx.settings()?;
    let job = args.job.as_str();
    let mut guard = ctx.guard(&settings)?;
    let holder = Holder::this_process(guard.here());
    let (run, probe) = match guard.admit(job, &Terms::default(), holder.as_ref())? {
        Admission::Go { run, probe } => (run, probe),
        Admission::Blocked { block, .. } => {
            if ctx.json {
                ctx.out.json(&describe(job, &Verdict::Blocked(block)))?;
            }
            guard.tell();
            return Ok(Exit::Code(args.blocked_exit));
        }
    };
    let admitted = Admitted { job, run, probe };
    let guard = RefCell::new(guard);
    let result = supervise(args, &admitted, &guard);
    let mut guard = guard.into_inner();
    guard.tell();
    result
}

/// A run that the gate let in.
struct Admitted<'a> {
    job: &'a str,
    run: RunId,
    probe: bool,
}

fn supervise(
    args: &ExecArgs,
    admitted: &Admitted<'_>,
    guard: &RefCell<Guard<'_>>,
) -> anyhow::Result<Exit> {
    let tail = RefCell::new(Tail::new(TAIL_MAX));
    let mut command = command(args, admitted);
    let stderr = io::stderr();
    // On a terminal the command keeps it; elsewhere its words pass through here, for the alert.
    let is_captured = !stderr.is_terminal();
    if is_captured {
        command.stderr(Stdio::piped());
    }
    let supervisor = Supervisor::new()
        .with_timeout(args.timeout)
        .with_grace(args.grace)
        .with_on_timeout(|| {
            let outcome = Outcome {
                status: Some(Status::Failed),
                reason: Some(TIMED_OUT.to_owned()),
                stderr_tail: some_text(&tail),
                ..Outcome::default()
            };
            close(guard, admitted, &outcome, false);
        })
        .with_watch(LEASE / 3, || {
            guard.borrow_mut().keep_alive(&admitted.run);
            Watch::GoOn
        });
    let mut running = match supervisor.start(command) {
        Ok(running) => running,
        Err(error) => {
            let outcome = Outcome {
                status: Some(Status::Failed),
                reason: Some("not started".to_owned()),
                exit_code: Some(error.exit().code().into()),
                stderr_tail: Some(
                    report::Report::of::<common::Error>(&anyhow::anyhow!("{error}")).message,
                ),
                ..Outcome::default()
            };
            close(guard, admitted, &outcome, false);
            return Err(error.into());
        }
    };
    if let Some(source) = running.child.stderr.take() {
        let forward = Some(stderr.as_fd());
        running.read(Stream::new(source, forward, |piece| tail.borrow_mut().push(piece)));
    }
    let fate = running.wait()?;
    let stopped = is_stopped(&fate);
    close(guard, admitted, &outcome_of(&fate, stopped, some_text(&tail)), stopped);
    Ok(fate.exit())
}

fn command(args: &ExecArgs, admitted: &Admitted<'_>) -> Command {
    let mut words = args.command.iter();
    let mut command = Command::new(words.next().map_or_else(Default::default, Clone::clone));
    command
        .args(words)
        .env(JOB, admitted.job)
        .env(JOB_VARIABLE, admitted.job)
        .env(RUN_ID_VARIABLE, admitted.run.as_str());
    if admitted.probe {
        command.env(PROBE, "1");
    } else {
        command.env_remove(PROBE);
    }
    command
}

/// A signal that was meant for us ended the command: a shutdown or a person, not a failure of the job.
fn is_stopped(fate: &Fate) -> bool {
    fate.forwarded.is_some() && !fate.timed_out && fate.end != End::Code(0)
}

fn outcome_of(fate: &Fate, stopped: bool, stderr_tail: Option<String>) -> Outcome {
    let (exit_code, signal) = match fate.end {
        End::Code(code) => (Some(code.into()), None),
        End::Signal(signal) => (None, Some(signal.into())),
    };
    let mut outcome = Outcome { exit_code, signal, stderr_tail, ..Outcome::default() };
    if stopped {
        outcome.status = Some(Status::Interrupted);
        outcome.reason = fate.forwarded.map(|signal| format!("stopped by signal {signal}"));
    } else if fate.timed_out {
        outcome.status = Some(Status::Failed);
        outcome.reason = Some(TIMED_OUT.to_owned());
    }
    outcome
}

fn some_text(tail: &RefCell<Tail>) -> Option<String> {
    Some(tail.borrow().text()).filter(|text| !text.is_empty())
}

/// Records the outcome. The command has run, so what goes wrong here is said and changes no exit code.
fn close(guard: &RefCell<Guard<'_>>, admitted: &Admitted<'_>, outcome: &Outcome, stopped: bool) {
    let closed = guard.borrow_mut().close(admitted.job, &admitted.run, outcome, stopped);
    if let Err(error) = closed {
        report::fail::<crate::error::Error>("cron-guard", false, &error.into());
    }
}
