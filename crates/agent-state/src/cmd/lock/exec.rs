//! `lock exec`: a command that runs while locks are held, and ends when one is lost.

use common::exit::Exit;
use common::fleet::liveness::Holder;
use common::report;

use super::super::context::Ctx;
use super::super::keeper::Keeper;
use super::super::wrap::{self, Terms};
use super::obtain::{self, Waiting};
use super::{held_exit, resource};
use crate::TOOL;
use crate::cli::lock::Exec;
use crate::error::Error;
use crate::lock::Claim;
use crate::store;
use crate::store::locks::{self, Request};

pub(super) fn run(args: &Exec, ctx: &mut Ctx) -> Exit {
    wrap::guarded(ctx, |ctx| {
        let resources = args
            .resources
            .iter()
            .map(|name| resource(name, args.terms.path))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let mut claims: Vec<Claim> = resources
            .iter()
            .map(|resource| Claim {
                resource: resource.clone(),
                shared: args.terms.shared,
                is_path: args.terms.path,
            })
            .collect();
        claims.sort_by(|one, other| one.resource.cmp(&other.resource));
        claims.dedup();
        let request = request(args, ctx, claims)?;
        let waiting = Waiting {
            patience: args.terms.wait,
            held_exit: held_exit(args.terms.exit_code),
            is_wanted: &ctx.is_wanted,
        };
        let grants = obtain::obtain(&mut ctx.open()?, ctx.here(), request, waiting)?;
        let mut command = wrap::command(&args.command, ctx);
        wrap::export_tokens(&mut command, resources.iter().map(String::as_str), &grants);
        let keeper = Keeper::new(ctx).with_locks(&grants, args.terms.ttl);
        let ended = wrap::run(command, &Terms::default(), keeper);
        let released = ctx.record("release locks in", |tx, now| {
            for grant in &grants {
                locks::release(tx, grant, now)?;
            }
            Ok(())
        });
        if let Err(error) = released {
            // The command has run; its locks lapse with this process.
            report::fail::<Error>(TOOL, ctx.json, &error);
        }
        let ended = ended?;
        if ended.lost_lock {
            report::warn(TOOL, "a lock was lost, so the command was ended");
        }
        Ok(ended.fate.exit())
    })
}

fn request(args: &Exec, ctx: &Ctx, claims: Vec<Claim>) -> anyhow::Result<Request> {
    let name = args.agent.as_ref().map(ToString::to_string).or_else(|| ctx.outer_agent.clone());
    let (agent, run) = match name {
        Some(name) => ctx.read("read an agent in", |connection, _| {
            let agent = store::agent(connection, &name)?;
            let run = ctx.run_of(connection, &agent)?;
            Ok((Some(agent.agent_id), run))
        })?,
        None => (None, None),
    };
    Ok(Request {
        claims,
        agent,
        run,
        reason: args.terms.reason.as_ref().map(ToString::to_string),
        ttl: args.terms.ttl,
        under: None,
        holder: Holder::this_process(ctx.here()),
        waiter: None,
    })
}
