//! `add`: a new credential; its secret never comes from an argument.

use common::exit::Exit;
use serde_json::json;

use super::{Context, details};
use crate::audit::Deed;
use crate::cli::AddArgs;
use crate::credential::Credential;
use crate::secret::Secret;
use crate::service::Origin;

pub(super) fn run(args: &AddArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let now = Context::now();
    let mut urls = args.details.url.clone();
    if Origin::of(&args.service).is_some() && urls.is_empty() {
        urls.push(args.service.clone());
    }
    let service = details::service(&args.service)?;
    let username = args.details.username.clone().unwrap_or_default();
    // Before anybody types a secret: is there a vault that will take it?
    let mut vault = context.vault_for(Deed::Add, &service)?;
    // A new one has no id yet, so that every other counts.
    details::check_free(&vault.credentials()?.rows, 0, &service, &username)?;
    let expires_at = match &args.details.expires {
        Some(text) => details::expiry(text, now)?,
        None => None,
    };
    let secrets = details::secrets(&args.secret, &args.details.field, true)?;
    let credential = Credential {
        id: 0,
        service: service.clone(),
        username: username.clone(),
        urls,
        password: secrets.password.unwrap_or_default(),
        note: Secret::new(args.details.note.clone().unwrap_or_default()),
        fields: secrets.fields,
        expires_at,
        created_at: now,
        updated_at: now,
    };
    let id = vault.change(|change| {
        // Somebody may have added it while the secret was typed.
        details::check_free(&change.credentials()?, 0, &service, &username)?;
        Ok(change.insert(&credential)?)
    })?;
    context.announce_change()?;
    context.done(&vault, Deed::Add, &service, &username);
    if context.json {
        context.out.json(&json!({ "id": id, "service": service, "username": username, "expires_at": expires_at }))?;
    } else if username.is_empty() {
        context.out.line(format_args!("added {}", common::out::sanitize(&service)))?;
    } else {
        context.out.line(format_args!(
            "added {} for {}",
            common::out::sanitize(&service),
            common::out::sanitize(&username)
        ))?;
    }
    Ok(Exit::Done)
}
