//! The vault from the command line: private, exact, and clear about what is wrong.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use crate::sandbox::{Sandbox, has, seen, wait_for};

#[test]
fn init_makes_private_files_under_any_umask_and_leaves_an_existing_vault_alone() {
    let home = Sandbox::empty();
    home.sh("umask 000; credential-proxy init").code(0);
    assert_eq!(home.dir().metadata().unwrap().mode() & 0o777, 0o700);
    for entry in std::fs::read_dir(home.dir()).unwrap() {
        let entry = entry.unwrap();
        let expect = if entry.path().is_dir() { 0o700 } else { 0o600 };
        assert_eq!(entry.metadata().unwrap().mode() & 0o777, expect, "{}", entry.path().display());
    }
    let key = std::fs::read(home.dir().join("key")).unwrap();
    assert_eq!(key.len(), 44);
    let again = home.run(&["init"]).code(1);
    assert_eq!(again.stderr.lines().count(), 1);
    assert_eq!(std::fs::read(home.dir().join("key")).unwrap(), key);
}

#[test]
fn a_secret_comes_back_exactly_and_never_stands_in_an_argument() {
    let home = Sandbox::new();
    for (service, secret) in
        [("a.com", "  two  "), ("b.com", "ünï \"q\" \\"), ("c.com", "line1\nline2")]
    {
        home.feed(&["add", service, "--stdin"], &format!("{secret}\n")).code(0);
        assert_eq!(home.run(&["get", service]).code(0).stdout, format!("{secret}\n"));
        assert_eq!(home.run(&["get", service, "--direct"]).code(0).stdout, format!("{secret}\n"));
        assert_eq!(home.run(&["get", service, "--json"]).code(0).json()["password"], secret);
    }
    home.run(&["add", "d.com", "me", "password"]).code(2);
    home.run(&["add", "d.com", "--password", "x"]).code(2);
    // Without a terminal there is nobody to ask.
    home.run(&["add", "d.com"]).code(2);
}

/// Waits for each prompt and then for the terminal to hide what is typed: who types earlier sees it.
const WATCH: &str = "for n in 1 2; do
    until [ -e prompt.$n ]; do sleep 0.01; done
    until stty -a < /dev/tty | grep -q -- ' -echo '; do sleep 0.01; done
    touch hidden.$n
done
";

#[test]
fn a_prompt_does_not_echo() {
    if !has("script") {
        return;
    }
    let home = Sandbox::new();
    home.write("watch", WATCH);
    let line = format!("timeout --foreground 120 sh watch & {} add a.com", crate::sandbox::BIN);
    let (mut script, mut keyboard, mut screen) = home.at_terminal(&line);
    let mut shown = String::new();
    for (n, prompt) in [(1, "Secret: "), (2, "Once more: ")] {
        let mut piece = [0; 256];
        while !shown.contains(prompt) {
            let n_bytes = screen.read(&mut piece).unwrap();
            assert!(n_bytes > 0, "{shown:?}");
            shown.push_str(&String::from_utf8_lossy(&piece[..n_bytes]));
        }
        home.write(&format!("prompt.{n}"), "");
        wait_for("the echo is off", || home.home().join(format!("hidden.{n}")).exists());
        keyboard.write_all(b"typed-secret\n").unwrap();
    }
    screen.read_to_string(&mut shown).unwrap();
    assert!(script.wait().unwrap().success(), "{shown:?}");
    assert!(!shown.contains("typed-secret"), "{shown:?}");
    assert_eq!(home.run(&["get", "a.com"]).code(0).stdout, "typed-secret\n");
}

