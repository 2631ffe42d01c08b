//! `agent …`: who there is.

use common::exit::Exit;
use common::fleet::agents::{self, Agent, Registration};
use common::fleet::events::Event;
use common::table::Columns;
use serde_json::{Value, json};

use super::context::Ctx;
use crate::cli::agent::{List, Register, Verb, Which};
use crate::error::Error;
use crate::store;

pub(crate) fn run(verb: &Verb, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    match verb {
        Verb::Register(args) => register(args, ctx),
        Verb::List(args) => list(args, ctx),
        Verb::Show(args) => show(args, ctx),
        Verb::Heartbeat(args) => heartbeat(args, ctx),
        Verb::Retire(args) => retire(args, ctx),
    }
}

fn register(args: &Register, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let metadata = args.metadata.as_deref().map(object).transpose()?;
    let registration = Registration {
        agent_type: args.agent_type,
        cron_job_id: args.cron_job_id.as_ref().map(ToString::to_string),
        metadata,
    };
    let agent = ctx.write("register an agent in", |tx, now| {
        store::register(tx, args.name.as_str(), &registration, now)
    })?;
    ctx.show(&agent, || agent.agent_id.to_string())?;
    Ok(Exit::Done)
}

/// Metadata is an object, so that it can grow without changing its meaning.
pub(crate) fn object(text: &str) -> Result<Value, Error> {
    let refuse = |why: String| Error::NotAnObject { what: "the metadata", why };
    match serde_json::from_str(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(refuse("it is other JSON".to_owned())),
        Err(error) => Err(refuse(error.to_string())),
    }
}

fn list(args: &List, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let (agents, now) = ctx.read("list agents in", |connection, now| {
        Ok((agents::list(connection, args.agent_type)?, now))
    })?;
    let active = agents.into_iter().filter(|agent| agent.retired_at.is_none());
    if ctx.json {
        for agent in active {
            ctx.out.json(&agent)?;
        }
        return Ok(Exit::Done);
    }
    let mut table = Columns::new(["NAME", "TYPE", "LAST SEEN", "ID"]);
    for agent in active {
        table.row([
            agent.name,
            agent.agent_type.as_str().to_owned(),
            ctx.moment(agent.last_seen_at, now),
            agent.agent_id.to_string(),
        ]);
    }
    ctx.out.line(table.render())?;
    Ok(Exit::Done)
}

fn show(args: &Which, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let agent = ctx
        .read("read an agent in", |connection, _| store::agent(connection, args.agent.as_str()))?;
    ctx.show(&agent, || describe(&agent))?;
    Ok(Exit::Done)
}

fn describe(agent: &Agent) -> String {
    let mut table = Columns::new(["agent", agent.name.as_str()]);
    table.row(["id".to_owned(), agent.agent_id.to_string()]);
    table.row(["type".to_owned(), agent.agent_type.as_str().to_owned()]);
    if let Some(cron_job_id) = &agent.cron_job_id {
        table.row(["cron job".to_owned(), cron_job_id.clone()]);
    }
    table.row(["metadata".to_owned(), agent.metadata.to_string()]);
    table.row(["registered".to_owned(), agent.created_at.to_string()]);
    table.row(["last seen".to_owned(), agent.last_seen_at.to_string()]);
    if let Some(retired_at) = agent.retired_at {
        table.row(["retired".to_owned(), retired_at.to_string()]);
    }
    table.render()
}

fn heartbeat(args: &Which, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    ctx.write("note a heartbeat in", |tx, now| {
        let agent = store::agent(tx, args.agent.as_str())?;
        Ok(agents::seen(tx, &agent.agent_id, now)?)
    })?;
    if ctx.json {
        ctx.out.json(&json!({ "agent": args.agent }))?;
    }
    Ok(Exit::Done)
}

fn retire(args: &Which, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let agent =
        ctx.write("retire an agent in", |tx, now| {
            let agent = store::agent(tx, args.agent.as_str())?;
            agents::retire(tx, &agent.agent_id, now)?;
            Event { agent: Some(&agent.agent_id), ..Event::of("agent.retire", &agent.name) }
                .append(tx, &Value::Null, now)?;
            store::agent(tx, agent.agent_id.as_str())
        })?;
    if ctx.json {
        ctx.out.json(&agent)?;
    }
    Ok(Exit::Done)
}
