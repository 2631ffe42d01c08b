//! `backup`: a copy of the vault, which opens with the key.

use std::path::Path;

use common::exit::Exit;
use common::place::for_people;
use serde_json::json;

use super::{Context, broken};
use crate::audit::Deed;
use crate::cli::BackupArgs;
use crate::error::{Error, count};

pub(super) fn run(args: &BackupArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let vault = context.vault_for(Deed::Backup, "")?;
    if args.file.symlink_metadata().is_ok() {
        return Err(
            Error::Exists { service: for_people(&args.file), username: String::new() }.into()
        );
    }
    let folder = args
        .file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let failed = |source| common::error::file("write the backup", &args.file)(source);
    // Born private and complete, or not at all.
    let copy = tempfile::Builder::new().prefix(".tmp-").tempfile_in(folder).map_err(failed)?;
    vault.copy_to(copy.path(), &args.file)?;
    copy.as_file().sync_all().map_err(failed)?;
    let opened = vault.credentials()?;
    let n_credentials = opened.rows.len();
    copy.persist_noclobber(&args.file).map_err(|error| failed(error.error))?;
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
    context.done(&vault, Deed::Backup, "", "");
    if context.json {
        context.out.json(
            &json!({ "file": args.file.display().to_string(), "credentials": n_credentials }),
        )?;
    } else {
        context.out.line(format_args!(
            "{} in {}; it opens with the key, which is not in it",
            count(n_credentials, "credential"),
            for_people(&args.file)
        ))?;
    }
    // The copy is whole; so is what is wrong with it.
    broken::refuse(context, opened.broken).map(|()| Exit::Done)
}
