//! `status`: every job with its last outcomes, problems first.

use common::clock::Timestamp;
use common::fleet::liveness::Here;
use common::out::{Tone, sanitize};
use common::sql::{self, Connection};
use common::table::Columns;
use common::{Exit, atomic};
use serde_json::{Value, json};

use super::{Ctx, is_stdout};
use crate::cli::StatusArgs;
use crate::error::Error;
use crate::guard::fleet::{self, Member, SWEEP};
use crate::guard::{Guard, Probe};
use crate::machine::{Mark, flap};
use crate::outage::LastKnown;
use crate::settings::Settings;
use crate::store::holds::{self, Hold};
use crate::store::{alerts, facts};
use crate::view::{self, nagios, prom};

/// How many outcomes are shown.
const MARKS: usize = 20;
/// A sweep that is older than this does not look after the fleet any more.
const SWEEP_STALE: std::time::Duration = std::time::Duration::from_secs(2 * 3600);

/// What the guard knows of the fleet and of itself.
struct Scene {
    members: Vec<Member>,
    holds: Vec<Hold>,
    /// The holds among them that no job is concerned by.
    idle: Vec<Hold>,
    n_undelivered: usize,
    last_sweep: Option<Timestamp>,
    now: Timestamp,
}

pub(crate) fn run(args: &StatusArgs, ctx: &mut Ctx<'_>) -> anyhow::Result<Exit> {
    let scene = match look(args, ctx) {
        Ok(scene) => scene,
        Err(error) if args.nagios => {
            // A plug-in says on stdout, and by its code, that it does not know.
            ctx.out
                .line(format!("CRON-GUARD UNKNOWN - {}", nagios::plain(&format!("{error:#}"))))?;
            return Ok(Exit::Code(nagios::Code::Unknown as u8));
        }
        Err(error) => {
            if args.prom.is_none() && is_about_journal(&error, ctx) {
                // What was last known is more than nothing, and is marked as such.
                show(ctx, &last_known(args, ctx)?)?;
                ctx.out.flush()?;
            }
            return Err(error);
        }
    };
    if args.nagios {
        let (line, code) = nagios::line(&scene.members, &troubles(&scene));
        ctx.out.line(line)?;
        return Ok(Exit::Code(code as u8));
    }
    if let Some(path) = &args.prom {
        let text = prom::metrics(&scene.members, scene.n_undelivered, scene.last_sweep, scene.now);
        if is_stdout(path) {
            ctx.out.bytes(text.as_bytes())?;
        } else {
            // Another user's collector reads it.
            atomic::write(path, text.as_bytes(), 0o644)?;
        }
        return Ok(Exit::Done);
    }
    show(ctx, &scene)?;
    Ok(Exit::Done)
}

fn show(ctx: &mut Ctx<'_>, scene: &Scene) -> Result<(), common::Error> {
    if ctx.json {
        let jobs: Vec<Value> =
            scene.members.iter().map(|member| describe(member, scene.now)).collect();
        ctx.out.json(&json!({
            "version": 1,
            "jobs": jobs,
            "holds": scene.holds,
            "idle_holds": scene.idle.iter().map(|hold| &hold.scope).collect::<Vec<_>>(),
            "undelivered_alerts": scene.n_undelivered,
            "last_sweep": scene.last_sweep,
        }))
    } else {
        print(ctx, scene)
    }
}

/// Whether the journal is damaged, of another release, of another program, or no file that can be read.
fn is_about_journal(error: &anyhow::Error, ctx: &Ctx<'_>) -> bool {
    use common::Error;
    match error.downcast_ref() {
        Some(Error::File { path, .. }) => {
            ctx.database().place().is_ok_and(|journal| journal.file() == Some(path))
        }
        Some(error) => error.is_of_database(),
        None => false,
    }
}

/// The fleet as it was last known, without the journal.
fn last_known(args: &StatusArgs, ctx: &Ctx<'_>) -> anyhow::Result<Scene> {
    let settings = ctx.settings()?;
    let known = LastKnown::load(ctx.database().place()?.local());
    let now = Guard::now();
    let mut members = fleet::last_known(&settings, &known, now);
    if let Some(job) = &args.job {
        members.retain(|member| member.job.name == job.as_str());
    }
    members.sort_by_key(|member| !member.is_blocked());
    let (holds, idle) = (known.holds().to_vec(), Vec::new());
    Ok(Scene { members, holds, idle, n_undelivered: 0, last_sweep: None, now })
}

fn look(args: &StatusArgs, ctx: &Ctx<'_>) -> anyhow::Result<Scene> {
    let settings = ctx.settings()?;
    let db = ctx.read_only()?;
    let here = Here::now();
    let now = Guard::now();
    let mut scene = db.read("read", |connection| scene(connection, &settings, &here, now))?;
    if let Some(job) = &args.job {
        scene.members.retain(|member| member.job.name == job.as_str());
        scene.idle.clear();
        if scene.members.is_empty() {
            return Err(Error::NoJob { job: job.to_string() }.into());
        }
    }
    scene
        .members
        .sort_by_key(|member| (!member.is_blocked(), !member.is_problem(), !is_restless(member)));
    Ok(scene)
}

