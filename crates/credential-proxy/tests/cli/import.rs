//! Imports: nothing lost, nothing shown, and the file goes only when everything came back equal.

use crate::sandbox::{Sandbox, has, seen};

const HEADER: &str = "name,url,username,password,note\n";

#[test]
fn a_whole_import_deletes_the_file_and_says_deleted() {
    let home = Sandbox::new();
    let file = home.write(
        "e.csv",
        &format!("{HEADER}a,https://a.com/,me, p w ,note\nb,https://b.com/,me,pw2,\n"),
    );
    let seen = home.run(&["import", &file]).code(0);
    assert!(seen.stdout.contains("deleted") && !seen.stdout.contains("secure"), "{seen:?}");
    assert!(!std::path::Path::new(&file).exists());
    assert_eq!(home.run(&["get", "a.com"]).code(0).stdout, " p w \n");
}

#[test]
fn the_file_stays_when_something_was_skipped_when_asked_and_in_a_dry_run() {
    let home = Sandbox::new();
    let text = format!("{HEADER}a,https://a.com/,me,pw,\nb,https://b.com/,me,,\n");
    let file = home.write("e.csv", &text);
    let dry = home.run(&["import", "chrome", &file, "--dry-run", "--json"]).code(0).json();
    assert_eq!((dry["imported"].as_u64(), dry["deleted"].as_bool()), (Some(1), Some(false)));
    home.run(&["get", "a.com"]).code(1);
    let seen = home.run(&["import", "chrome", &file, "--json"]).code(0).json();
    assert_eq!(seen["skipped"][0]["line"], 3);
    assert_eq!(seen["deleted"], false);
    assert!(seen["kept_because"].as_str().unwrap().contains("skipped"));
    let whole = home.write("whole.csv", &format!("{HEADER}a,https://a.com/,me,pw,\n"));
    home.run(&["import-chrome", &whole, "--keep"]).code(0);
    assert!(std::path::Path::new(&whole).exists());
    let link = home.home().join("link.csv");
    std::os::unix::fs::symlink(&whole, &link).unwrap();
    home.run(&["import", link.to_str().unwrap()]).code(0);
    assert!(link.symlink_metadata().is_ok() && std::path::Path::new(&whole).exists());
}

#[test]
fn no_account_is_overwritten_and_conflicts_are_reported_without_the_passwords() {
    let home = Sandbox::new();
    let file = home.write(
        "e.csv",
        &format!("{HEADER}g,https://github.com/,one,canary-1,\ng,https://github.com/,two,canary-2,\ng,https://github.com/,two,canary-3,\ng,https://gist.github.com/,x,canary-4,\n"),
    );
    let seen = home.run(&["import", &file, "--json"]).code(0);
    assert!(!seen.stdout.contains("canary") && !seen.stderr.contains("canary"));
    let report = seen.json();
    assert_eq!(report["imported"], 4);
    assert_eq!(report["conflicts"].as_array().unwrap().len(), 1);
    assert_eq!(report["conflicts"][0]["line"], 4);
    assert_eq!(home.run(&["list", "--json"]).code(0).json()["count"], 4);
    assert_eq!(home.run(&["get", "github.com", "--username", "one"]).code(0).stdout, "canary-1\n");
}

#[test]
fn what_is_no_export_changes_nothing_and_is_not_repeated() {
    let home = Sandbox::new();
    for (name, text) in [
        ("empty.csv", ""),
        ("other.csv", "canary,canary2\n1,2\n"),
        ("open.csv", "name,url,username,password\na,https://a.com/,u,\"canary\n"),
        ("twice.csv", "name,url,username,password,password\na,https://a.com/,u,canary,canary\n"),
        ("sealed.json", "{\"encrypted\":true,\"data\":\"canary\"}"),
    ] {
        let file = home.write(name, text);
        let seen = home.run(&["import", &file]).code(3);
        assert!(!seen.stderr.contains("canary"), "{seen:?}");
        assert!(std::path::Path::new(&file).exists());
    }
    home.run(&["import", "nonsense", "x.csv"]).code(2);
    home.run(&["import", "absent.csv"]).code(3);
    assert_eq!(home.run(&["list", "--json"]).code(0).json()["count"], 0);
}

