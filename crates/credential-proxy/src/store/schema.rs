//! The tables of the vault. Everything that means something is inside a sealed token.

/// Marks the file as a vault of ours: the letters `CRED`.
pub(super) const APPLICATION_ID: i64 = 0x4352_4544;

/// Append only: an entry's place is its version on every disk out there.
pub(super) const MIGRATIONS: &[&str] = &["
CREATE TABLE meta (name TEXT PRIMARY KEY, token TEXT NOT NULL) STRICT;
CREATE TABLE credential (id INTEGER PRIMARY KEY AUTOINCREMENT, token TEXT NOT NULL, changed_at INTEGER NOT NULL) STRICT;
CREATE TABLE grant_token (id INTEGER PRIMARY KEY AUTOINCREMENT, token TEXT NOT NULL, changed_at INTEGER NOT NULL) STRICT;
"];
