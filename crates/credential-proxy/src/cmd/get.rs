//! `get`: one field of one credential.

use common::environment;
use common::exit::Exit;
use common::report::Report;
use serde_json::{Map, Value, json};

use super::Context;
use crate::audit::{Access, Decision, Trail};
use crate::cli::GetArgs;
use crate::credential::Credential;
use crate::error::Error;
use crate::grant::{self, Denial, Grant};
use crate::protocol::Mode;
use crate::reference::Wanted;
use crate::store::{Opened, Vault};

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
    let n_broken = opened.broken.len();
    let found = match wanted.among(opened.rows) {
        Err(Error::NotFound { .. }) if n_broken > 0 => {
            Err(Error::PerhapsBroken { service: wanted.service.clone(), n_broken })
        }
        other => other,
    };
    let service =
        found.as_ref().map_or(wanted.service.as_str(), |one| one.service.as_str()).to_owned();
    let username = found.as_ref().map(|one| one.username.clone()).unwrap_or_default();
    let allowed = allow(&grants, &service);
    let decision = match (&allowed, &found) {
        (Err(_), _) => Decision::Denied,
        (Ok(_), Ok(_)) => Decision::Allowed,
        (Ok(_), Err(Error::Ambiguous { .. })) => Decision::Ambiguous,
        (Ok(_), Err(_)) => Decision::NotFound,
    };
    let token = allowed.as_ref().ok().cloned().flatten();
    record(context, &vault, token.as_deref(), &service, &username, decision)?;
    allowed?;
    found
}

/// The name of the token that allows printing, where one is needed.
fn allow(grants: &Opened<Grant>, service: &str) -> Result<Option<String>, Error> {
    let denied = |denial: Denial| Error::Denied { message: denial.to_string() };
    if grants.rows.is_empty() && grants.broken.is_empty() {
        return Ok(None);
    }
    let token = super::token_of_caller()?.ok_or_else(|| denied(Denial::NoToken))?;
    let grant =
        grant::find(&grants.rows, token.expose()).ok_or_else(|| denied(Denial::UnknownToken))?;
    grant.check(service, Mode::Print, Context::now()).map_err(denied)?;
    Ok(Some(grant.name.clone()))
}

/// Writes the access into the trail, or has the daemon write it while that is its writer.
fn record(
    context: &Context,
    vault: &Vault,
    token: Option<&str>,
    service: &str,
    username: &str,
    decision: Decision,
) -> Result<(), Error> {
    let now = Context::now();
    let exe = std::env::current_exe().ok().map(|path| path.to_string_lossy().into_owned());
    let run = environment::text("AGENT_STATE_RUN_ID");
    if let Some(mut trail) = Trail::open_or_begin(&context.home.audit(), &vault.audit_key()?, now)?
    {
        let access = Access {
            at: now,
            token,
            service,
            username,
            mode: "direct",
            decision,
            uid: rustix::process::geteuid().as_raw(),
            pid: Some(std::process::id()),
            exe: exe.as_deref(),
            run: run.as_deref(),
        };
        return trail.write(&access).map_err(|source| {
            common::error::file("write the audit trail in", context.home.audit().folder())(source)
                .into()
        });
    }
    if let Some(mut client) = context.running()? {
        client.ask(json!({ "action": "note", "service": service, "username": username, "run": run, "detail": decision == Decision::Allowed }))?;
    }
    Ok(())
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
