//! KILL at every step of what changes the vault: it always opens, with the old or the new content.

use std::process::Stdio;
use std::time::Duration;

use crate::sandbox::{Sandbox, has, seen};

const HEADER: &str = "name,url,username,password,note\n";

/// A sandbox with a vault of five, and an export of three more.
fn prepared() -> (Sandbox, String) {
    let home = Sandbox::new();
    let mut text = HEADER.to_owned();
    for number in 0..5 {
        text.push_str(&format!("x,https://old{number}.com/,me,old-secret-{number},\n"));
    }
    let file = home.write("old.csv", &text);
    home.run(&["import", &file]).code(0);
    let mut text = HEADER.to_owned();
    for number in 0..3 {
        text.push_str(&format!("x,https://new{number}.com/,me,new-secret-{number},\n"));
    }
    let file = home.write("new.csv", &text);
    (home, file)
}

/// The vault opens, holds all of the old and either all or nothing of the new; a deleted export
/// means all of the new.
fn check(home: &Sandbox, export: &str, when: &str) {
    let seen = home.run(&["verify", "--json"]);
    assert_eq!(seen.code, 0, "{when}: {seen:?}");
    let count = seen.json()["credentials"].as_u64().unwrap();
    assert!(count == 5 || count == 8, "{when}: {count}");
    assert!(
        count == 8 || std::path::Path::new(export).exists(),
        "{when}: the export is gone, its rows are not there"
    );
    for number in 0..5 {
        let got = home.run(&["get", "--direct", &format!("old{number}.com")]);
        assert_eq!(got.stdout, format!("old-secret-{number}\n"), "{when}: {got:?}");
    }
    home.run(&["audit", "verify"]).code(0);
}

/// Runs a command that dies of KILL at its n-th system call of these kinds; `false` when it did not
/// come that far.
fn killed_at(home: &Sandbox, args: &[&str], n: usize) -> bool {
    const CALLS: &str = "write,pwrite64,fsync,fdatasync,ftruncate,unlink,unlinkat,rename,renameat,renameat2,link,linkat,flock,mkdir,fcntl";
    let inject = format!("inject={CALLS}:signal=KILL:when={n}");
    let mut command = home
        .program("strace", &["-f", "-qq", "-o", "/dev/null", "-e", &inject, crate::sandbox::BIN]);
    command.args(args).stdout(Stdio::null()).stderr(Stdio::null());
    !command.status().unwrap().success()
}

#[test]
fn a_kill_at_each_write_of_import_and_rotate_key_leaves_a_vault_that_opens() {
    let works = has("strace")
        && seen(Sandbox::empty().program("strace", &["-qq", "-o", "/dev/null", "true"]), "").code
            == 0;
    if !works {
        return;
    }
    for args in [&["import", "new.csv"][..], &["rotate-key"]] {
        let mut n = 1;
        loop {
            // The first steps are taken one by one, later ones with gaps: each costs a new vault.
            let (home, export) = prepared();
            let was_killed = killed_at(&home, args, n);
            check(&home, &export, &format!("{args:?} killed at call {n}"));
            if !was_killed {
                assert!(n > 10, "{args:?} ended after {n} calls");
                break;
            }
            n += if n < 12 { 1 } else { 3 };
        }
    }
}

#[test]
fn a_kill_at_any_time_of_import_rotate_key_and_init_leaves_a_vault_that_opens() {
    let (home, export) = prepared();
    let text = std::fs::read(&export).unwrap();
    for step in 0..24 {
        let args: &[&str] = if step % 2 == 0 { &["rotate-key"] } else { &["import", "new.csv"] };
        if !std::path::Path::new(&export).exists() {
            std::fs::write(&export, &text).unwrap();
        }
        let mut child =
            home.command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(400 * step));
        let _ = child.kill();
        child.wait().unwrap();
        check(&home, &export, &format!("{args:?} killed after {} µs", 400 * step));
    }
    for step in 0..12 {
        let home = Sandbox::empty();
        let mut child =
            home.command(&["init"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(500 * step));
        let _ = child.kill();
        child.wait().unwrap();
        let again = home.run(&["init"]);
        assert!(again.code == 0 || again.code == 1, "{again:?}");
        home.add("a.com", "me", "secret");
        home.run(&["get", "a.com"]).code(0);
    }
}
