//! Runs the command of `exec` and records its outcome as soon as it is known.

use std::cell::{Cell, RefCell};
use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd as _;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::Exit;
use common::child::{End, Fate, Stream, Supervisor, Tail, Watch};
use common::error::file;
use common::fleet::runs::{Outcome, RunId, Status};
use common::fleet::{GUARD_VARIABLE, JOB_VARIABLE, RUN_ID_VARIABLE};
use common::report::{self, Explain as _};

use super::held::Held;
use crate::TOOL;
use crate::cli::ExecArgs;
use crate::guard::{Ending, Guard, LEASE};
use crate::machine::outcome::TIMED_OUT;
use crate::tail;

/// How long a busy journal is waited for once the command has ended.
const PATIENCE: Duration = Duration::from_secs(60);
/// Tells the command that it is a probe, so that it can try without effect.
const PROBE: &str = "CRON_GUARD_PROBE";

/// A start that the gate let through.
pub(super) struct Start<'a> {
    pub(super) job: &'a str,
    /// Its run; `None` while the journal cannot be used.
    pub(super) run: Option<RunId>,
    pub(super) probe: bool,
}

/// Where the outcome goes.
pub(super) struct Recorder<'a, 's> {
    guard: Option<&'a RefCell<Guard<'s>>>,
    tripped: Cell<Option<String>>,
    has_due_alert: Cell<bool>,
}

impl<'a, 's> Recorder<'a, 's> {
    /// Into the journal.
    pub(super) fn new(guard: &'a RefCell<Guard<'s>>) -> Self {
        Self { guard: Some(guard), ..Self::none() }
    }

    /// Nowhere: the journal cannot be used.
    pub(super) fn none() -> Self {
        // Until it is known, there may be one.
        Self { guard: None, tripped: Cell::new(None), has_due_alert: Cell::new(true) }
    }

    /// Why the job is blocked now, when this run blocked it.
    pub(super) fn tripped(&self) -> Option<String> {
        self.tripped.take()
    }

    /// Whether an alert may be to be sent now.
    pub(super) fn has_due_alert(&self) -> bool {
        self.has_due_alert.get()
    }

    /// Records the outcome. The command has run, so what goes wrong here is said and changes no exit code.
    ///
    /// What has happened must not be lost because others write for long, so a busy journal is waited for.
    fn close(&self, start: &Start<'_>, ending: &Ending) {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.try_close(start, ending) {
                Ok(()) => return,
                Err(error) if error.exit() == Exit::Again && Instant::now() < until => {
                    thread::sleep(Duration::from_millis(20));
                }
                Err(error) => {
                    report::fail::<crate::error::Error>(TOOL, false, &error.into());
                    return;
                }
            }
        }
    }

    fn try_close(&self, start: &Start<'_>, ending: &Ending) -> Result<(), common::Error> {
        let (Some(guard), Some(run)) = (self.guard, &start.run) else { return Ok(()) };
        let closed = guard.borrow_mut().close(start.job, run, ending)?;
        self.has_due_alert.set(closed.has_due_alert);
        if closed.tripped.is_some() {
            self.tripped.set(closed.tripped);
        }
        Ok(())
    }

    fn keep_alive(&self, start: &Start<'_>) {
        if let (Some(guard), Some(run)) = (self.guard, &start.run) {
            guard.borrow_mut().keep_alive(run);
        }
    }
}