#[test]
fn several_accounts_are_listed_and_only_an_exact_name_is_accepted() {
    let home = Sandbox::with("github.com", "one", "secret-1");
    home.add("github.com", "two", "secret-2");
    let seen = home.run(&["get", "github.com"]).code(1);
    assert_eq!(seen.stdout, "");
    assert_eq!(seen.stderr.lines().count(), 1);
    assert!(seen.stderr.contains("one") && seen.stderr.contains("two"), "{seen:?}");
    assert_eq!(home.run(&["get", "github.com", "--username", "two"]).code(0).stdout, "secret-2\n");
    assert_eq!(
        home.run(&["get", "https://www.GitHub.com/x", "--username", "one"]).code(0).stdout,
        "secret-1\n"
    );
    for name in ["github", "hub.com", "git%", "GITHUB"] {
        home.run(&["get", name]).code(1);
    }
    home.feed(&["add", "github.com", "--username", "two", "--stdin"], "x").code(1);
    home.run(&["get", "github.com", "--username", "two", "--check"]).code(0);
    let checked = home.run(&["get", "nope.com", "--check"]).code(1);
    assert_eq!(checked.stdout, "");
}

#[test]
fn credentials_are_renamed_edited_shown_and_deleted_and_the_daemon_sees_it_at_once() {
    let home = Sandbox::with("a.com", "me", "first-secret");
    home.run(&["start"]).code(0);
    home.feed(&["edit", "a.com", "--stdin"], "second-secret").code(0);
    assert_eq!(home.run(&["get", "a.com"]).code(0).stdout, "second-secret\n");
    home.feed(&["edit", "a.com", "--field", "totp", "--stdin"], "ignored\n").code(0);
    home.run(&["edit", "a.com", "--expires", "2030-01-01", "--url", "https://a.com/x"]).code(0);
    let shown = home.run(&["show", "a.com", "--json"]).code(0);
    assert_eq!(shown.json()["expires_at"], "2030-01-01T00:00:00.000Z");
    assert_eq!(shown.json()["fields"][0], "totp");
    assert!(!shown.stdout.contains("second-secret"));
    home.run(&["rename", "a.com", "b.com"]).code(0);
    home.run(&["get", "a.com"]).code(1);
    home.run(&["get", "b.com", "--check"]).code(0);
    home.run(&["delete", "b.com"]).code(0);
    home.run(&["get", "b.com"]).code(1);
    home.run(&["delete", "b.com"]).code(1);
}

#[test]
fn what_is_wrong_with_the_files_is_said_with_the_next_step() {
    let home = Sandbox::with("a.com", "me", "secret");
    let (dir, key, vault) = (home.dir(), home.dir().join("key"), home.dir().join("vault.db"));
    let chmod = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let refused = |why: &str| {
        let seen = home.run(&["get", "a.com"]).code(3);
        assert!(seen.stderr.contains(why) && seen.stderr.contains("hint: "), "{seen:?}");
    };
    chmod(&dir, 0o755);
    refused("others can reach it (mode 0755)");
    chmod(&dir, 0o700);
    chmod(&key, 0o644);
    refused("mode 0644");
    chmod(&key, 0o600);
    let good = std::fs::read(&key).unwrap();
    std::fs::write(&key, "").unwrap();
    refused("it is empty");
    std::fs::write(&key, "short").unwrap();
    refused("44");
    std::fs::write(&key, "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=").unwrap();
    refused("does not open");
    std::fs::remove_file(&key).unwrap();
    refused("lost its key");
    std::os::unix::fs::symlink("/etc/hostname", &key).unwrap();
    refused("symbolic link");
    std::fs::remove_file(&key).unwrap();
    std::fs::create_dir(&key).unwrap();
    refused("no regular file");
    std::fs::remove_dir(&key).unwrap();
    std::fs::write(&key, [good.as_slice(), b"\n"].concat()).unwrap();
    chmod(&key, 0o600);
    home.run(&["get", "a.com", "--direct"]).code(0);
    std::fs::remove_file(&vault).unwrap();
    refused("no vault");
    home.run(&["init"]).code(0);
    home.run(&["get", "a.com"]).code(1);
    std::fs::write(&vault, vec![7_u8; 9000]).unwrap();
    let seen = home.run(&["verify"]).code(3);
    assert!(seen.stderr.contains("damaged"), "{seen:?}");
}

#[test]
fn another_users_files_are_refused() {
    if !crate::sandbox::is_root() {
        return;
    }
    let home = Sandbox::with("a.com", "me", "secret");
    for path in [home.dir(), home.dir().join("key"), home.dir().join("vault.db")] {
        std::os::unix::fs::chown(&path, Some(65_534), None).unwrap();
        let seen = home.run(&["get", "a.com"]).code(3);
        assert!(seen.stderr.contains("belongs to the user with id 65534"), "{seen:?}");
        std::os::unix::fs::chown(&path, Some(0), None).unwrap();
    }
}

