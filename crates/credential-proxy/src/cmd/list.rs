//! `list` and `show`: what is there, never a secret.

use common::clock::Timestamp;
use common::exit::Exit;
use common::out::sanitize;
use common::table::Columns;
use serde_json::{Value, json};

use super::{Context, get};
use crate::cli::{ListArgs, ShowArgs};
use crate::client::moment;

pub(super) fn run(args: &ListArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let answer = context
        .client()?
        .ask(json!({ "action": "list", "prefix": args.prefix, "detail": true }))?;
    if context.json {
        context.out.json(&answer)?;
        return Ok(Exit::Done);
    }
    let none = Vec::new();
    let credentials = answer.get("credentials").and_then(Value::as_array).unwrap_or(&none);
    let mut table = Columns::new(["SERVICE", "USERNAME", "ID", "EXPIRES"]);
    for one in credentials {
        let text = |key: &str| one.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let expires = text("expires_at");
        let expires = if expires.is_empty() { expires } else { shown(moment(&expires), context) };
        table.row([
            text("service"),
            text("username"),
            one.get("id").map(ToString::to_string).unwrap_or_default(),
            expires,
        ]);
    }
    if credentials.is_empty() {
        if context.out.is_terminal() {
            context.out.line("no credentials; add one with `credential-proxy add SERVICE`")?;
        }
    } else {
        context.out.line(table.render())?;
    }
    Ok(Exit::Done)
}

/// People see how long from now, programs the moment.
fn shown(at: Timestamp, context: &Context) -> String {
    if context.out.is_terminal() { at.relative(Context::now()) } else { at.to_string() }
}

pub(super) fn show(args: &ShowArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let (credential, has_note) =
        context.client()?.show(&get::wanted(&args.service, &args.which))?;
    let names: Vec<&str> = credential.fields.iter().map(|(name, _)| name.as_str()).collect();
    if context.json {
        context.out.json(&json!({
            "id": credential.id,
            "service": credential.service,
            "username": credential.username,
            "urls": credential.urls,
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
    lines.extend(credential.urls.iter().map(|url| ("url", url.clone())));
    if has_note {
        lines.push(("note", "(there is one)".to_owned()));
    }
    if !names.is_empty() {
        lines.push(("fields", names.join(", ")));
    }
    if let Some(at) = credential.expires_at {
        lines.push(("expires", shown(at, context)));
    }
    lines.push(("created", shown(credential.created_at, context)));
    lines.push(("updated", shown(credential.updated_at, context)));
    lines.push(("id", credential.id.to_string()));
    for (name, value) in lines {
        context.out.line(format_args!("{name:<9} {}", sanitize(&value)))?;
    }
    Ok(Exit::Done)
}
