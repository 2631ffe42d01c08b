//! `rename`, `edit`, `delete`: changes of one credential that is named exactly.

use common::exit::Exit;
use common::out::sanitize;
use serde_json::json;

use super::{Context, details};
use crate::cli::{DeleteArgs, EditArgs, RenameArgs, WhichArgs};
use crate::credential::Credential;
use crate::error::{Candidate, Error};
use crate::service;
use crate::store::Change;

/// The one credential that is meant, among all of them.
pub(super) fn the_one(
    all: Vec<Credential>,
    service: Option<&str>,
    which: &WhichArgs,
) -> Result<Credential, Error> {
    let name = service.unwrap_or_default().to_owned();
    let normal = service.map(service::normal);
    let matches = |one: &Credential, wanted: Option<&str>| {
        wanted.is_none_or(|wanted| one.service == wanted)
            && which.username.as_ref().is_none_or(|username| &one.username == username)
            && which.id.is_none_or(|id| one.id == id)
    };
    let is_exact = all.iter().any(|one| matches(one, service));
    let wanted = if is_exact { service } else { normal.as_deref() };
    let mut found: Vec<Credential> = all.into_iter().filter(|one| matches(one, wanted)).collect();
    match (found.pop(), found.is_empty()) {
        (Some(one), true) => Ok(one),
        (None, _) => Err(Error::NotFound {
            names: vec![if name.is_empty() {
                which.id.map(|id| format!("id {id}")).unwrap_or_default()
            } else {
                name
            }],
        }),
        (Some(last), false) => {
            found.push(last);
            let candidates = found
                .iter()
                .map(|one| Candidate { id: one.id, username: one.username.clone() })
                .collect();
            Err(Error::Ambiguous { service: name, candidates })
        }
    }
}

/// Another credential must not already have this service and username.
fn check_free(all: &[Credential], changed: &Credential) -> Result<(), Error> {
    let is_taken = all.iter().any(|one| {
        one.id != changed.id && one.service == changed.service && one.username == changed.username
    });
    if is_taken {
        return Err(Error::Exists {
            service: changed.service.clone(),
            username: changed.username.clone(),
        });
    }
    Ok(())
}

fn all(change: &Change<'_>) -> Result<Vec<Credential>, Error> {
    change.credentials()
}

pub(super) fn rename(args: &RenameArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let new = args.new.trim();
    if new.is_empty() || new.chars().any(char::is_control) {
        return Err(Error::Usage {
            message: "the new name is empty or has a control character".to_owned(),
        }
        .into());
    }
    context.vault()?.change(|change| {
        let mut one = the_one(all(change)?, Some(&args.service), &args.which)?;
        new.clone_into(&mut one.service);
        one.updated_at = Context::now();
        check_free(&all(change)?, &one)?;
        Ok(change.update(&one)?)
    })?;
    context.announce_change()?;
    if context.json {
        context.out.json(&json!({ "service": new, "renamed_from": args.service }))?;
    } else {
        context.out.line(format_args!(
            "renamed {} to {}",
            sanitize(&args.service),
            sanitize(new)
        ))?;
    }
    Ok(Exit::Done)
}

pub(super) fn edit(args: &EditArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let mut vault = context.vault()?;
    let now = Context::now();
    // Before anybody types a secret: is it there, and is it one?
    the_one(vault.credentials()?.rows, Some(&args.service), &args.which)?;
    let expires = match &args.expires {
        Some(text) => Some(details::expiry(text, now)?),
        None => None,
    };
    let wants_password = args.secret || (args.from.stdin && args.field.is_empty());
    let is_silent = !wants_password && args.from.generate.is_none() && args.field.is_empty();
    let secrets = if is_silent {
        details::Secrets { password: None, fields: Vec::new() }
    } else {
        details::secrets(&args.from, &args.field, wants_password)?
    };
    vault.change(|change| {
        let mut one = the_one(all(change)?, Some(&args.service), &args.which)?;
        if let Some(username) = &args.set_username {
            one.username.clone_from(username);
        }
        if !args.url.is_empty() {
            one.urls.clone_from(&args.url);
        }
        if let Some(note) = &args.note {
            one.note = crate::secret::Secret::new(note);
        }
        if let Some(expires) = expires {
            one.expires_at = expires;
        }
        if let Some(password) = &secrets.password {
            one.password = password.duplicate();
        }
        for (name, value) in &secrets.fields {
            one.fields.retain(|(own, _)| own != name);
            if !value.is_empty() {
                one.fields.push((name.clone(), value.duplicate()));
            }
        }
        one.updated_at = now;
        if args.set_username.is_some() {
            check_free(&all(change)?, &one)?;
        }
        Ok(change.update(&one)?)
    })?;
    context.announce_change()?;
    if context.json {
        context.out.json(&json!({ "service": args.service, "updated_at": now }))?;
    } else {
        context.out.line(format_args!("changed {}", sanitize(&args.service)))?;
    }
    Ok(Exit::Done)
}

pub(super) fn delete(args: &DeleteArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let mut vault = context.vault()?;
    let opened = vault.credentials()?;
    // A row that cannot be decrypted has no name; its id is the only way to be rid of it.
    let (id, name) = match args.which.id {
        Some(id) if opened.broken.contains(&id) => (id, format!("id {id}")),
        _ => {
            let one = the_one(opened.rows, args.service.as_deref(), &args.which)?;
            (one.id, one.service.clone())
        }
    };
    vault.change(|change| Ok(change.delete(id)?))?;
    context.announce_change()?;
    if context.json {
        context.out.json(&json!({ "id": id, "deleted": name }))?;
    } else {
        context.out.line(format_args!("deleted {}", sanitize(&name)))?;
    }
    Ok(Exit::Done)
}