/// Runs the command to its end.
pub(super) fn supervise(
    args: &ExecArgs,
    start: &Start<'_>,
    recorder: &Recorder<'_, '_>,
) -> anyhow::Result<Exit> {
    let tail = RefCell::new(Tail::new(tail::MAX));
    let held = RefCell::new(None);
    let mut command = command(args, start);
    let stderr = io::stderr();
    if args.mail_on_failure {
        let redirected = Held::redirect(&mut command)
            .map_err(file("create a file for held output in", std::env::temp_dir()));
        match redirected {
            Ok(output) => *held.borrow_mut() = Some(output),
            Err(error) => {
                recorder.close(start, &not_started(&error));
                report::fail::<crate::error::Error>(TOOL, false, &error.into());
                return Ok(Exit::NotStarted);
            }
        }
    } else if !stderr.is_terminal() {
        // On a terminal the command keeps it; elsewhere its words pass through here, for the alert.
        command.stderr(Stdio::piped());
    }
    let words = || {
        match held.borrow_mut().as_mut() {
            Some(output) => {
                let mut tail = Tail::new(tail::MAX);
                tail.push(&output.tail(tail::MAX));
                Some(tail.text())
            }
            None => Some(tail.borrow().text()),
        }
        .filter(|text| !text.is_empty())
        .map(|text| tail::clean(&text))
    };
    let supervisor = Supervisor::new()
        .with_timeout(args.timeout)
        .with_grace(args.grace)
        .with_on_timeout(|| {
            // Before the command is told, so that nobody inside can record it as something else.
            let outcome = Outcome {
                status: Some(Status::Failed),
                reason: Some(TIMED_OUT.to_owned()),
                stderr_tail: words(),
                ..Outcome::default()
            };
            let ending = Ending { outcome, stopped: false, elapsed: None };
            // A journal that is busy now must not delay the end; the outcome is recorded again after it.
            let _ = recorder.try_close(start, &ending);
        })
        .with_watch(LEASE / 3, || {
            recorder.keep_alive(start);
            Watch::GoOn
        });
    let mut running = match supervisor.start(command) {
        Ok(running) => running,
        Err(error) => {
            recorder.close(start, &not_started(&error));
            return Err(error.into());
        }
    };
    if let Some(source) = running.child.stderr.take() {
        let forward = Some(stderr.as_fd());
        running.read(Stream::new(source, forward, |piece| tail.borrow_mut().push(piece)));
    }
    let fate = running.wait()?;
    recorder.close(start, &ending_of(&fate, words()));
    let exit = fate.exit();
    if exit != Exit::Code(0)
        && let Some(output) = held.borrow_mut().as_mut()
    {
        output.print();
    }
    Ok(exit)
}

fn command(args: &ExecArgs, start: &Start<'_>) -> Command {
    let mut words = args.command.iter();
    let mut command = Command::new(words.next().map_or_else(Default::default, Clone::clone));
    command.args(words).env(GUARD_VARIABLE, start.job).env(JOB_VARIABLE, start.job);
    match &start.run {
        Some(run) => command.env(RUN_ID_VARIABLE, run.as_str()),
        // A run of somebody further out is not this one.
        None => command.env_remove(RUN_ID_VARIABLE),
    };
    if start.probe {
        command.env(PROBE, "1");
    } else {
        command.env_remove(PROBE);
    }
    command
}

fn not_started(error: &common::Error) -> Ending {
    let outcome = Outcome {
        status: Some(Status::Failed),
        reason: Some("not started".to_owned()),
        exit_code: Some(error.exit().code().into()),
        stderr_tail: Some(error.to_string()),
        ..Outcome::default()
    };
    Ending { outcome, stopped: false, elapsed: None }
}

fn ending_of(fate: &Fate, stderr_tail: Option<String>) -> Ending {
    let (exit_code, signal) = match fate.end {
        End::Code(code) => (Some(code.into()), None),
        End::Signal(signal) => (None, Some(signal.into())),
    };
    let mut outcome = Outcome { exit_code, signal, stderr_tail, ..Outcome::default() };
    if let Some(by) = fate.stopped_by() {
        // A shutdown or a person ended the command: not a failure of the job.
        outcome.status = Some(Status::Interrupted);
        outcome.reason = Some(format!("stopped by signal {by}"));
    } else if fate.timed_out {
        outcome.status = Some(Status::Failed);
        outcome.reason = Some(TIMED_OUT.to_owned());
    }
    Ending { outcome, stopped: fate.stopped_by().is_some(), elapsed: Some(fate.elapsed) }
}
