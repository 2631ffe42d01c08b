//! `lock …`: who holds what.

mod exec;
pub(crate) mod obtain;

use std::path::Path;

use common::clock::Timestamp;
use common::duration;
use common::exit::Exit;
use common::name::Name;
use common::out::sanitize;
use common::table::Columns;
use serde_json::json;

use super::context::Ctx;
use crate::cli::lock::{Acquire, Break, Release, Renew, Resource, Verb, Verify, Which};
use crate::error::Error;
use crate::lock::Claim;
use crate::store;
use crate::store::locks::{self, Grant, Request};
use obtain::Waiting;

pub(crate) fn run(verb: &Verb, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    match verb {
        Verb::Acquire(args) => acquire(args, ctx),
        Verb::Release(args) => release(args, ctx),
        Verb::Renew(args) => renew(args, ctx),
        Verb::Check(args) => check(args, ctx),
        Verb::List => list(ctx),
        Verb::Verify(args) => verify(args, ctx),
        Verb::Break(args) => break_open(args, ctx),
        Verb::Exec(args) => Ok(exec::run(args, ctx)),
    }
}

fn acquire(args: &Acquire, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let resource = resource(&args.resource, args.terms.path)?;
    // By the connection that then writes: opening another one would cost more than reading.
    let request = ctx.with_database(|database| {
        store::read(database, "read an agent in", |connection, _| {
            let agent = store::agent(connection, args.agent.as_str())?;
            Ok(Request {
                claims: vec![Claim {
                    resource,
                    shared: args.terms.shared,
                    is_path: args.terms.path,
                }],
                run: ctx.run_of(connection, &agent)?,
                agent: Some(agent.agent_id),
                reason: args.terms.reason.as_ref().map(ToString::to_string),
                ttl: args.terms.ttl,
                under: None,
                holder: None,
                waiter: None,
            })
        })
    })?;
    let waiting = Waiting {
        patience: args.terms.wait,
        held_exit: held_exit(args.terms.exit_code),
        is_wanted: &ctx.is_wanted,
    };
    let grants =
        ctx.with_database(|database| obtain::obtain(database, ctx.here(), request, waiting))?;
    for grant in &grants {
        ctx.show(grant, || grant.token.to_string())?;
    }
    Ok(Exit::Done)
}

/// The exit code of a lock that is held: an honest no, unless the caller chose another.
fn held_exit(code: u8) -> Exit {
    if code == Exit::No.code() { Exit::No } else { Exit::Code(code) }
}

/// The name of a resource; a path is made absolute and freed of links.
fn resource(named: &Resource, is_path: bool) -> anyhow::Result<String> {
    if is_path {
        return Ok(crate::path::absolute(Path::new(&named.0))?);
    }
    // Only a path may be longer than a name.
    let name: Name = named.0.parse().map_err(Error::from)?;
    Ok(name.to_string())
}

fn release(args: &Release, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let resource = resource(&args.resource, args.path)?;
    let grant = ctx.write("release a lock in", |tx, now| {
        let agent = store::agent(tx, args.agent.as_str())?;
        let run = ctx.run_of(tx, &agent)?;
        let holders = locks::holders(tx, &resource, ctx.here(), now)?;
        let is_own = |grant: &Grant| {
            let is_named = match args.token {
                Some(token) => grant.token == token,
                // What belongs to a process ends with it, or by its token.
                None => grant.run_id == run && grant.holder.is_none(),
            };
            is_named && grant.agent_id.as_ref() == Some(&agent.agent_id)
        };
        let Some(grant) = holders.iter().find(|grant| is_own(grant)).cloned() else {
            let grant = holders.into_iter().next().map(Box::new);
            return Err(Error::NotHolder { resource, agent: agent.name, grant }.into());
        };
        locks::release(tx, &grant, now)?;
        Ok(grant)
    })?;
    if ctx.json {
        ctx.out.json(
            &json!({ "resource": grant.resource, "token": grant.token, "status": "released" }),
        )?;
    }
    Ok(Exit::Done)
}