#[test]
fn a_clock_that_is_behind_locks_nobody_out() {
    let home = Sandbox::with("a.com", "me", "secret");
    let mut command = home.command(&["get", "a.com"]);
    command.env("AGENT_PLUMBING_CLOCK", "-8760h");
    assert_eq!(seen(command, "").code(0).stdout, "secret\n");
}

#[test]
fn the_key_can_come_from_a_command_or_from_systemd() {
    let home = Sandbox::empty();
    let key = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";
    home.write("elsewhere", key);
    home.run(&["init", "--key-command", "cat ~/elsewhere"]).code(0);
    assert!(!home.dir().join("key").exists());
    home.add("a.com", "me", "secret");
    assert_eq!(home.run(&["get", "a.com"]).code(0).stdout, "secret\n");
    home.run(&["rotate-key"]).code(2);
    home.run(&["stop"]).code(0);
    std::fs::rename(home.home().join("elsewhere"), home.home().join("credential-proxy-key"))
        .unwrap();
    let failed = home.run(&["get", "a.com"]).code(3);
    assert!(failed.stderr.contains("key command failed"), "{failed:?}");
    let mut command = home.command(&["get", "a.com"]);
    command.env("CREDENTIALS_DIRECTORY", home.home());
    assert_eq!(seen(command, "").code(0).stdout, "secret\n");
}

#[test]
fn errors_are_one_json_object_with_json() {
    let home = Sandbox::new();
    let seen = home.run(&["get", "nope", "--json"]).code(1);
    let error: serde_json::Value = serde_json::from_str(&seen.stderr).unwrap();
    assert_eq!(error["error"]["code"], "not_found");
}

#[test]
fn a_backup_opens_with_the_key_and_never_replaces_a_file() {
    let home = Sandbox::with("a.com", "me", "secret");
    let file = home.home().join("copy.db");
    home.run(&["backup", file.to_str().unwrap()]).code(0);
    home.run(&["backup", file.to_str().unwrap()]).code(1);
    assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
    std::fs::remove_file(home.dir().join("vault.db")).unwrap();
    std::fs::rename(&file, home.dir().join("vault.db")).unwrap();
    assert_eq!(home.run(&["get", "a.com"]).code(0).stdout, "secret\n");
}

#[test]
fn rotating_the_key_keeps_everything_and_an_old_key_opens_nothing() {
    let home = Sandbox::with("a.com", "me", "secret");
    home.run(&["start"]).code(0);
    let before = std::fs::read(home.dir().join("key")).unwrap();
    home.run(&["rotate-key"]).code(0);
    assert_ne!(std::fs::read(home.dir().join("key")).unwrap(), before);
    assert_eq!(home.run(&["get", "a.com"]).code(0).stdout, "secret\n");
    home.run(&["stop"]).code(0);
    assert_eq!(home.run(&["get", "a.com"]).code(0).stdout, "secret\n");
    home.run(&["audit", "verify"]).code(0);
    std::fs::write(home.dir().join("key"), before).unwrap();
    home.run(&["verify"]).code(3);
}

