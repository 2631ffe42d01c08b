//! What a change can do to the rows of a vault, inside its one transaction.

use std::path::Path;

use common::clock::Timestamp;
use rusqlite::{Transaction, params};

use super::{rows, store_error};
use crate::credential::Credential;
use crate::error::Error;
use crate::seal::Seal;

/// A change of the vault: all of it happens, or nothing.
pub(crate) struct Change<'a> {
    path: &'a Path,
    transaction: Transaction<'a>,
    seal: &'a Seal,
}

impl<'a> Change<'a> {
    pub(super) fn new(path: &'a Path, transaction: Transaction<'a>, seal: &'a Seal) -> Self {
        Self { path, transaction, seal }
    }

    pub(super) fn commit(self) -> rusqlite::Result<()> {
        self.transaction.commit()
    }

    /// All credentials as this transaction sees them.
    pub(crate) fn credentials(&self) -> Result<Vec<Credential>, Error> {
        let opened = rows(&self.transaction, "credential", self.seal, Credential::from_plain)
            .map_err(store_error("read", self.path))?;
        if opened.broken.is_empty() {
            Ok(opened.rows)
        } else {
            Err(Error::Undecryptable { path: self.path.to_path_buf(), ids: opened.broken })
        }
    }

    /// Stores a new credential and returns its id.
    pub(crate) fn insert(&self, credential: &Credential) -> Result<i64, Error> {
        let token = self.seal.close(credential.to_plain().expose(), credential.updated_at);
        self.transaction
            .prepare("INSERT INTO credential (token, changed_at) VALUES (?1, ?2)")
            .and_then(|mut insert| insert.insert(params![token, credential.updated_at.0]))
            .map_err(store_error("write", self.path))
    }

    /// Stores a changed credential in its row.
    pub(crate) fn update(&self, credential: &Credential) -> Result<(), Error> {
        let token = self.seal.close(credential.to_plain().expose(), credential.updated_at);
        self.transaction
            .prepare("UPDATE credential SET token = ?2, changed_at = ?3 WHERE id = ?1")
            .and_then(|mut update| {
                update.execute(params![credential.id, token, credential.updated_at.0])
            })
            .map(|_| ())
            .map_err(store_error("write", self.path))
    }

    pub(crate) fn delete(&self, id: i64) -> Result<(), Error> {
        self.transaction
            .execute("DELETE FROM credential WHERE id = ?1", [id])
            .map(|_| ())
            .map_err(store_error("write", self.path))
    }

    /// Stores a grant, whose text is `plain`.
    pub(crate) fn insert_grant(&self, plain: &str, now: Timestamp) -> Result<i64, Error> {
        self.transaction
            .prepare("INSERT INTO grant_token (token, changed_at) VALUES (?1, ?2)")
            .and_then(|mut insert| insert.insert(params![self.seal.close(plain, now), now.0]))
            .map_err(store_error("write", self.path))
    }

    pub(crate) fn delete_grant(&self, id: i64) -> Result<(), Error> {
        self.transaction
            .execute("DELETE FROM grant_token WHERE id = ?1", [id])
            .map(|_| ())
            .map_err(store_error("write", self.path))
    }
}