fn check(args: &Which, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let resource = resource(&args.resource, args.path)?;
    let claim = Claim { resource, shared: false, is_path: args.path };
    let (holders, now) = ctx.read("read locks in", |connection, now| {
        Ok((locks::in_the_way(connection, &claim, ctx.here(), now)?, now))
    })?;
    let resource = claim.resource;
    let status = if holders.is_empty() { "free" } else { "held" };
    let first = holders.first();
    let facts = json!({
        "resource": resource,
        "status": status,
        "agent": first.and_then(|grant| grant.agent.as_ref()),
        "agent_id": first.and_then(|grant| grant.agent_id.as_ref()),
        "run_id": first.and_then(|grant| grant.run_id.as_ref()),
        "token": first.map(|grant| grant.token),
        "expires_at": first.map(|grant| grant.expires_at),
        "holders": holders,
    });
    ctx.show(&facts, || {
        let line = |grant: &Grant| {
            let held = describe(grant, now);
            if grant.resource == resource {
                held
            } else {
                // A path above or below it.
                format!("`{}` is {held}", sanitize(&grant.resource))
            }
        };
        let lines: Vec<String> = holders.iter().map(line).collect();
        if lines.is_empty() { status.to_owned() } else { lines.join("\n") }
    })?;
    Ok(if holders.is_empty() { Exit::No } else { Exit::Done })
}

fn describe(grant: &Grant, now: Timestamp) -> String {
    let left = duration::human(grant.expires_at.since(now));
    let text = format!("{}, token {}, {left} left", grant.describe(), grant.token);
    sanitize(&text).into_owned()
}

fn list(ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let (grants, now) = ctx.read("list locks in", |connection, now| {
        Ok((locks::held(connection, ctx.here(), now)?, now))
    })?;
    if ctx.json {
        for grant in &grants {
            ctx.out.json(grant)?;
        }
        return Ok(Exit::Done);
    }
    let mut table = Columns::new(["RESOURCE", "AGENT", "MODE", "TOKEN", "SINCE", "LEFT", "REASON"]);
    for grant in grants {
        let mode = if grant.shared { "shared" } else { "exclusive" };
        table.row([
            grant.resource,
            grant.agent.unwrap_or_else(|| "-".to_owned()),
            mode.to_owned(),
            grant.token.to_string(),
            ctx.moment(grant.acquired_at, now),
            duration::human(grant.expires_at.since(now)),
            grant.reason.unwrap_or_default(),
        ]);
    }
    ctx.out.line(table.render())?;
    Ok(Exit::Done)
}

fn renew(args: &Renew, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let resource = resource(&args.resource, args.path)?;
    let grant = ctx.write("renew a lock in", |tx, now| {
        let agent = store::agent(tx, args.agent.as_str())?;
        let mut holders = locks::holders(tx, &resource, ctx.here(), now)?;
        let is_own = |grant: &Grant| {
            grant.token == args.token && grant.agent_id.as_ref() == Some(&agent.agent_id)
        };
        match holders.iter().position(is_own) {
            Some(own) => Ok(locks::renew(tx, holders.swap_remove(own), args.ttl, now)?),
            None => Err(Error::StaleToken { resource, token: args.token }.into()),
        }
    })?;
    if ctx.json {
        ctx.out.json(&grant)?;
    }
    Ok(Exit::Done)
}

fn verify(args: &Verify, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let resource = resource(&args.resource, args.path)?;
    let grant = ctx.read("read locks in", |connection, now| {
        let holders = locks::holders(connection, &resource, ctx.here(), now)?;
        let current = holders.into_iter().find(|grant| grant.token == args.token);
        current.ok_or_else(|| Error::StaleToken { resource, token: args.token }.into())
    })?;
    if ctx.json {
        ctx.out.json(&grant)?;
    }
    Ok(Exit::Done)
}

fn break_open(args: &Break, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let resource = resource(&args.resource, args.path)?;
    let broken = ctx.write("break a lock in", |tx, now| {
        let holders = locks::holders(tx, &resource, ctx.here(), now)?;
        if holders.is_empty() {
            return Err(Error::NotLocked { resource }.into());
        }
        for grant in &holders {
            locks::break_open(tx, grant, args.reason.as_str(), now)?;
        }
        Ok(holders)
    })?;
    for grant in &broken {
        let facts = json!({ "resource": grant.resource, "token": grant.token, "status": "broken", "holder": grant });
        let who = grant.agent.as_deref().unwrap_or("its holder");
        ctx.show(&facts, || {
            sanitize(&format!("taken from {who}, token {}", grant.token)).into_owned()
        })?;
    }
    Ok(Exit::Done)
}
