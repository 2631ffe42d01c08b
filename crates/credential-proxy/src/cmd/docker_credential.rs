//! `docker-credential`: a credential helper for docker. Its errors go to stdout, as docker expects.

use std::io::Read as _;

use common::exit::Exit;
use common::report::Report;
use serde::Deserialize;
use serde_json::{Map, json};
use zeroize::Zeroizing;

use super::Context;
use crate::audit::Deed;
use crate::cli::HelperArgs;
use crate::credential::Credential;
use crate::error::Error;
use crate::protocol::Mode;
use crate::reference::Wanted;
use crate::secret::Secret;
use crate::service::{self, Origin};

const MAX_INPUT: u64 = 1 << 20;

/// Marks what docker stored, which is what docker may list and erase.
const MARK: (&str, &str) = ("stored_by", "docker");

/// The texts that docker compares.
const NOT_FOUND: &str = "credentials not found in native keychain";
const NO_URL: &str = "no credentials server URL";
const NO_USERNAME: &str = "no credentials username";

#[derive(Deserialize)]
struct Told {
    #[serde(rename = "ServerURL", default)]
    server: String,
    #[serde(rename = "Username", default)]
    username: String,
    #[serde(rename = "Secret", default)]
    secret: String,
}

pub(super) fn run(args: &HelperArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let result = match args.operation.as_str() {
        "get" => get(context),
        "store" => store(context),
        "erase" => erase(context),
        "list" => list(context),
        "version" => {
            context.out.line(format_args!("{} {}", crate::TOOL, env!("CARGO_PKG_VERSION")))?;
            return Ok(Exit::Done);
        }
        other => {
            return refuse(
                context,
                &format!("unknown credential action `{}`", other.escape_default()),
            );
        }
    };
    match result {
        Ok(Some(problem)) => refuse(context, problem),
        Ok(None) => Ok(Exit::Done),
        Err(error) => {
            let text = Report::of::<Error>(&error).message;
            refuse(context, &text)
        }
    }
}

fn refuse(context: &mut Context, problem: &str) -> anyhow::Result<Exit> {
    context.out.line(problem)?;
    Ok(Exit::No)
}

fn input() -> Result<Zeroizing<String>, Error> {
    let mut text = Zeroizing::new(String::new());
    std::io::stdin()
        .lock()
        .take(MAX_INPUT)
        .read_to_string(&mut text)
        .map_err(common::error::file("read", "standard input"))?;
    Ok(text)
}

fn is_marked(one: &Credential) -> bool {
    one.field(MARK.0) == Some(MARK.1)
}

/// What went wrong in words of the protocol; `None` when all went well.
type Outcome = anyhow::Result<Option<&'static str>>;

fn get(context: &mut Context) -> Outcome {
    let text = input()?;
    let server = text.trim();
    if server.is_empty() {
        return Ok(Some(NO_URL));
    }
    let mut client = context.client()?;
    let wanted = Wanted::service(&service::normal(server));
    let found = match client.show(&wanted) {
        Ok((one, _)) => one,
        Err(Error::NotFound { .. }) => return Ok(Some(NOT_FOUND)),
        Err(Error::Ambiguous { candidates, service }) => {
            // What docker itself stored for exactly this address comes before what was imported.
            let mut exact = Vec::new();
            for candidate in candidates {
                let (one, _) = client.show(&Wanted {
                    service: service.clone(),
                    username: None,
                    id: Some(candidate.id),
                })?;
                if one.urls.iter().any(|url| url == server) {
                    exact.push(one);
                }
            }
            match (exact.pop(), exact.is_empty()) {
                (Some(one), true) => one,
                _ => return Ok(Some("several accounts are stored for this server")),
            }
        }
        Err(error) => return Err(error.into()),
    };
    if !is_for(&found, server) {
        return Ok(Some(NOT_FOUND));
    }
    let one = client.get(
        &Wanted { service: found.service, username: None, id: Some(found.id) },
        Mode::Helper,
    )?;
    context.out.json(
        &json!({ "ServerURL": server, "Username": one.username, "Secret": one.password.expose() }),
    )?;
    Ok(None)
}

/// A secret of an https address is never given for an http one.
fn is_for(one: &Credential, server: &str) -> bool {
    let scheme = Origin::of(server).map_or_else(|| "https".to_owned(), |origin| origin.scheme);
    if one.urls.is_empty() {
        return scheme == "https";
    }
    one.urls
        .iter()
        .any(|url| url == server || Origin::of(url).is_some_and(|origin| origin.scheme == scheme))
}

fn store(context: &mut Context) -> Outcome {
    let text = input()?;
    let Ok(told) = serde_json::from_str::<Told>(&text) else {
        return Ok(Some("the credentials on stdin are no JSON object"));
    };
    if told.server.is_empty() {
        return Ok(Some(NO_URL));
    }
    if told.username.is_empty() {
        return Ok(Some(NO_USERNAME));
    }
    let now = Context::now();
    let service = service::normal(&told.server);
    let mut vault = context.vault_for_helper(Deed::Store, &service)?;
    vault.change(|change| {
        // One account a server, as docker has it.
        for one in change
            .credentials()?
            .iter()
            .filter(|one| is_marked(one) && one.urls.contains(&told.server))
        {
            change.delete(one.id)?;
        }
        Ok(change.insert(&Credential {
            id: 0,
            service: service.clone(),
            username: told.username.clone(),
            urls: vec![told.server.clone()],
            password: Secret::new(&told.secret),
            note: Secret::default(),
            fields: vec![(MARK.0.to_owned(), Secret::new(MARK.1))],
            expires_at: None,
            created_at: now,
            updated_at: now,
        })?)
    })?;
    context.announce_change()?;
    context.done(&vault, Deed::Store, &service, &told.username);
    Ok(None)
}

fn erase(context: &mut Context) -> Outcome {
    let text = input()?;
    let server = text.trim();
    if server.is_empty() {
        return Ok(Some(NO_URL));
    }
    let service = service::normal(server);
    let mut vault = context.vault_for_helper(Deed::Erase, &service)?;
    let n_erased = vault.change(|change| {
        let mut n_erased = 0;
        for one in change
            .credentials()?
            .iter()
            .filter(|one| is_marked(one) && one.urls.iter().any(|url| url == server))
        {
            change.delete(one.id)?;
            n_erased += 1;
        }
        Ok(n_erased)
    })?;
    if n_erased > 0 {
        context.announce_change()?;
        context.done(&vault, Deed::Erase, &service, "");
    }
    Ok(None)
}

fn list(context: &mut Context) -> Outcome {
    let opened = context.vault()?.credentials()?;
    let map: Map<String, serde_json::Value> = opened
        .rows
        .iter()
        .filter(|one| is_marked(one))
        .filter_map(|one| Some((one.urls.first()?.clone(), one.username.as_str().into())))
        .collect();
    context.out.json(&map)?;
    Ok(None)
}
