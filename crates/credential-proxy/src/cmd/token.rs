//! `token`: grants for jobs.

use common::exit::Exit;
use common::name::Name;
use common::table::Columns;
use serde_json::{Value, json};

use super::{Context, details};
use crate::audit::Deed;
use crate::cli::{TokenCreateArgs, TokenNameArgs, TokenTestArgs, TokenVerb};
use crate::error::Error;
use crate::grant::Grant;
use crate::protocol::Mode;

pub(super) fn run(verb: &TokenVerb, context: &mut Context) -> anyhow::Result<Exit> {
    match verb {
        TokenVerb::Create(args) => create(args, context),
        TokenVerb::List => list(context),
        TokenVerb::Revoke(args) => revoke(args, context),
        TokenVerb::Test(args) => test(args, context),
    }
}

/// All grants; one that cannot be read is an error, for it may be the one that was asked for.
fn grants(context: &Context) -> Result<Vec<Grant>, Error> {
    let vault = context.vault()?;
    let opened = vault.grants(Grant::from_plain)?;
    if opened.broken.is_empty() {
        Ok(opened.rows)
    } else {
        Err(Error::Undecryptable { path: vault.path().to_path_buf(), ids: opened.broken })
    }
}

fn named(context: &Context, name: &str) -> Result<Grant, Error> {
    let found = grants(context)?.into_iter().find(|grant| grant.name == name);
    found.ok_or_else(|| Error::NoToken { name: name.to_owned() })
}

fn create(args: &TokenCreateArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let now = Context::now();
    let name: Name = args
        .name
        .parse()
        .map_err(|error| Error::Usage { message: format!("the name of the token: {error}") })?;
    let expires_at = match &args.expires {
        Some(text) => details::expiry(text, now)?,
        None => None,
    };
    if expires_at.is_some_and(|at| at <= now) {
        let message =
            "the token would have ended before it was made; name a day to come".to_owned();
        return Err(Error::Usage { message }.into());
    }
    let service = format!("token {name}");
    let mut vault = context.vault_for(Deed::TokenCreate, &service)?;
    let before = grants(context)?;
    if before.iter().any(|grant| grant.name == name.as_str()) {
        return Err(Error::Exists {
            service: format!("the token {name}"),
            username: String::new(),
        }
        .into());
    }
    let (grant, token) = Grant::new(name.as_str(), args.allow.clone(), args.rate, expires_at, now);
    vault.change(|change| Ok(change.insert_grant(&grant.to_plain(), now)?))?;
    context.announce_change()?;
    context.done(&vault, Deed::TokenCreate, &service, "");
    if before.is_empty() {
        common::report::warn(
            crate::TOOL,
            "this is the first token: from now on every request needs one",
        );
    }
    if context.json {
        context.out.json(&json!({
            "name": grant.name,
            "token": token.expose(),
            "allow": grant.rules.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "rate": grant.rate.map(|rate| rate.to_string()),
            "expires_at": grant.expires_at,
        }))?;
    } else {
        // The only time that it is shown; scripts put it into a file.
        context.out.line(token.expose())?;
    }
    Ok(Exit::Done)
}

fn list(context: &mut Context) -> anyhow::Result<Exit> {
    let now = Context::now();
    let grants = grants(context)?;
    if context.json {
        let tokens: Vec<Value> = grants
            .iter()
            .map(|grant| {
                json!({
                    "name": grant.name,
                    "allow": grant.rules.iter().map(ToString::to_string).collect::<Vec<_>>(),
                    "rate": grant.rate.map(|rate| rate.to_string()),
                    "expires_at": grant.expires_at,
                    "created_at": grant.created_at,
                })
            })
            .collect();
        context.out.json(&json!({ "tokens": tokens, "count": grants.len() }))?;
        return Ok(Exit::Done);
    }
    if grants.is_empty() {
        if context.out.is_terminal() {
            context.out.line("no tokens: every process of this user may read everything")?;
        }
        return Ok(Exit::Done);
    }
    let mut table = Columns::new(["NAME", "ALLOWS", "RATE", "EXPIRES"]);
    for grant in &grants {
        let rules: Vec<String> = grant.rules.iter().map(ToString::to_string).collect();
        table.row([
            grant.name.clone(),
            rules.join(" "),
            grant.rate.map(|rate| rate.to_string()).unwrap_or_default(),
            grant.ends(now),
        ]);
    }
    context.out.line(table.render())?;
    Ok(Exit::Done)
}

fn revoke(args: &TokenNameArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let service = format!("token {}", args.name);
    let mut vault = context.vault_for(Deed::TokenRevoke, &service)?;
    let grant = named(context, &args.name)?;
    vault.change(|change| Ok(change.delete_grant(grant.id)?))?;
    context.announce_change()?;
    context.done(&vault, Deed::TokenRevoke, &service, "");
    if grants(context)?.is_empty() {
        common::report::warn(
            crate::TOOL,
            "this was the last token: from now on every process of this user may read everything",
        );
    }
    if context.json {
        context.out.json(&json!({ "revoked": args.name }))?;
    } else {
        context.out.line(format_args!("revoked {}", common::out::sanitize(&args.name)))?;
    }
    Ok(Exit::Done)
}

fn test(args: &TokenTestArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let grant = named(context, &args.name)?;
    let now = Context::now();
    let service = crate::service::normal(&args.service);
    let verdicts: Vec<(Mode, bool)> = [Mode::Inject, Mode::Print, Mode::Helper]
        .into_iter()
        .map(|mode| {
            (
                mode,
                grant.check(&args.service, mode, now).is_ok()
                    || grant.check(&service, mode, now).is_ok(),
            )
        })
        .collect();
    let has_expired = grant.has_expired(now);
    let is_any = verdicts.iter().any(|(_, allowed)| *allowed);
    if context.json {
        let mut document = json!({ "token": args.name, "service": args.service, "allowed": is_any, "expired": has_expired });
        if let Some(map) = document.as_object_mut() {
            map.extend(
                verdicts.iter().map(|(mode, allowed)| (mode.word().to_owned(), (*allowed).into())),
            );
        }
        context.out.json(&document)?;
    } else {
        for (mode, allowed) in &verdicts {
            let word = match (has_expired, *allowed) {
                (true, _) => "expired",
                (false, true) => "allowed",
                (false, false) => "denied",
            };
            context.out.line(format_args!("{:<7} {word}", mode.word()))?;
        }
    }
    Ok(if is_any { Exit::Done } else { Exit::No })
}
