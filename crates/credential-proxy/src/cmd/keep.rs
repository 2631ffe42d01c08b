//! `verify`, `rotate-key`, `backup`: the vault looked after.

use std::path::Path;

use common::exit::Exit;
use common::place::for_people;
use serde_json::json;

use super::Context;
use crate::access;
use crate::cli::BackupArgs;
use crate::error::{Error, count};
use crate::grant::Grant;
use crate::key::{self, Source};
use crate::seal::{Seal, new_key};

pub(super) fn verify(context: &mut Context) -> anyhow::Result<Exit> {
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

pub(super) fn rotate_key(context: &mut Context) -> anyhow::Result<Exit> {
    let home = context.home.clone();
    let source = context.source()?;
    if !matches!(source, Source::File(_)) {
        return Err(Error::Usage {
            message: format!(
                "the key comes from {}, so it has to be changed there",
                source.describe()
            ),
        }
        .into());
    }
    let _only = one_at_a_time(&home.dir)?;
    // Opening finishes a rotation that was killed; what is left of one now never sealed anything.
    let vault = context.vault()?;
    match std::fs::remove_file(home.next_key()) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(common::error::file("remove", home.next_key())(error).into());
        }
        _ => {}
    }
    let key = new_key();
    key::publish(&home.next_key(), &key)?;
    let now = Context::now();
    let seal = Seal::new(&key).ok_or(Error::BadKey {
        source_of: source.describe(),
        problem: crate::error::BadKey::Form,
    })?;
    let vault = vault.reseal(seal, now)?;
    let n_credentials = vault.credentials()?.rows.len();
    drop(vault);
    access::finish_rotation(&home)?;
    // From here on the new key alone opens the vault; make sure that it does.
    access::open(&home, &source)?.check_file()?;
    context.announce_change()?;
    if context.json {
        context.out.json(
            &json!({ "rotated": true, "credentials": n_credentials, "key": source.describe() }),
        )?;
    } else {
        context.out.line(format_args!(
            "sealed {} with a new key; the old one is gone",
            count(n_credentials, "credential")
        ))?;
        context.out.line("Backups made before still need the old key; make a new backup and keep a copy of the new key elsewhere.")?;
    }
    Ok(Exit::Done)
}

/// Two rotations at once would take away each other's new key.
fn one_at_a_time(dir: &Path) -> Result<std::fs::File, Error> {
    let folder = std::fs::File::open(dir).map_err(common::error::file("open", dir))?;
    rustix::fs::flock(&folder, rustix::fs::FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| Error::Busy { path: dir.to_path_buf() })?;
    Ok(folder)
}

pub(super) fn backup(args: &BackupArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let vault = context.vault()?;
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
    let n_credentials = vault.credentials()?.rows.len();
    copy.persist_noclobber(&args.file).map_err(|error| failed(error.error))?;
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
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
    Ok(Exit::Done)
}
