//! `board`: who is doing what now, at a glance.

use std::thread;
use std::time::Duration;

use common::clock::Timestamp;
use common::duration;
use common::exit::Exit;
use common::fleet::liveness::Here;
use common::fleet::runs::{self, Filter, Run, Status};
use common::out::{Tone, sanitize};
use common::sql::{self, Connection};
use common::table::Columns;
use serde::Serialize;

use super::context::Ctx;
use crate::action::{Action, State};
use crate::cli::watch::Board as Args;
use crate::store::actions;
use crate::store::coord::{self, Post};
use crate::store::locks::{self, Grant, Waiting};
use crate::store::tasks;
use crate::task::{self, Task};

/// How far back failures are shown.
const RECENT: Duration = Duration::from_secs(24 * 60 * 60);

/// What goes on now.
#[derive(Debug, Serialize)]
pub(super) struct Board {
    pub(super) running: Vec<Run>,
    pub(super) locks: Vec<Grant>,
    pub(super) waiting: Vec<Waiting>,
    pub(super) working_on: Vec<Post>,
    pub(super) blocked: Vec<Post>,
    pub(super) unknown_actions: Vec<Action>,
    pub(super) tasks: Vec<Task>,
    pub(super) failed: Vec<Run>,
}

impl Board {
    pub(super) fn read(connection: &Connection, here: &Here, now: Timestamp) -> sql::Result<Self> {
        let running: Vec<Run> = runs::with_status(connection, Status::Running)?
            .into_iter()
            .map(|run| run.as_seen(here, now))
            .collect();
        let (running, gone): (Vec<Run>, Vec<Run>) =
            running.into_iter().partition(|run| run.status == Status::Running);
        let mut failed = gone;
        for status in [Status::Failed, Status::Interrupted] {
            let filter = Filter { status: Some(status), ..Filter::default() };
            let mut n_runs = 0;
            runs::list(connection, &filter, |run| {
                // Newest first, so that the first old one ends the search among a million.
                let is_recent = run.started_at >= now.minus(RECENT);
                // Running rows were judged above.
                if is_recent && run.status != Status::Running {
                    failed.push(run);
                    n_runs += 1;
                }
                is_recent && n_runs < 5
            })?;
        }
        failed.sort_by_key(|run| std::cmp::Reverse(run.finished_at.unwrap_or(now)));
        failed.truncate(5);
        Ok(Self {
            running,
            locks: locks::held(connection, here, now)?,
            waiting: locks::waiting(connection, here, now)?,
            working_on: coord::current(connection, None, here, now)?,
            blocked: coord::blocked(connection, now.minus(RECENT))?,
            unknown_actions: actions::list(connection, Some(State::Unknown), 20, here, now)?,
            tasks: tasks::list(connection, Some(task::State::Running), 20, here, now)?,
            failed,
        })
    }
}

pub(crate) fn run(args: &Args, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    loop {
        let (board, now) = ctx.read("read the board in", |connection, now| {
            Ok((Board::read(connection, ctx.here(), now)?, now))
        })?;
        if ctx.json {
            ctx.out.json(&board)?;
        } else {
            if args.watch.is_some() && ctx.out.is_terminal() {
                // Home, and clear what is below: the board stands still while its numbers change.
                ctx.out.bytes(b"\x1b[H\x1b[J")?;
            }
            let text = for_people(&board, ctx, now);
            ctx.out.line(text)?;
        }
        ctx.out.flush()?;
        match args.watch {
            Some(pause) => thread::sleep(pause),
            None => return Ok(Exit::Done),
        }
    }
}

fn for_people(board: &Board, ctx: &Ctx, now: Timestamp) -> String {
    let heading = |text: &str, tone: Tone| ctx.out.paint(tone, text);
    let mut sections = vec![heading(
        &format!(
            "{} running, {} locked, {} waiting, {} need a person",
            board.running.len(),
            board.locks.len(),
            board.waiting.len(),
            board.unknown_actions.len() + board.blocked.len(),
        ),
        Tone::Strong,
    )];
    let mut section = |title: &str, tone: Tone, rows: Vec<[String; 4]>| {
        if !rows.is_empty() {
            sections.push(format!("{}\n{}", heading(title, tone), aligned(rows)));
        }
    };
    let ago = |at: Timestamp| duration::human(now.since(at));
    let left = |at: Timestamp| format!("{} left", duration::human(at.since(now)));
    let dash = || "-".to_owned();
    let running = board.running.iter().map(|run| {
        let note = run.progress.clone().unwrap_or_default();
        [
            run.agent.clone().unwrap_or_else(dash),
            run.job.clone().unwrap_or_else(dash),
            ago(run.started_at),
            note,
        ]
    });
    section("RUNNING", Tone::Good, running.collect());
    let held = board.locks.iter().map(|grant| {
        let agent = grant.agent.clone().unwrap_or_else(dash);
        [
            grant.resource.clone(),
            agent,
            left(grant.expires_at),
            grant.reason.clone().unwrap_or_default(),
        ]
    });
    section("LOCKS", Tone::Strong, held.collect());
    let waiting = board.waiting.iter().map(|waiting| {
        let agent = waiting.agent.clone().unwrap_or_else(dash);
        [waiting.resource.clone(), agent, ago(waiting.since), String::new()]
    });
    section("WAITING FOR A LOCK", Tone::Warning, waiting.collect());
    let post = |post: &Post, time: String| {
        [post.resource.clone(), post.agent.clone(), time, post.detail.clone().unwrap_or_default()]
    };
    let working = board
        .working_on
        .iter()
        .map(|working| post(working, working.expires_at.map_or_else(dash, left)));
    section("WORKING ON", Tone::Strong, working.collect());
    let open = board.tasks.iter().map(|task| {
        [
            task.title().to_owned(),
            format!("{}/{}", task.counts.completed, task.n_nodes),
            format!("{} running", task.counts.running),
            task.reason.clone().unwrap_or_default(),
        ]
    });
    section("TASKS", Tone::Strong, open.collect());
    let blocked = board.blocked.iter().map(|blocked| post(blocked, ago(blocked.posted_at)));
    section("BLOCKED BY", Tone::Warning, blocked.collect());
    let unknown = board.unknown_actions.iter().map(|action| {
        let agent = action.agent.clone().unwrap_or_else(dash);
        [action.key.clone(), agent, ago(action.begun_at), "agent-state action resolve".to_owned()]
    });
    section("UNKNOWN ACTIONS", Tone::Bad, unknown.collect());
    let failed = board.failed.iter().map(|run| {
        let why = run.reason.clone().or(run.exit_code.map(|code| format!("exit {code}")));
        let when = ago(run.finished_at.unwrap_or(run.started_at));
        [
            run.agent.clone().unwrap_or_else(dash),
            run.job.clone().unwrap_or_else(dash),
            format!("{when} ago"),
            why.unwrap_or_else(|| run.status.as_str().to_owned()),
        ]
    });
    section("FAILED TODAY", Tone::Bad, failed.collect());
    sections.join("\n\n")
}

/// Rows under a heading of their own, so without one of the table's.
fn aligned(rows: Vec<[String; 4]>) -> String {
    let mut rows = rows.into_iter();
    let first = rows.next().unwrap_or_default().map(|cell| sanitize(&cell).into_owned());
    let mut table = Columns::new(first.each_ref().map(String::as_str));
    for row in rows {
        table.row(row);
    }
    let lines: Vec<String> = table.render().lines().map(|line| format!("  {line}")).collect();
    lines.join("\n")
}
