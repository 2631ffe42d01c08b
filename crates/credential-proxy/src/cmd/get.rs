//! `get`: one field of one credential.

use common::exit::Exit;
use serde_json::{Map, Value, json};

use super::Context;
use crate::cli::{GetArgs, WhichArgs};
use crate::credential::Credential;
use crate::error::Error;
use crate::protocol::Mode;
use crate::reference::Wanted;

pub(super) fn run(args: &GetArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let wanted = wanted(&args.service, &args.which);
    let credential = if args.direct {
        direct(context, &wanted)?
    } else {
        context.client()?.get(&wanted, Mode::Print)?
    };
    let value = credential.field(&args.field);
    let Some(value) = value else {
        return Err(
            Error::NoField { service: credential.service, field: args.field.clone() }.into()
        );
    };
    if args.check {
        return Ok(Exit::Done);
    }
    if context.json {
        let document = if args.field == "password" {
            document(&credential)
        } else {
            let mut map = Map::new();
            map.insert("service".to_owned(), credential.service.as_str().into());
            map.insert(args.field.clone(), value.into());
            Value::Object(map)
        };
        context.out.json(&document)?;
    } else {
        context.out.bytes(value.as_bytes())?;
        context.out.bytes(b"\n")?;
    }
    Ok(Exit::Done)
}

pub(super) fn wanted(service: &str, which: &WhichArgs) -> Wanted {
    Wanted { service: service.to_owned(), username: which.username.clone(), id: which.id }
}

/// Opens the vault in this process.
fn direct(context: &Context, wanted: &Wanted) -> Result<Credential, Error> {
    let opened = context.vault()?.credentials()?;
    let n_broken = opened.broken.len();
    let args = WhichArgs { username: wanted.username.clone(), id: wanted.id };
    match super::change::the_one(opened.rows, Some(&wanted.service), &args) {
        Err(Error::NotFound { .. }) if n_broken > 0 => {
            Err(Error::PerhapsBroken { service: wanted.service.clone(), n_broken })
        }
        other => other,
    }
}

/// A whole credential as JSON, secrets included: the caller asked for them.
fn document(credential: &Credential) -> Value {
    let fields: Map<String, Value> = credential
        .fields
        .iter()
        .map(|(name, value)| (name.clone(), value.expose().into()))
        .collect();
    json!({
        "id": credential.id,
        "service": credential.service,
        "username": credential.username,
        "password": credential.password.expose(),
        "url": credential.urls.first().map_or("", String::as_str),
        "urls": credential.urls,
        "note": credential.note.expose(),
        "fields": fields,
        "expires_at": credential.expires_at,
        "created_at": credential.created_at,
        "updated_at": credential.updated_at,
    })
}
