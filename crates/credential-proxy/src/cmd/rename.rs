//! `rename`: another service name for a credential.

use common::exit::Exit;
use common::out::sanitize;
use serde_json::json;

use super::{Context, details};
use crate::audit::Deed;
use crate::cli::RenameArgs;

pub(super) fn run(args: &RenameArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let new = details::service(&args.new)?;
    let mut vault = context.vault_for(Deed::Rename, &args.credential.service)?;
    let (old, one) = vault.change(|change| {
        let mut one = args.credential.wanted().among(change.credentials()?)?;
        let old = std::mem::replace(&mut one.service, new.clone());
        one.updated_at = Context::now();
        details::check_free(&change.credentials()?, one.id, &one.service, &one.username)?;
        change.update(&one)?;
        Ok((old, one))
    })?;
    context.announce_change()?;
    // Who looks for either name finds it.
    context.done(&vault, Deed::Rename, &old, &one.username);
    context.done(&vault, Deed::Rename, &one.service, &one.username);
    if context.json {
        context.out.json(&json!({ "service": new, "renamed_from": args.credential.service }))?;
    } else {
        context.out.line(format_args!(
            "renamed {} to {}",
            sanitize(&args.credential.service),
            sanitize(&new)
        ))?;
    }
    Ok(Exit::Done)
}
