//! The audit trail of a daemon whose trail somebody spoiled: served on, noticed, told, and written again.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::sandbox::{Sandbox, wait_for};

fn problem(home: &Sandbox) -> String {
    let status = home.run(&["status", "--json"]).code(0).json();
    status["problem"].as_str().unwrap_or_default().to_owned()
}

fn log(home: &Sandbox) -> String {
    std::fs::read_to_string(home.dir().join("daemon.log")).unwrap()
}

fn spoil_and_mend(spoil: impl Fn(&Path), mend: impl Fn(&Path)) {
    let home = Sandbox::with("a.com", "me", "secret-a");
    home.run(&["get", "a.com"]).code(0);
    home.run(&["stop"]).code(0);
    let file = home.dir().join("audit/audit.jsonl");
    spoil(&file);
    for _ in 0..2 {
        assert_eq!(home.run(&["get", "a.com"]).code(0).stdout, "secret-a\n");
    }
    assert!(
        problem(&home).contains("2 accesses could not be written to the audit trail"),
        "{}",
        problem(&home)
    );
    assert!(log(&home).contains("the audit trail cannot be written"), "{}", log(&home));
    home.run(&["audit", "verify"]).code(3);
    let doctor = home.run(&["doctor"]).code(3).stdout;
    assert!(doctor.contains("bad   audit"), "{doctor}");
    // The count outlives the daemon.
    home.run(&["stop"]).code(0);
    mend(&file);
    let seen = home.run(&["audit", "verify"]).code(3);
    assert!(seen.stderr.contains("2 accesses could not be written"), "{seen:?}");
    home.run(&["get", "a.com"]).code(0);
    assert_eq!(problem(&home), "");
    let seen = home.run(&["audit", "verify"]).code(0);
    assert!(seen.stdout.contains("2 accesses are not in them"), "{seen:?}");
    assert!(home.run(&["audit"]).code(0).stdout.contains("(2 accesses not recorded)"));
    assert!(home.run(&["doctor"]).code(0).stdout.contains("warn  audit"));
}

#[test]
fn a_trail_that_others_can_read_is_not_written_and_that_is_told_until_it_is() {
    let mode = |mode| {
        move |file: &Path| {
            std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    spoil_and_mend(mode(0o644), mode(0o600));
    let home = Sandbox::new();
    mode(0o640)(&home.dir().join("audit/head"));
    let seen = home.run(&["audit", "verify"]).code(3);
    assert!(seen.stderr.contains("mode 0640"), "{seen:?}");
}

#[test]
fn neither_is_one_that_became_a_link_or_a_directory() {
    let aside = |file: &Path| file.with_extension("aside");
    spoil_and_mend(
        |file| {
            std::fs::rename(file, aside(file)).unwrap();
            std::os::unix::fs::symlink(aside(file), file).unwrap();
        },
        |file| std::fs::rename(aside(file), file).unwrap(),
    );
    spoil_and_mend(
        |file| {
            std::fs::rename(file, aside(file)).unwrap();
            std::fs::create_dir(file).unwrap();
        },
        |file| {
            std::fs::remove_dir(file).unwrap();
            std::fs::rename(aside(file), file).unwrap();
        },
    );
}

#[test]
fn a_trail_that_is_removed_under_a_running_daemon_begins_anew_and_the_loss_is_told() {
    let home = Sandbox::with("a.com", "me", "secret-a");
    home.run(&["get", "a.com"]).code(0);
    std::fs::remove_dir_all(home.dir().join("audit")).unwrap();
    // It looks at its files a few milliseconds after the last time.
    wait_for("it writes again", || {
        assert_eq!(home.run(&["get", "a.com"]).code(0).stdout, "secret-a\n");
        home.run(&["audit"]).code(0).stdout.contains("a.com")
    });
    assert!(log(&home).contains("removed or replaced"), "{}", log(&home));
    let seen = home.run(&["audit", "verify"]).code(3);
    assert!(seen.stderr.contains("damaged"), "{seen:?}");
    assert!(home.run(&["doctor"]).code(3).stdout.contains("bad   audit"));
}

#[test]
fn a_torn_line_does_not_swallow_the_next_record() {
    let home = Sandbox::with("a.com", "me", "secret-a");
    home.run(&["get", "a.com"]).code(0);
    let path = home.dir().join("audit/audit.jsonl");
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(file.metadata().unwrap().len() - 20).unwrap();
    home.run(&["get", "a.com"]).code(0);
    let seen = home.run(&["audit", "--json"]).code(0);
    // The addition and the second use.
    assert_eq!(seen.stdout.lines().count(), 2, "{seen:?}");
    assert!(seen.stderr.contains("1 line of the trail is no record"), "{seen:?}");
    let seen = home.run(&["audit", "verify"]).code(3);
    assert!(seen.stderr.contains("record 2 is no record"), "{seen:?}");
}
