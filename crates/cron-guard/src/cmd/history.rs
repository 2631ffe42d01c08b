//! `history`: the runs of a job and what the guard and people did about them, newest first.

use common::Exit;
use common::clock::Timestamp;
use common::duration;
use common::fleet::liveness::Here;
use common::fleet::runs::{self, Run};
use common::table::Columns;
use serde_json::json;

use super::Ctx;
use crate::cli::HistoryArgs;
use crate::error::Error;
use crate::guard::Guard;
use crate::machine::Outcome;
use crate::store::jobs;
use crate::store::transitions::{self, Transition};
use crate::tail::clean;

/// One line of the history.
enum Entry {
    Run(Box<Run>),
    Transition(Transition),
}

impl Entry {
    fn at(&self) -> Timestamp {
        match self {
            Self::Run(run) => run.finished_at.unwrap_or(run.started_at),
            Self::Transition(transition) => transition.at,
        }
    }
}

pub(crate) fn run(args: &HistoryArgs, ctx: &mut Ctx<'_>) -> anyhow::Result<Exit> {
    let settings = ctx.settings()?;
    let own = settings.job(args.job.as_str());
    let db = ctx.read_only()?;
    let here = Here::now();
    let now = Guard::now();
    let job = args.job.as_str();
    let (runs, transitions, is_known) = db.read("read", |connection| {
        Ok((
            runs::of_job(connection, job, args.limit)?,
            transitions::concerning(connection, job, &own.labels, args.limit)?,
            own.declared || jobs::get(connection, job)?.is_some(),
        ))
    })?;
    if runs.is_empty() && transitions.is_empty() && !is_known {
        return Err(Error::NoJob { job: job.to_owned() }.into());
    }
    let mut entries: Vec<Entry> = runs
        .into_iter()
        .map(|run| Entry::Run(Box::new(run.as_seen(&here, now))))
        .chain(transitions.into_iter().map(Entry::Transition))
        .collect();
    // A transition stands above the run that caused it: it came after it.
    entries.sort_by_key(|entry| {
        std::cmp::Reverse((entry.at(), matches!(entry, Entry::Transition(_))))
    });
    entries.truncate(usize::try_from(args.limit).unwrap_or(usize::MAX));
    if ctx.json {
        for entry in &entries {
            match entry {
                Entry::Run(run) => ctx.out.json(&json!({ "kind": "run", "run": run }))?,
                Entry::Transition(transition) => {
                    ctx.out.json(&json!({ "kind": "transition", "transition": transition }))?;
                }
            }
        }
        return Ok(Exit::Done);
    }
    let mut table = Columns::new(["WHEN", "WHAT", "TOOK", "DETAIL"]);
    for entry in entries {
        let when =
            if ctx.out.is_terminal() { entry.at().relative(now) } else { entry.at().to_string() };
        match entry {
            Entry::Run(run) => {
                let word =
                    Outcome::of(&run, &own.codes).map_or("running", |outcome| outcome.mark.word());
                let took = duration::human(run.finished_at.unwrap_or(now).since(run.started_at));
                table.row([when, word.to_owned(), took, detail(&run)]);
            }
            Entry::Transition(transition) => {
                let change = if transition.before == transition.after {
                    String::new()
                } else {
                    format!("{} to {}; ", transition.before, transition.after)
                };
                let reason = transition.reason.unwrap_or_default();
                let detail = format!("{change}{reason} (by {})", transition.actor);
                table.row([when, transition.kind.to_uppercase(), String::new(), detail]);
            }
        }
    }
    ctx.out.line(table.render())?;
    Ok(Exit::Done)
}

fn detail(run: &Run) -> String {
    let mut parts = Vec::new();
    if let Some(code) = run.exit_code {
        parts.push(format!("exit {code}"));
    }
    if let Some(signal) = run.signal {
        parts.push(format!("signal {signal}"));
    }
    parts.extend(run.reason.clone());
    parts.extend(run.agent.as_ref().map(|agent| format!("agent {agent}")));
    let said = run.stderr_tail.as_deref().map(clean).unwrap_or_default();
    if let Some(last) = said.trim_end().lines().last() {
        parts.push(format!("\u{201c}{}\u{201d}", last.chars().take(80).collect::<String>()));
    }
    parts.join(", ")
}
