//! `verify`: every row of the vault decrypted.

use common::exit::Exit;
use serde_json::json;

use super::Context;
use crate::error::{Error, count};
use crate::grant::Grant;

pub(super) fn run(context: &mut Context) -> anyhow::Result<Exit> {
    let (n_credentials, n_tokens) = check(context)?;
    if context.json {
        context
            .out
            .json(&json!({ "credentials": n_credentials, "tokens": n_tokens, "verified": true }))?;
    } else {
        context.out.line(format_args!(
            "{} and {}, every one decrypted",
            count(n_credentials, "credential"),
            count(n_tokens, "token")
        ))?;
    }
    Ok(Exit::Done)
}

/// How many credentials and tokens there are, when all of them can be decrypted.
pub(super) fn check(context: &Context) -> Result<(usize, usize), Error> {
    let vault = context.vault()?;
    vault.check_file()?;
    let opened = vault.credentials()?;
    let grants = vault.grants(Grant::from_plain)?;
    vault.audit_key()?;
    if !opened.broken.is_empty() {
        return Err(Error::Undecryptable { path: vault.path().to_path_buf(), ids: opened.broken });
    }
    if !grants.broken.is_empty() {
        return Err(Error::Corrupt { path: vault.path().to_path_buf() });
    }
    Ok((opened.rows.len(), grants.rows.len()))
}