#[test]
fn the_store_of_the_python_original_comes_in_whole_and_stays_where_it_is() {
    let home = Sandbox::new();
    let store = home.home().join(".hermes/credential_proxy");
    std::fs::create_dir_all(&store).unwrap();
    let key = fernet::Fernet::generate_key();
    std::fs::write(store.join(".master_key"), &key).unwrap();
    let fernet = fernet::Fernet::new(&key).unwrap();
    let connection = rusqlite::Connection::open(store.join("credentials.db")).unwrap();
    connection
        .execute_batch(
            "PRAGMA journal_mode=WAL;
             CREATE TABLE IF NOT EXISTS credentials (id INTEGER PRIMARY KEY AUTOINCREMENT, service TEXT NOT NULL, url TEXT DEFAULT '',
               username TEXT NOT NULL DEFAULT '', password_encrypted TEXT NOT NULL, note TEXT DEFAULT '', created_at TEXT NOT NULL, updated_at TEXT NOT NULL);
             CREATE UNIQUE INDEX IF NOT EXISTS idx_credentials_service ON credentials(service);",
        )
        .unwrap();
    for (service, password) in [("GitHub Prod", "pässword"), ("github.com", "other")] {
        connection
            .execute(
                "INSERT INTO credentials (service, url, username, password_encrypted, note, created_at, updated_at)
                 VALUES (?1, 'https://github.com/', 'me', ?2, 'n', '2026-05-04T10:00:00.123456+00:00', '2026-05-04T10:00:00+00:00')",
                rusqlite::params![service, fernet.encrypt(password.as_bytes())],
            )
            .unwrap();
    }
    // The original is still running: its write-ahead log is not folded in yet.
    let report = home.run(&["import", "hermes", store.to_str().unwrap(), "--json"]).code(0).json();
    assert_eq!((report["imported"].as_u64(), report["deleted"].as_bool()), (Some(2), Some(false)));
    assert_eq!(home.run(&["get", "GitHub Prod"]).code(0).stdout, "pässword\n");
    assert_eq!(
        home.run(&["show", "GitHub Prod", "--json"]).code(0).json()["created_at"],
        "2026-05-04T10:00:00.123Z"
    );
    assert!(store.join("credentials.db").exists());
    let other = fernet::Fernet::new(&fernet::Fernet::generate_key()).unwrap().encrypt(b"lost");
    connection
        .execute(
            "INSERT INTO credentials (service, password_encrypted, created_at, updated_at) VALUES ('lost.example', ?1, '', '')",
            [other],
        )
        .unwrap();
    let again = home.run(&["import", "hermes", store.to_str().unwrap()]).code(0);
    assert!(again.stdout.contains("row 3 (lost.example): its key does not open it"), "{again:?}");
    // At rest it is read without a trace: not even the files that SQLite keeps beside such a database.
    drop(connection);
    let listing = || {
        let mut found: Vec<_> = std::fs::read_dir(&store)
            .unwrap()
            .flatten()
            .map(|entry| (entry.file_name(), std::fs::read(entry.path()).unwrap()))
            .collect();
        found.sort();
        found
    };
    let before = listing();
    home.run(&["import", store.to_str().unwrap()]).code(0);
    assert_eq!(listing(), before);
    assert_eq!(before.len(), 2);
}

#[test]
fn bootstrap_does_all_of_it_in_one_go() {
    let home = Sandbox::empty();
    std::fs::create_dir(home.home().join("Downloads")).unwrap();
    home.write("Downloads/Google Passwords.csv", &format!("{HEADER}a,https://a.com/,me,pw-a,\n"));
    let seen = home.run(&["bootstrap"]).code(0);
    assert!(seen.stdout.contains("every one decrypted"), "{seen:?}");
    assert_eq!(home.run(&["get", "a.com"]).code(0).stdout, "pw-a\n");
    home.run(&["bootstrap"]).code(3);
    let file = home.write("b.csv", &format!("{HEADER}b,https://b.com/,me,pw-b,\n"));
    let seen = home.run(&["bootstrap", "--csv", &file, "--json"]).code(0);
    let document = seen.json();
    assert_eq!((&document["imported"], &document["credentials"]), (&1.into(), &2.into()));
    assert_eq!(document["verified"], true);
}

#[test]
fn a_file_that_has_another_name_is_kept_and_that_is_said() {
    let home = Sandbox::new();
    let file = home.write("e.csv", &format!("{HEADER}a,https://a.com/,me,pw-a,\n"));
    std::fs::hard_link(&file, home.home().join("twin.csv")).unwrap();
    let seen = home.run(&["import", &file]).code(0);
    assert!(seen.stdout.contains("kept") && seen.stdout.contains("2 names"), "{seen:?}");
    assert!(std::path::Path::new(&file).exists());
}

#[test]
fn a_large_import_shows_its_progress_on_a_terminal_only() {
    if !has("script") {
        return;
    }
    let home = Sandbox::new();
    let mut text = HEADER.to_owned();
    for number in 0..3000 {
        text.push_str(&format!("n{number},https://s{number}.example/,me,pw-{number},\n"));
    }
    let file = home.write("e.csv", &text);
    let script = format!("{} import {file} --keep", crate::sandbox::BIN);
    let shown = seen(home.on_terminal(&script), "").code(0);
    assert!(shown.stdout.contains("of 3000"), "{shown:?}");
    let quiet = home.run(&["import", &file]).code(0);
    assert_eq!(quiet.stderr, "");
    assert!(quiet.stdout.contains("3000 merged"), "{quiet:?}");
}

#[test]
fn a_file_of_200_megabytes_is_refused_in_words_and_in_little_memory() {
    let home = Sandbox::new();
    let file = home.write("big.csv", "name,url,username,password,note\na,https://a.com/,u,p,\n");
    std::fs::File::options().write(true).open(&file).unwrap().set_len(200 << 20).unwrap();
    let line = "ulimit -v 300000; credential-proxy import big.csv";
    let seen = home.sh(line).code(3);
    assert!(
        seen.stderr.contains("larger than 64 MiB") && seen.stderr.contains("hint: "),
        "{seen:?}"
    );
    // The same from a pipe, which has no size to look at first.
    let line = "ulimit -v 400000; cat big.csv | credential-proxy import -";
    let seen = home.sh(line).code(3);
    assert!(seen.stderr.contains("larger than 64 MiB"), "{seen:?}");
    assert!(std::path::Path::new(&file).exists());
    assert_eq!(home.run(&["list", "--json"]).json()["count"], 0);
}
