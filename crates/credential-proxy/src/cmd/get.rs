//! `get`: one field of one credential.

use common::exit::Exit;
use common::report::Report;
use serde_json::{Map, Value, json};

use super::deed::Note;
use super::{Context, broken};
use crate::audit::{Decision, Deed};
use crate::cli::GetArgs;
use crate::credential::Credential;
use crate::error::Error;
use crate::grant::{self, Denial, Grant};
use crate::protocol::Mode;
use crate::reference::Wanted;
use crate::store::Opened;

pub(super) fn run(args: &GetArgs, context: &mut Context) -> anyhow::Result<Exit> {
    match get(args, context) {
        Err(error) if args.check && Report::of::<Error>(&error).exit == Exit::No => Ok(Exit::No),
        other => other,
    }
}

fn get(args: &GetArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let wanted = args.credential.wanted();
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

/// Opens the vault in this process. Grants hold here, too, and the access is recorded.
fn direct(context: &Context, wanted: &Wanted) -> Result<Credential, Error> {
    let vault = context.vault()?;
    let opened = vault.credentials()?;
    let grants = vault.grants(Grant::from_plain)?;
    let found = broken::meant(wanted, opened);
    let service =
        found.as_ref().map_or(wanted.service.as_str(), |one| one.service.as_str()).to_owned();
    let username = found.as_ref().map(|one| one.username.clone()).unwrap_or_default();
    let (token, denial) = allow(&grants, &service)?;
    let decision = match (&denial, &found) {
        (Some(_), _) => Decision::Denied,
        (None, Ok(_)) => Decision::Allowed,
        (None, Err(Error::Ambiguous { .. })) => Decision::Ambiguous,
        (None, Err(_)) => Decision::NotFound,
    };
    context.note(
        &vault,
        &Note {
            deed: Deed::Direct,
            service: &service,
            username: &username,
            token: token.as_deref(),
            decision,
        },
    )?;
    match denial {
        Some(denial) => Err(Error::Denied { message: denial.to_string() }),
        None => found,
    }
}

/// The name of the caller's token where one is needed, and why it does not allow printing if it does not.
fn allow(grants: &Opened<Grant>, service: &str) -> Result<(Option<String>, Option<Denial>), Error> {
    if grants.rows.is_empty() && grants.broken.is_empty() {
        return Ok((None, None));
    }
    let Some(token) = super::token_of_caller()? else { return Ok((None, Some(Denial::NoToken))) };
    let Some(grant) = grant::find(&grants.rows, token.expose()) else {
        return Ok((None, Some(Denial::UnknownToken)));
    };
    let denial = grant.check(service, Mode::Print, Context::now()).err();
    Ok((Some(grant.name.clone()), denial))
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
