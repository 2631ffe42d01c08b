//! What the vault promises about its file, its key and its changes.

use std::os::unix::fs::MetadataExt as _;

use common::place;

use super::*;
use crate::credential::tests::sample;
use crate::seal::new_key;

const NOW: Timestamp = Timestamp(1_767_225_600_000);

struct Fixture {
    folder: tempfile::TempDir,
    key: Secret,
}

impl Fixture {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), key: new_key() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("vault.db")
    }

    fn seal(&self) -> Seal {
        Seal::new(&self.key).unwrap()
    }

    fn vault(&self) -> Vault {
        if self.path().exists() {
            Vault::open(&self.path(), self.seal()).unwrap()
        } else {
            Vault::create(&self.path(), self.seal(), NOW, |_| Ok(())).unwrap()
        }
    }

    fn add(&self, service: &str, password: &str) -> i64 {
        self.vault().change(|change| Ok(change.insert(&sample(service, "me", password))?)).unwrap()
    }
}

fn error_of<T>(result: Result<T, Error>) -> Error {
    result.err().unwrap()
}

#[test]
fn what_was_stored_is_found_sorted_after_reopening() {
    let fixture = Fixture::new();
    fixture.add("b.com", "2");
    let id = fixture.add("a.com", " 1 ");
    let opened = fixture.vault().credentials().unwrap();
    assert!(opened.broken.is_empty());
    let found: Vec<_> =
        opened.rows.iter().map(|one| (one.service.as_str(), one.password.expose())).collect();
    assert_eq!(found, [("a.com", " 1 "), ("b.com", "2")]);
    assert_eq!(opened.rows[0].id, id);
}

#[test]
fn the_files_of_the_vault_hold_no_field_in_plain_and_are_private() {
    let fixture = Fixture::new();
    let mut one = sample("secret-service.example", "secret-user", "secret-password");
    one.note = Secret::new("secret-note");
    one.fields.push(("secret-field".to_owned(), Secret::new("secret-value")));
    let mut vault = fixture.vault();
    vault.change(|change| Ok(change.insert(&one)?)).unwrap();
    for entry in std::fs::read_dir(fixture.folder.path()).unwrap() {
        let entry = entry.unwrap();
        let bytes = std::fs::read(entry.path()).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("secret-"), "{}", entry.path().display());
        assert_eq!(entry.metadata().unwrap().mode() & 0o777, 0o600);
    }
}

#[test]
fn an_error_undoes_the_whole_change() {
    let fixture = Fixture::new();
    fixture.add("a.com", "1");
    let failed: anyhow::Result<()> = fixture.vault().change(|change| {
        change.insert(&sample("b.com", "me", "2"))?;
        anyhow::bail!("stop")
    });
    assert!(failed.is_err());
    assert_eq!(fixture.vault().credentials().unwrap().rows.len(), 1);
}

#[test]
fn another_key_a_foreign_file_a_newer_vault_and_garbage_are_told_apart() {
    let fixture = Fixture::new();
    fixture.add("a.com", "1");
    let other = Seal::new(&new_key()).unwrap();
    assert!(matches!(error_of(Vault::open(&fixture.path(), other)), Error::WrongKey { .. }));

    Connection::open(fixture.path()).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let newer = error_of(Vault::open(&fixture.path(), fixture.seal()));
    assert!(matches!(newer, Error::Newer { found: 99, known: 1, .. }));

    let foreign = Fixture::new();
    drop(place::private_file(&foreign.path()).unwrap());
    Connection::open(foreign.path()).unwrap().execute_batch("CREATE TABLE x (y)").unwrap();
    assert!(matches!(
        error_of(Vault::open(&foreign.path(), foreign.seal())),
        Error::Foreign { .. }
    ));

    let garbage = Fixture::new();
    std::io::Write::write_all(&mut place::private_file(&garbage.path()).unwrap(), &[7; 5000])
        .unwrap();
    assert!(matches!(
        error_of(Vault::open(&garbage.path(), garbage.seal())),
        Error::Corrupt { .. }
    ));
}

#[test]
fn a_truncated_vault_is_an_error_and_never_an_empty_one() {
    let fixture = Fixture::new();
    for number in 0..50 {
        fixture.add(&format!("{number}.com"), "1");
    }
    let whole = std::fs::read(fixture.path()).unwrap();
    for length in [0, 100, 4096, 8192, whole.len() - 4096, whole.len() - 1] {
        let file =
            std::fs::OpenOptions::new().write(true).truncate(true).open(fixture.path()).unwrap();
        std::io::Write::write_all(&mut &file, &whole[..length]).unwrap();
        let found = Vault::open(&fixture.path(), fixture.seal())
            .and_then(|vault| vault.check_file().and_then(|()| vault.credentials()));
        assert!(found.is_err(), "{length} of {} bytes", whole.len());
    }
}

#[test]
fn a_row_that_does_not_open_is_reported_and_stops_a_change() {
    let fixture = Fixture::new();
    fixture.add("a.com", "1");
    let id = fixture.add("b.com", "2");
    Connection::open(fixture.path())
        .unwrap()
        .execute("UPDATE credential SET token = replace(token, substr(token, 60, 4), 'AAAA') WHERE id = ?1", [id])
        .unwrap();
    let opened = fixture.vault().credentials().unwrap();
    assert_eq!((opened.rows.len(), opened.broken), (1, vec![id]));
    assert!(fixture.vault().change(|change| Ok(change.credentials()?.len())).is_err());
}

#[test]
fn resealing_changes_every_token_and_keeps_every_value_and_the_audit_key() {
    let fixture = Fixture::new();
    fixture.add("a.com", " 1 ");
    let audit_key = fixture.vault().audit_key().unwrap();
    let next = new_key();
    let resealed = fixture.vault().reseal(Seal::new(&next).unwrap(), NOW).unwrap();
    assert!(resealed.audit_key().unwrap().is_same(&audit_key));
    assert!(matches!(
        error_of(Vault::open(&fixture.path(), fixture.seal())),
        Error::WrongKey { .. }
    ));
    let again = Vault::open(&fixture.path(), Seal::new(&next).unwrap()).unwrap();
    assert_eq!(again.credentials().unwrap().rows[0].password.expose(), " 1 ");
}

#[test]
fn a_change_with_a_key_that_was_rotated_away_is_refused() {
    let fixture = Fixture::new();
    fixture.add("a.com", "1");
    let mut late = fixture.vault();
    fixture.vault().reseal(Seal::new(&new_key()).unwrap(), NOW).unwrap();
    assert!(late.change(|change| Ok(change.insert(&sample("b.com", "me", "2"))?)).is_err());
}

#[test]
fn many_processes_worth_of_writers_lose_nothing() {
    let fixture = Fixture::new();
    drop(fixture.vault());
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let fixture = &fixture;
            scope.spawn(move || {
                for number in 0..5 {
                    fixture.add(&format!("{writer}-{number}.com"), "1");
                }
            });
        }
    });
    assert_eq!(fixture.vault().credentials().unwrap().rows.len(), 20);
}

#[test]
fn a_vault_appears_only_when_everything_before_it_is_done() {
    let fixture = Fixture::new();
    let stopped = Vault::create(&fixture.path(), fixture.seal(), NOW, |_| {
        Err(Error::Busy { path: PathBuf::new() })
    });
    assert!(stopped.is_err());
    assert_eq!(std::fs::read_dir(fixture.folder.path()).unwrap().count(), 0);
    drop(fixture.vault());
    let again = Vault::create(&fixture.path(), fixture.seal(), NOW, |_| Ok(()));
    assert!(matches!(error_of(again), Error::VaultExists { .. }));
}
