//! `rename`: another service name for a credential.

use common::exit::Exit;
use common::out::sanitize;
use serde_json::json;

use super::{Context, details};
use crate::cli::RenameArgs;

pub(super) fn run(args: &RenameArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let new = details::service(&args.new)?;
    context.vault()?.change(|change| {
        let mut one = args.credential.wanted().among(change.credentials()?)?;
        one.service.clone_from(&new);
        one.updated_at = Context::now();
        details::check_free(&change.credentials()?, one.id, &one.service, &one.username)?;
        Ok(change.update(&one)?)
    })?;
    context.announce_change()?;
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
