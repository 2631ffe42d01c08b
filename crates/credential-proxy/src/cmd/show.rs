//! `show`: everything about a credential but its secrets, also those that stand in its addresses.

use common::exit::Exit;
use common::out::sanitize;
use serde_json::json;

use super::Context;
use crate::address;
use crate::cli::ShowArgs;

pub(super) fn run(args: &ShowArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let (credential, has_note) = context.client()?.show(&args.credential.wanted())?;
    let urls: Vec<String> = credential.urls.iter().map(|url| address::redacted(url)).collect();
    let names: Vec<&str> = credential.fields.iter().map(|(name, _)| name.as_str()).collect();
    if context.json {
        context.out.json(&json!({
            "id": credential.id,
            "service": credential.service,
            "username": credential.username,
            "urls": urls,
            "has_note": has_note,
            "fields": names,
            "expires_at": credential.expires_at,
            "created_at": credential.created_at,
            "updated_at": credential.updated_at,
        }))?;
        return Ok(Exit::Done);
    }
    let mut lines =
        vec![("service", credential.service.clone()), ("username", credential.username.clone())];
    lines.extend(urls.into_iter().map(|url| ("url", url)));
    if has_note {
        lines.push(("note", "(there is one)".to_owned()));
    }
    if !names.is_empty() {
        lines.push(("fields", names.join(", ")));
    }
    if let Some(at) = credential.expires_at {
        lines.push(("expires", super::shown(at, context)));
    }
    lines.push(("created", super::shown(credential.created_at, context)));
    lines.push(("updated", super::shown(credential.updated_at, context)));
    lines.push(("id", credential.id.to_string()));
    for (name, value) in lines {
        context.out.line(format_args!("{name:<9} {}", sanitize(&value)))?;
    }
    Ok(Exit::Done)
}
