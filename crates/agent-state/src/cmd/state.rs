//! `state …`: versioned values.

use std::io::Read as _;

use common::exit::Exit;
use common::fleet::agents::Agent;
use common::fleet::runs::RunId;
use common::sql::Connection;
use common::table::Columns;
use serde::Serialize;
use serde_json::json;

use super::context::Ctx;
use crate::cli::state::{Delete, Get, Key, List, Restore, Set, Verb};
use crate::error::Error;
use crate::store::state::{self, Condition, Version};
use crate::store::{self, Stop};
use crate::value::{Json, MAX_BYTES, Reading, ValueError};

pub(crate) fn run(verb: &Verb, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    match verb {
        Verb::Get(args) => get(args, ctx),
        Verb::Set(args) => set(args, ctx),
        Verb::List(args) => list(args, ctx),
        Verb::Delete(args) => delete(args, ctx),
        Verb::History(args) => history(args, ctx),
        Verb::Restore(args) => restore(args, ctx),
    }
}

/// A version with the agent that it belongs to, as JSON shows it.
#[derive(Serialize)]
struct Row<'a> {
    agent_id: &'a str,
    agent: &'a str,
    #[serde(flatten)]
    version: &'a Version,
}

fn row<'a>(agent: &'a Agent, version: &'a Version) -> Row<'a> {
    Row { agent_id: agent.agent_id.as_str(), agent: &agent.name, version }
}

fn get(args: &Get, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let (agent, version) = ctx.read("read a value in", |connection, _| {
        let agent = store::agent(connection, args.agent.as_str())?;
        let version = state::get(connection, &agent, args.key.as_str())?;
        Ok((agent, version))
    })?;
    ctx.show(&row(&agent, &version), || match &version.value {
        Some(value) if args.raw => value.raw(),
        Some(value) => value.as_str().to_owned(),
        None => String::new(),
    })?;
    Ok(Exit::Done)
}

/// One write for an agent, in the run that the environment names.
fn write(
    ctx: &mut Ctx,
    agent: &str,
    key: &str,
    change: impl FnOnce(
        &Connection,
        &Agent,
        Option<&RunId>,
        common::clock::Timestamp,
    ) -> Result<i64, Stop>,
) -> anyhow::Result<Exit> {
    let (agent, version) = ctx.write("write a value in", |tx, now| {
        let agent = store::agent(tx, agent)?;
        let run = ctx.run_of(tx, &agent)?;
        let version = change(tx, &agent, run.as_ref(), now)?;
        Ok((agent, version))
    })?;
    let facts =
        json!({ "agent_id": agent.agent_id, "agent": agent.name, "key": key, "version": version });
    ctx.show(&facts, || version.to_string())?;
    Ok(Exit::Done)
}

fn set(args: &Set, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let reading = match (args.string, args.json_value) {
        (true, _) => Reading::String,
        (_, true) => Reading::Json,
        _ => Reading::Guess,
    };
    let text = text_of(&args.value, ctx)?;
    let value = Json::read(&text, reading).map_err(Error::from)?;
    let condition = match args.if_version {
        Some(version) => Condition::Version(version),
        None if args.if_absent => Condition::Absent,
        None => Condition::Always,
    };
    write(ctx, args.agent.as_str(), args.key.as_str(), |tx, agent, run, now| {
        state::set(tx, agent, args.key.as_str(), Some(&value), condition, run, now)
    })
}

/// The text that an argument gives or, for `-`, standard input.
pub(super) fn text_of(argument: &str, ctx: &Ctx) -> anyhow::Result<String> {
    if ctx.is_stdin(argument) { stdin(ctx) } else { Ok(argument.to_owned()) }
}

/// Standard input without its last newline, and no more of it than a value can have.
fn stdin(ctx: &Ctx) -> anyhow::Result<String> {
    let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX) + 2;
    let mut bytes = Vec::new();
    ctx.stdin()
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(common::error::file("read", "standard input"))?;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    // Before it is read as text: the limit may have cut a character in two.
    if bytes.len() > MAX_BYTES {
        return Err(Error::from(ValueError::TooLarge).into());
    }
    Ok(String::from_utf8(bytes).map_err(|_| Error::from(ValueError::NotUtf8))?)
}

fn delete(args: &Delete, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let condition = args.if_version.map_or(Condition::Always, Condition::Version);
    let Key { agent, key } = &args.which;
    write(ctx, agent.as_str(), key.as_str(), |tx, agent, run, now| {
        state::delete(tx, agent, key.as_str(), condition, run, now)
    })
}

fn restore(args: &Restore, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let Key { agent, key } = &args.which;
    write(ctx, agent.as_str(), key.as_str(), |tx, agent, run, now| {
        let old = state::version(tx, agent, key.as_str(), args.version)?;
        state::set(tx, agent, key.as_str(), old.value.as_ref(), Condition::Always, run, now)
    })
}

fn list(args: &List, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let prefix = args.prefix.as_ref().map_or("", |prefix| prefix.as_str());
    let (agent, versions, now) = ctx.read("list values in", |connection, now| {
        let agent = store::agent(connection, args.agent.as_str())?;
        let mut versions = Vec::new();
        state::list(connection, &agent.agent_id, prefix, |version| versions.push(version))?;
        Ok((agent, versions, now))
    })?;
    if ctx.json {
        for version in &versions {
            ctx.out.json(&row(&agent, version))?;
        }
        return Ok(Exit::Done);
    }
    let mut table = Columns::new(["KEY", "VERSION", "UPDATED", "VALUE"]);
    for version in versions {
        let value = version.value.as_ref().map_or(String::new(), |value| shortened(value.as_str()));
        table.row([
            version.key,
            version.number.to_string(),
            ctx.moment(version.updated_at, now),
            value,
        ]);
    }
    ctx.out.line(table.render())?;
    Ok(Exit::Done)
}

fn history(args: &Key, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let (agent, versions, now) = ctx.read("read a history in", |connection, now| {
        let agent = store::agent(connection, args.agent.as_str())?;
        let versions = state::history(connection, &agent, args.key.as_str())?;
        Ok((agent, versions, now))
    })?;
    if ctx.json {
        for version in &versions {
            ctx.out.json(&row(&agent, version))?;
        }
        return Ok(Exit::Done);
    }
    let mut table = Columns::new(["VERSION", "WRITTEN", "RUN", "VALUE"]);
    for version in versions {
        table.row([
            version.number.to_string(),
            ctx.moment(version.updated_at, now),
            version.run_id.map_or_else(|| "-".to_owned(), |run| run.to_string()),
            version.value.map_or_else(|| "(deleted)".to_owned(), |value| shortened(value.as_str())),
        ]);
    }
    ctx.out.line(table.render())?;
    Ok(Exit::Done)
}

/// The beginning of a long text, for a table.
fn shortened(text: &str) -> String {
    const MOST: usize = 60;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(MOST - 1).collect();
    short.push('…');
    short
}
