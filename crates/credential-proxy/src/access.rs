//! Opens the vault with its key, also when a rotation was killed half-way.

use crate::error::Error;
use crate::home::{Home, check_private};
use crate::key::{self, Source};
use crate::seal::Seal;
use crate::secret::Secret;
use crate::store::Vault;

/// Opens the vault of `home` with the key from `source`.
pub(crate) fn open(home: &Home, source: &Source) -> Result<Vault, Error> {
    home.check()?;
    if !check_private(&home.vault())? {
        return Err(Error::NoVault { path: home.vault() });
    }
    let opened = match source.read()? {
        Some(key) => Vault::open(&home.vault(), seal(source, &key)?),
        None => Err(Error::NoKey { vault: home.vault(), key: home.key() }),
    };
    match opened {
        Err(Error::WrongKey { .. } | Error::NoKey { .. }) if check_private(&home.next_key())? => {
            // A rotation was killed after it had sealed every row and before it had put the new
            // key in its place. When the new key opens the vault, that last step is done now.
            let key = key::read_file(&home.next_key())?;
            let vault = Vault::open(&home.vault(), seal(source, &key)?)?;
            finish_rotation(home)?;
            Ok(vault)
        }
        other => other,
    }
}

/// Puts the new key in the place of the old one; the old one is gone afterwards.
pub(crate) fn finish_rotation(home: &Home) -> Result<(), Error> {
    match std::fs::rename(home.next_key(), home.key()) {
        Ok(()) => {}
        // Somebody who opened the vault in between has done it.
        Err(source) if source.kind() == std::io::ErrorKind::NotFound && home.key().exists() => {}
        Err(source) => {
            return Err(common::error::file("replace the key", home.key())(source).into());
        }
    }
    std::fs::File::open(&home.dir)
        .and_then(|folder| folder.sync_all())
        .map_err(|source| common::error::file("write", &home.dir)(source).into())
}

/// A seal from a key that was already checked for its form.
pub(crate) fn seal(source: &Source, key: &Secret) -> Result<Seal, Error> {
    Seal::new(key).ok_or_else(|| Error::BadKey {
        source_of: source.describe(),
        problem: crate::error::BadKey::Form,
    })
}
