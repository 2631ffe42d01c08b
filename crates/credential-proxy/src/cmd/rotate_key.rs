//! `rotate-key`: the vault sealed with a new key, and the old one gone.

use std::path::Path;

use common::exit::Exit;
use serde_json::json;

use super::Context;
use crate::access;
use crate::audit::Deed;
use crate::error::{Error, count};
use crate::key::{self, Source};
use crate::seal::{Seal, new_key};

pub(super) fn run(context: &mut Context) -> anyhow::Result<Exit> {
    let home = context.home.clone();
    let source = context.source()?;
    if !matches!(source, Source::File(_)) {
        return Err(Error::Refused {
            message: format!(
                "the key comes from {}, so it has to be changed there",
                source.describe()
            ),
            hint: None,
        }
        .into());
    }
    let _only = one_at_a_time(&home.dir)?;
    // Opening finishes a rotation that was killed; what is left of one now never sealed anything.
    let vault = context.vault_for(Deed::RotateKey, "")?;
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
    let vault = access::open(&home, &source)?;
    vault.check_file()?;
    context.announce_change()?;
    context.done(&vault, Deed::RotateKey, "", "");
    if context.json {
        context.out.json(
            &json!({ "rotated": true, "credentials": n_credentials, "key": source.full() }),
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
