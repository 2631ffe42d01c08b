//! `init`: the key, the vault and their directory.

use common::exit::Exit;
use common::place::for_people;
use serde_json::json;

use super::Context;
use crate::access;
use crate::audit::Trail;
use crate::error::Error;
use crate::home::{Home, check_private};
use crate::key::{self, Source};
use crate::seal::new_key;
use crate::store::Vault;

pub(super) fn run(context: &mut Context) -> anyhow::Result<Exit> {
    let source = make(context)?;
    let home = &context.home;
    if context.json {
        context.out.json(&json!({
            "home": home.dir.display().to_string(),
            "vault": home.vault().display().to_string(),
            "key": source.full(),
        }))?;
    } else {
        context.out.line(format_args!("vault  {}", for_people(&home.vault())))?;
        context.out.line(format_args!("key    {}", source.describe()))?;
        context.out.line(
            "Keep a copy of the key elsewhere: without it nothing in the vault can be read.",
        )?;
        context.out.line("Next: credential-proxy import FILE, or credential-proxy add SERVICE")?;
    }
    Ok(Exit::Done)
}

/// Creates what is missing. An existing vault is an honest "no".
pub(super) fn make(context: &Context) -> Result<Source, Error> {
    crate::guard::hide();
    let home = &context.home;
    home.make()?;
    if check_private(&home.vault())? {
        // A vault that does not open is told now.
        access::open(home, &context.source()?)?;
        return Err(Error::VaultExists { path: home.vault() });
    }
    note_command(home, context.key_command.as_deref())?;
    let source = context.source()?;
    let key = if let Some(key) = source.read()? {
        key
    } else {
        key::publish(&home.key(), &new_key())?;
        key::read_file(&home.key())?
    };
    Vault::create(&home.vault(), access::seal(&source, &key)?, Context::now(), |audit_key| {
        Trail::create(&home.audit(), audit_key)
    })?;
    Ok(source)
}

/// Remembers the command that prints the key, so that a cron job needs no variable for it.
fn note_command(home: &Home, command: Option<&str>) -> Result<(), Error> {
    let Some(command) = command else { return Ok(()) };
    if check_private(&home.key_command())? {
        std::fs::remove_file(home.key_command())
            .map_err(common::error::file("replace", home.key_command()))?;
    }
    key::write_new(&home.key_command(), format!("{command}\n").as_bytes())
        .map_err(|source| common::error::file("create", home.key_command())(source).into())
}