#[test]
fn verify_fails_when_one_row_cannot_be_decrypted_and_no_placeholder_is_ever_given() {
    let home = Sandbox::with("a.com", "me", "secret");
    home.add("b.com", "me", "secret-b");
    home.run(&["verify"]).code(0);
    let connection = rusqlite::Connection::open(home.dir().join("vault.db")).unwrap();
    connection
        .execute("UPDATE credential SET token = replace(token, substr(token, 80, 5), 'AAAAA') WHERE id = 1", [])
        .unwrap();
    drop(connection);
    let seen = home.run(&["verify"]).code(3);
    assert!(seen.stderr.contains("id 1"), "{seen:?}");
    let seen = home.run(&["get", "a.com"]).code(3);
    assert_eq!(seen.stdout, "");
    assert!(seen.stderr.contains("cannot be decrypted"), "{seen:?}");
    assert_eq!(home.run(&["get", "b.com"]).code(0).stdout, "secret-b\n");
    // What is there is shown, and what cannot be is told.
    for is_running in [true, false] {
        if !is_running {
            home.run(&["stop"]).code(0);
        }
        for args in [&["list"][..], &["list", "--json"], &["report"], &["backup", "copy.db"]] {
            let seen = home.run(args).code(3);
            assert!(seen.stderr.contains("id 1") && !seen.stdout.is_empty(), "{seen:?}");
            assert!(args[0] != "list" || seen.stdout.contains("b.com"), "{seen:?}");
        }
        std::fs::remove_file(home.home().join("copy.db")).unwrap();
        for args in [&["delete", "a.com"][..], &["edit", "a.com", "--note", "x"]] {
            let seen = home.run(args).code(3);
            assert!(seen.stderr.contains("cannot tell whether a.com is there"), "{seen:?}");
            assert!(seen.stderr.contains("delete --id"), "{seen:?}");
        }
    }
    home.run(&["delete", "--id", "1"]).code(0);
    home.run(&["verify"]).code(0);
    home.run(&["list"]).code(0);
}

#[test]
fn report_says_what_ends_soon_with_exit_1() {
    let home = Sandbox::new();
    home.feed(&["add", "soon.com", "--stdin", "--expires", "10d"], "a").code(0);
    home.feed(&["add", "late.com", "--stdin", "--expires", "90d"], "b").code(0);
    let seen = home.run(&["report", "--json"]).code(1);
    let findings = seen.json()["findings"].as_array().unwrap().clone();
    let expiring: Vec<_> = findings.iter().filter(|one| one["kind"] == "expiring").collect();
    assert_eq!(expiring.len(), 1);
    assert_eq!(expiring[0]["service"], "soon.com");
    home.run(&["edit", "soon.com", "--expires", "never"]).code(0);
    home.run(&["report"]).code(0);
    home.run(&["doctor"]).code(0);
}

#[test]
fn on_stdin_only_one_newline_is_not_the_secrets_and_every_field_needs_its_own_line() {
    let home = Sandbox::new();
    home.feed(&["add", "cr.com", "--stdin"], "pw\r\n").code(0);
    assert_eq!(home.run(&["get", "cr.com"]).code(0).stdout, "pw\r\n");
    let add =
        |stdin| home.feed(&["add", "f.com", "--stdin", "--field", "a", "--field", "b"], stdin);
    for (stdin, words) in
        [("pw\nf1\n", "no line for the field b"), ("pw\nf1\nf2\nf3\n", "more lines"), ("", "empty")]
    {
        let seen = add(stdin).code(2);
        assert!(seen.stderr.contains(words) && !seen.stderr.contains("hint"), "{seen:?}");
    }
    add("pw\nf1\r\n\n").code(0);
    assert_eq!(home.run(&["get", "f.com", "--field", "a"]).code(0).stdout, "f1\r\n");
    assert_eq!(home.run(&["get", "f.com", "--field", "b"]).code(0).stdout, "\n");
}

#[test]
fn a_new_name_is_brought_into_the_form_in_which_it_is_looked_up() {
    let home = Sandbox::with("a.com", "", "secret-1");
    let seen = home.run(&["rename", "a.com", "https://WWW.New.com/login"]).code(0);
    assert_eq!(seen.stdout, "renamed a.com to new.com\n");
    assert_eq!(home.run(&["get", "www.new.com"]).code(0).stdout, "secret-1\n");
    home.run(&["rename", "new.com", "  "]).code(2);
    home.run(&["rename", "new.com", &"x".repeat(1001)]).code(2);
}

#[test]
fn a_check_says_nothing_in_words() {
    let home = Sandbox::with("a.com", "", "secret-1");
    for (service, code) in [("a.com", 0), ("nope", 1)] {
        for more in [&[][..], &["--direct"], &["--json"]] {
            let seen = home.run(&[&["get", service, "--check"], more].concat()).code(code);
            assert_eq!((seen.stdout.as_str(), seen.stderr.as_str()), ("", ""));
        }
    }
}
