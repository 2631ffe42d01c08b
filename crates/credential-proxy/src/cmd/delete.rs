//! `delete`: takes one credential out of the vault.

use common::exit::Exit;
use common::out::sanitize;
use serde_json::json;

use super::{Context, broken};
use crate::audit::Deed;
use crate::cli::{DeleteArgs, WhichArgs};
use crate::credential::Credential;
use crate::error::Error;
use crate::reference::Wanted;
use crate::store::Opened;

pub(super) fn run(args: &DeleteArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let asked = args.service.as_deref().unwrap_or_default();
    let mut vault = context.vault_for(Deed::Delete, asked)?;
    let opened = vault.credentials()?;
    let (id, name, username) = meant(args, opened)?;
    vault.change(|change| Ok(change.delete(id)?))?;
    context.announce_change()?;
    context.done(&vault, Deed::Delete, &name, &username);
    if context.json {
        context.out.json(&json!({ "id": id, "deleted": name }))?;
    } else {
        context.out.line(format_args!("deleted {}", sanitize(&name)))?;
    }
    Ok(Exit::Done)
}

/// The id of what is meant, its name for people, and its username.
fn meant(args: &DeleteArgs, opened: Opened<Credential>) -> Result<(i64, String, String), Error> {
    let WhichArgs { username, id } = &args.which;
    // A row that cannot be decrypted has no name; its id is the only way to be rid of it.
    if let Some(id) = id.filter(|id| opened.broken.contains(id)) {
        return Ok((id, format!("id {id}"), String::new()));
    }
    let found = match (&args.service, id) {
        (Some(service), _) => {
            let (service, username) = (service.clone(), username.clone());
            broken::meant(&Wanted { service, username, id: *id }, opened)?
        }
        (None, id) => {
            let is_meant = |one: &Credential| {
                Some(one.id) == *id && username.as_ref().is_none_or(|name| *name == one.username)
            };
            let name = id.map(|id| format!("id {id}")).unwrap_or_default();
            let found = opened.rows.into_iter().find(is_meant);
            found.ok_or_else(|| Error::NotFound { names: vec![name] })?
        }
    };
    Ok((found.id, found.service.clone(), found.username.clone()))
}
