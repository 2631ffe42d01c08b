//! `verify`: every row of the vault decrypted.

use common::exit::Exit;
use serde_json::json;

use super::Context;
use crate::error::{Error, count};
use crate::grant::Grant;

pub(super) fn run(context: &mut Context) -> anyhow::Result<Exit> {
    let vault = context.vault()?;
    vault.check_file()?;
    let opened = vault.credentials()?;
    let grants = vault.grants(Grant::from_plain)?;
    vault.audit_key()?;
    if !opened.broken.is_empty() {
        return Err(
            Error::Undecryptable { path: vault.path().to_path_buf(), ids: opened.broken }.into()
        );
    }
    if !grants.broken.is_empty() {
        return Err(Error::Corrupt { path: vault.path().to_path_buf() }.into());
    }
    if context.json {
        context.out.json(&json!({ "credentials": opened.rows.len(), "tokens": grants.rows.len(), "verified": true }))?;
    } else {
        context.out.line(format_args!(
            "{} and {}, every one decrypted",
            count(opened.rows.len(), "credential"),
            count(grants.rows.len(), "token")
        ))?;
    }
    Ok(Exit::Done)
}
