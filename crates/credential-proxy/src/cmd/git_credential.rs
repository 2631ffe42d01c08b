//! `git-credential`: a credential helper for git.

use std::io::Read as _;

use common::clock::Timestamp;
use common::exit::Exit;
use common::report;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::Context;
use crate::audit::Deed;
use crate::cli::HelperArgs;
use crate::client::Client;
use crate::credential::Credential;
use crate::error::Error;
use crate::git::{self, Description};
use crate::protocol::Mode;
use crate::reference::Wanted;
use crate::secret::Secret;
use crate::service;

/// git's own lines are at most 65,535 bytes long, and there are few of them.
const MAX_INPUT: u64 = 1 << 20;

/// Marks what git stored, which is what git may erase.
const MARK: (&str, &str) = ("stored_by", "git");

pub(super) fn run(args: &HelperArgs, context: &mut Context) -> anyhow::Result<Exit> {
    match args.operation.as_str() {
        "get" => get(context),
        "store" => store(context),
        "erase" => erase(context),
        "capability" => {
            context.out.line("version 0")?;
            Ok(Exit::Done)
        }
        // git asks new questions of old helpers, and wants no answer to them.
        _ => Ok(Exit::Done),
    }
}

fn description() -> Result<Option<Description>, Error> {
    let mut bytes = Zeroizing::new(Vec::new());
    std::io::stdin()
        .lock()
        .take(MAX_INPUT)
        .read_to_end(&mut bytes)
        .map_err(common::error::file("read", "standard input"))?;
    Ok(std::str::from_utf8(&bytes).ok().and_then(Description::parse))
}

fn get(context: &mut Context) -> anyhow::Result<Exit> {
    let Some(wanted) = description()? else { return Ok(Exit::Done) };
    if wanted.protocol.is_empty() || wanted.host.is_empty() {
        return Ok(Exit::Done);
    }
    let mut client = context.client()?;
    let fitting = fitting(&mut client, &wanted)?;
    let one = match fitting.as_slice() {
        [] => return Ok(Exit::Done),
        [one] => one,
        several => {
            let names: Vec<&str> = several.iter().map(|one| one.username.as_str()).collect();
            report::warn(
                crate::TOOL,
                &format!(
                    "{} has several accounts ({}); name one in the URL, as https://NAME@{}/",
                    wanted.host,
                    names.join(", "),
                    wanted.host
                ),
            );
            return Ok(Exit::Done);
        }
    };
    let one = client.get(
        &Wanted { service: one.service.clone(), username: None, id: Some(one.id) },
        Mode::Helper,
    )?;
    match git::answer(&one) {
        Some(text) => context.out.bytes(text.as_bytes())?,
        None => report::warn(
            crate::TOOL,
            &format!(
                "the credential for {} has a line break, which git does not take",
                wanted.host
            ),
        ),
    }
    Ok(Exit::Done)
}

/// The credentials that fit, without their secrets.
fn fitting(client: &mut Client, wanted: &Description) -> Result<Vec<Credential>, Error> {
    let name = service::normal(&wanted.host);
    let answer = client.ask(json!({ "action": "list", "prefix": name, "detail": true }))?;
    let listed = answer.get("credentials").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut fitting = Vec::new();
    for one in listed {
        let (Some(service), Some(id)) =
            (one.get("service").and_then(Value::as_str), one.get("id").and_then(Value::as_i64))
        else {
            continue;
        };
        if service != name && service != wanted.host {
            continue;
        }
        let (one, _) =
            client.show(&Wanted { service: service.to_owned(), username: None, id: Some(id) })?;
        if wanted.fits(&one)
            && wanted.username.as_ref().is_none_or(|username| *username == one.username)
        {
            fitting.push(one);
        }
    }
    Ok(fitting)
}

fn store(context: &mut Context) -> anyhow::Result<Exit> {
    let Some(told) = description()? else { return Ok(Exit::Done) };
    let Some(password) = &told.password else { return Ok(Exit::Done) };
    if told.protocol.is_empty() || told.host.is_empty() || password.is_empty() {
        return Ok(Exit::Done);
    }
    let now = Context::now();
    let username = told.username.clone().unwrap_or_default();
    let expires_at = told.expires.map(|seconds| Timestamp(seconds.saturating_mul(1000)));
    let service = service::normal(&told.host);
    let mut vault = context.vault_for_helper(Deed::Store, &service)?;
    let changed = vault.change(|change| {
        let fitting: Vec<Credential> = change
            .credentials()?
            .into_iter()
            .filter(|one| one.username == username && told.fits(one))
            .collect();
        // What is known already, as after every fetch, is not written again.
        if fitting.iter().any(|one| {
            one.password.is_same(password) && (expires_at.is_none() || one.expires_at == expires_at)
        }) {
            return Ok(false);
        }
        if let Some(mut one) = fitting.into_iter().next() {
            one.password = password.duplicate();
            one.expires_at = expires_at;
            one.updated_at = now;
            change.update(&one)?;
        } else {
            change.insert(&Credential {
                id: 0,
                service: service.clone(),
                username: username.clone(),
                urls: vec![told.url()],
                password: password.duplicate(),
                note: Secret::default(),
                fields: vec![(MARK.0.to_owned(), Secret::new(MARK.1))],
                expires_at,
                created_at: now,
                updated_at: now,
            })?;
        }
        Ok(true)
    })?;
    if changed {
        context.announce_change()?;
        context.done(&vault, Deed::Store, &service, &username);
    }
    Ok(Exit::Done)
}

fn erase(context: &mut Context) -> anyhow::Result<Exit> {
    let Some(told) = description()? else { return Ok(Exit::Done) };
    let service = service::normal(&told.host);
    let mut vault = context.vault_for_helper(Deed::Erase, &service)?;
    let (n_erased, kept) = vault.change(|change| {
        let (mut n_erased, mut kept) = (0, Vec::new());
        for one in change.credentials()? {
            let is_meant = told.fits(&one)
                && told.username.as_ref().is_none_or(|username| *username == one.username)
                // Another password is not the one that was rejected.
                && told.password.as_ref().is_none_or(|password| password.is_same(&one.password));
            if is_meant && one.field(MARK.0) == Some(MARK.1) {
                change.delete(one.id)?;
                n_erased += 1;
            } else if is_meant {
                kept.push(one);
            }
        }
        Ok((n_erased, kept))
    })?;
    // One bad answer of a server must not cost the only copy of what somebody else put there.
    for one in kept {
        context.kept(&vault, &one.service, &one.username);
    }
    if n_erased > 0 {
        context.announce_change()?;
        context.done(&vault, Deed::Erase, &service, told.username.as_deref().unwrap_or_default());
    }
    Ok(Exit::Done)
}
