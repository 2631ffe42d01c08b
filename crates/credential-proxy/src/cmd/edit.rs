//! `edit`: changes what is named of a credential, and nothing else.

use common::exit::Exit;
use common::out::sanitize;
use serde_json::json;

use super::{Context, broken, details};
use crate::audit::Deed;
use crate::cli::EditArgs;
use crate::secret::Secret;

pub(super) fn run(args: &EditArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let now = Context::now();
    let wanted = args.credential.wanted();
    let mut vault = context.vault_for(Deed::Edit, &wanted.service)?;
    // Before anybody types a secret: is it there, and is it one?
    broken::meant(&wanted, vault.credentials()?)?;
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
    let one = vault.change(|change| {
        let mut one = wanted.among(change.credentials()?)?;
        if let Some(username) = &args.set_username {
            one.username.clone_from(username);
        }
        if !args.url.is_empty() {
            one.urls.clone_from(&args.url);
        }
        if let Some(note) = &args.note {
            one.note = Secret::new(note);
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
            details::check_free(&change.credentials()?, one.id, &one.service, &one.username)?;
        }
        change.update(&one)?;
        Ok(one)
    })?;
    context.announce_change()?;
    context.done(&vault, Deed::Edit, &one.service, &one.username);
    if context.json {
        context.out.json(&json!({ "service": wanted.service, "updated_at": now }))?;
    } else {
        context.out.line(format_args!("changed {}", sanitize(&wanted.service)))?;
    }
    Ok(Exit::Done)
}
