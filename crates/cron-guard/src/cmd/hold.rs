//! `hold`, `release` and `ack`: what a person decides about blocks, on the record.

use common::Exit;
use common::report;
use serde_json::json;

use super::Ctx;
use crate::TOOL;
use crate::actor::Actor;
use crate::alert::compose;
use crate::cli::{AckArgs, HoldArgs, ScopeArgs};
use crate::error::Error;
use crate::guard::{Acked, Released};
use crate::store::holds::Scope;

pub(crate) fn hold(args: &HoldArgs, ctx: &mut Ctx<'_>) -> anyhow::Result<Exit> {
    let scope = scope(&args.scope);
    let settings = ctx.settings()?;
    if let Scope::Label(label) = &scope
        && settings.with_label(label).next().is_none()
    {
        report::warn(TOOL, &format!("no job in guard.toml has the label {label}"));
    }
    let reason = reason(&args.reason)?;
    let mut guard = ctx.guard(&settings)?;
    if let Scope::Job(job) = &scope
        && !guard.knows(job)?
    {
        report::warn(TOOL, &format!("no job {job} is known yet; the hold waits for it"));
    }
    let is_new = guard.hold(&scope, &Actor::here(), reason)?;
    if ctx.json {
        ctx.out.json(&json!({ "scope": scope.to_string(), "held": true, "changed": is_new }))?;
    } else if ctx.out.is_terminal() {
        ctx.out.line(format!("{scope} {}", if is_new { "is held" } else { "was held already" }))?;
    }
    Ok(Exit::Done)
}

pub(crate) fn release(args: &HoldArgs, ctx: &mut Ctx<'_>) -> anyhow::Result<Exit> {
    let scope = scope(&args.scope);
    let settings = ctx.settings()?;
    let reason = reason(&args.reason)?;
    let mut guard = ctx.guard(&settings)?;
    let was_held = match guard.release(&scope, &Actor::here(), reason)? {
        Released::Yes => true,
        Released::NotHeld => false,
        Released::Refused => {
            return Err(Error::Unattended { doing: "release", what: scope.to_string() }.into());
        }
    };
    if ctx.json {
        ctx.out.json(&json!({ "scope": scope.to_string(), "held": false, "changed": was_held }))?;
    } else if ctx.out.is_terminal() && was_held {
        ctx.out.line(format!("{scope} is released"))?;
    }
    if !was_held {
        if let Scope::Job(job) = &scope
            && let Some(hold) = guard.concerning(job)?
        {
            let named_db = ctx.named_db();
            let release =
                compose::as_shell(&compose::release_argv(&hold.scope, named_db.as_deref()));
            return Err(Error::HeldOtherwise { job: job.clone(), by: hold.scope, release }.into());
        }
        return Err(Error::NotHeld { scope: scope.to_string() }.into());
    }
    Ok(Exit::Done)
}

pub(crate) fn ack(args: &AckArgs, ctx: &mut Ctx<'_>) -> anyhow::Result<Exit> {
    let settings = ctx.settings()?;
    let job = args.job.to_string();
    match ctx.guard(&settings)?.ack(&job, &Actor::here().name)? {
        Acked::Yes => {
            if ctx.json {
                ctx.out.json(&json!({ "job": job, "acknowledged": true }))?;
            }
            Ok(Exit::Done)
        }
        Acked::NotBlocked => Err(Error::NotBlocked { job }.into()),
        Acked::Unknown => Err(Error::NoJob { job }.into()),
    }
}

fn scope(args: &ScopeArgs) -> Scope {
    match (&args.job, &args.label) {
        (Some(job), _) => Scope::Job(job.to_string()),
        (None, Some(label)) => Scope::Label(label.to_string()),
        (None, None) => Scope::All,
    }
}

fn reason(given: &str) -> Result<&str, Error> {
    let given = given.trim();
    if given.is_empty() {
        return Err(Error::Usage("a reason is needed: --reason TEXT".to_owned()));
    }
    Ok(given)
}