fn scene(
    connection: &Connection,
    settings: &Settings,
    here: &Here,
    now: Timestamp,
) -> sql::Result<Scene> {
    let members = fleet::view(connection, settings, here, now)?;
    let holds = holds::all(connection)?;
    let is_idle = |hold: &&Hold| !members.iter().any(|m| hold.concerns(&m.job.name, &m.own.labels));
    Ok(Scene {
        idle: holds.iter().filter(is_idle).cloned().collect(),
        holds,
        members,
        n_undelivered: alerts::troubled(connection)?.len(),
        last_sweep: facts::get(connection, SWEEP)?.map(|(_, at)| at),
        now,
    })
}

/// What is wrong with the guard itself.
fn troubles(scene: &Scene) -> Vec<String> {
    let mut troubles = Vec::new();
    if scene.n_undelivered > 0 {
        troubles.push(format!("{} undelivered alerts", scene.n_undelivered));
    }
    if let Some(last) = scene.last_sweep.filter(|last| scene.now.since(*last) > SWEEP_STALE) {
        troubles.push(format!("no sweep since {last}"));
    }
    troubles
}

fn print(ctx: &mut Ctx<'_>, scene: &Scene) -> Result<(), common::Error> {
    let now = scene.now;
    // What is piped into a file is read on another day.
    let is_terminal = ctx.out.is_terminal();
    let by_clock =
        |at: Timestamp| if is_terminal { view::clock_time(at, now) } else { at.to_string() };
    let ago = |at: Timestamp| if is_terminal { at.relative(now) } else { at.to_string() };
    let mut table =
        Columns::new(["JOB", "STATE", "LAST RUNS", "STREAK", "LAST SUCCESS", "NEXT", "WHY"]);
    for member in &scene.members {
        let breaker = &member.job.breaker;
        let mut state = vec![member.state()];
        state.extend(member.overlays(now));
        if state.len() > 1 && member.state() == "closed" {
            // The state that needs no word makes room for those that do.
            state.remove(0);
        }
        table.row([
            member.job.name.clone(),
            state.join(", "),
            view::signs(&breaker.recent, MARKS),
            breaker.streak.to_string(),
            breaker.last_success_at.map_or_else(|| "never".to_owned(), ago),
            member.next.map_or_else(String::new, by_clock),
            view::why(member, now, &by_clock),
        ]);
    }
    let text = table.render();
    let mut lines = text.lines();
    if let Some(head) = lines.next() {
        let head = ctx.out.paint(Tone::Faint, head);
        ctx.out.line(head)?;
    }
    for (line, member) in lines.zip(&scene.members) {
        let line = match tone(member) {
            Some(tone) => ctx.out.paint(tone, line),
            None => line.to_owned(),
        };
        ctx.out.line(line)?;
    }
    for hold in &scene.idle {
        let line = format!("{} is held, and concerns no job: {}", hold.scope, hold.reason);
        let line = ctx.out.paint(Tone::Warning, &sanitize(&line));
        ctx.out.line(line)?;
    }
    for trouble in troubles(scene) {
        let line = ctx.out.paint(Tone::Warning, &sanitize(&trouble));
        ctx.out.line(line)?;
    }
    Ok(())
}

/// Whether it failed last, keeps changing, or has yet to show that it is well.
fn is_restless(member: &Member) -> bool {
    member.job.breaker.streak > 0 || member.job.breaker.flapping || member.is_on_probation()
}

fn tone(member: &Member) -> Option<Tone> {
    if member.is_blocked() {
        Some(Tone::Bad)
    } else if member.is_problem() || is_restless(member) {
        Some(Tone::Warning)
    } else {
        None
    }
}

/// A job for programs.
fn describe(member: &Member, now: Timestamp) -> Value {
    let breaker = &member.job.breaker;
    let recent: Vec<&str> =
        breaker.recent.chars().filter_map(Mark::from_letter).map(Mark::word).collect();
    let recent = recent.get(recent.len().saturating_sub(MARKS)..).unwrap_or_default();
    json!({
        "job": member.job.name,
        "state": member.state(),
        "overlays": member.overlays(now),
        "blocked": member.is_blocked(),
        "reason": member.problem(),
        "probe": member.probe().map(Probe::as_str),
        "hold": member.hold(),
        "streak": breaker.streak,
        "epoch": breaker.epoch,
        "incident": breaker.incident,
        "signature": member.job.signature,
        "probation": breaker.probation,
        "recent": recent,
        "flap_percent": flap::percentage(&breaker.recent),
        "run_ids": breaker.failed_runs,
        "first_failure": breaker.first_failure_at,
        "last_failure": breaker.last_failure_at,
        "last_success": breaker.last_success_at,
        "last_started": member.job.last_started_at,
        "last_run_id": member.job.last_run,
        "opened_at": breaker.opened_at,
        "next_probe": breaker.next_probe_at,
        "next_expected": member.next,
        "missed": member.lateness.missed(),
        "skipped": member.job.skipped,
        "skipped_since": member.job.skipped_since,
        "overlap_skips": member.gave_way.overlap,
        "spacing_skips": member.gave_way.spacing,
        "running": member.running.iter().map(|run| &run.run_id).collect::<Vec<_>>(),
        "declared": member.own.declared,
        "tier": member.own.tier.as_str(),
        "mode": member.own.mode.as_str(),
        "labels": member.own.labels,
        "owner": member.own.owner,
        "unblocked_by": member.unblocked_by,
        "acknowledged": member.job.acked_incident == Some(breaker.incident) && member.is_blocked(),
    })
}
