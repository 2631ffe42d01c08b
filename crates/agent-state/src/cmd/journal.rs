//! `journal …`: what agents note for later.

use common::exit::Exit;
use common::out::sanitize;
use serde_json::json;

use super::context::Ctx;
use crate::cli::coord::{Add, Entries, JournalVerb};
use crate::error::Error;
use crate::store;
use crate::store::journal::{self, Filter};
use crate::value::{Json, Reading};

pub(crate) fn run(verb: &JournalVerb, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    match verb {
        JournalVerb::Add(args) => add(args, ctx),
        JournalVerb::List(args) => list(args, ctx),
    }
}

fn add(args: &Add, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let text = super::state::text_of(&args.text, ctx)?;
    let entry = Json::read(&text, Reading::Guess).map_err(Error::from)?;
    let id = ctx.write("write a journal entry in", |tx, now| {
        let agent = store::agent(tx, args.agent.as_str())?;
        let run = ctx.run_of(tx, &agent)?;
        Ok(journal::add(tx, &agent, run.as_ref(), args.category.as_str(), &entry, now)?)
    })?;
    if ctx.json {
        ctx.out.json(&json!({ "entry_id": id, "agent": args.agent, "category": args.category }))?;
    }
    Ok(Exit::Done)
}

fn list(args: &Entries, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let (entries, now) = ctx.read("read the journal in", |connection, now| {
        let agent = match &args.agent {
            Some(agent) => Some(store::agent(connection, agent.as_str())?.agent_id),
            None => None,
        };
        let filter = Filter {
            agent: agent.as_ref(),
            category: args.category.as_ref().map(AsRef::as_ref),
            since: args.since.map(|since| now.minus(since)),
            limit: args.limit,
        };
        Ok((journal::list(connection, &filter)?, now))
    })?;
    for entry in &entries {
        if ctx.json {
            ctx.out.json(entry)?;
        } else {
            let when = ctx.moment(entry.written_at, now);
            let text = entry.text.raw();
            let line = format!("{when}  {}  {}  {text}", entry.agent, entry.category);
            ctx.out.line(sanitize(&line))?;
        }
    }
    Ok(Exit::Done)
}
