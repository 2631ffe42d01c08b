//! The life of a daemon that somebody meddles with: its files removed, its process stopped.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt};

use rustix::process::{Pid, Signal, kill_process};

use crate::daemon::started;
use crate::sandbox::{Sandbox, seen, wait_for};

#[test]
fn a_daemon_whose_socket_or_lock_was_removed_is_found_again() {
    let home = started();
    let pid = home.pid();
    std::fs::remove_file(home.socket()).unwrap();
    assert_eq!(home.run(&["get", "github.com"]).code(0).stdout, "top-secret-1\n");
    assert_eq!(home.pid(), pid);
    assert_eq!(home.socket().metadata().unwrap().mode() & 0o777, 0o600);
    std::fs::remove_file(home.socket()).unwrap();
    assert_eq!(home.run(&["get", "github.com", "--no-start"]).code(0).stdout, "top-secret-1\n");
    // Another socket that nobody listens on took its place.
    std::fs::remove_file(home.socket()).unwrap();
    drop(std::os::unix::net::UnixListener::bind(home.socket()).unwrap());
    std::fs::set_permissions(home.socket(), PermissionsExt::from_mode(0o600)).unwrap();
    home.run(&["start"]).code(0);
    assert_eq!(home.pid(), pid);
    // Without its lock a second one could come.
    std::fs::remove_file(home.dir().join("daemon.lock")).unwrap();
    wait_for("it has a lock again", || home.dir().join("daemon.lock").exists());
    let second = home.run(&["serve", "--foreground"]).code(1);
    assert!(second.stderr.contains(&format!("pid {pid}")), "{second:?}");
    std::fs::remove_file(home.socket()).unwrap();
    home.run(&["stop"]).code(0);
    home.run(&["stop"]).code(1);
    assert!(!home.socket().exists());
    let log = std::fs::read_to_string(home.dir().join("daemon.log")).unwrap();
    assert!(log.contains("the socket was gone"), "{log}");
}

#[test]
fn a_daemon_that_listens_elsewhere_is_found_by_its_note_and_named_to_who_looks_elsewhere_still() {
    let home = Sandbox::with("a.com", "me", "secret-a");
    let at = |socket: &str, args: &[&str]| {
        let mut command = home.command(args);
        command.env("CREDENTIAL_PROXY_SOCKET", socket);
        seen(command, "")
    };
    // A relative path is one of the directory of the caller.
    assert_eq!(at("one.sock", &["get", "a.com"]).code(0).stdout, "secret-a\n");
    assert!(home.home().join("one.sock").exists());
    let pid = home.pid();
    assert_eq!(home.run(&["get", "a.com"]).code(0).stdout, "secret-a\n");
    assert!(home.run(&["status"]).code(0).stdout.contains("~/one.sock"));
    let two = home.home().join("two.sock");
    for verb in [&["get", "a.com"][..], &["start"], &["status"], &["doctor"]] {
        let seen = at(two.to_str().unwrap(), verb).code(3);
        let text = format!("the daemon (pid {pid}) listens on ~/one.sock, and not on ~/two.sock");
        assert!((seen.stderr + &seen.stdout).contains(&text), "{verb:?}");
    }
    at(two.to_str().unwrap(), &["stop"]).code(0);
    home.run(&["start"]).code(0);
    assert!(home.socket().exists());
    assert_eq!(at("two.sock", &["stop"]).code(0).stderr, "");
    home.run(&["status"]).code(4);
}

#[test]
fn a_stopped_daemon_is_told_as_such_and_soon() {
    let home = started();
    let pid = home.pid();
    let process = Pid::from_raw(pid).unwrap();
    kill_process(process, Signal::STOP).unwrap();
    for verb in ["status", "start"] {
        let seen = home.run(&[verb]).code(4);
        assert!(
            seen.stderr.contains(&format!("the daemon (pid {pid}) does not answer")),
            "{seen:?}"
        );
        assert!(seen.stderr.contains(&format!("kill -CONT {pid}")), "{seen:?}");
    }
    let seen = home.run(&["stop"]).code(4);
    assert!(seen.stderr.contains(&format!("kill -KILL {pid}")), "{seen:?}");
    // What it was told it does when it comes to itself.
    kill_process(process, Signal::CONT).unwrap();
    wait_for("it is gone", || !home.socket().exists());
}

#[test]
fn the_note_of_a_killed_daemon_leads_nobody_to_the_daemon_of_another_home() {
    let (home, other) =
        (Sandbox::with("a.com", "me", "secret-a"), Sandbox::with("a.com", "me", "other-secret"));
    let shared = home.home().join("shared.sock");
    let at = |home: &Sandbox, args: &[&str]| {
        let mut command = home.command(args);
        command.env("CREDENTIAL_PROXY_SOCKET", &shared);
        seen(command, "")
    };
    at(&home, &["start"]).code(0);
    kill_process(Pid::from_raw(home.pid()).unwrap(), Signal::KILL).unwrap();
    wait_for("it is dead", || std::os::unix::net::UnixStream::connect(&shared).is_err());
    at(&other, &["start"]).code(0);
    assert_eq!(home.run(&["get", "a.com"]).code(0).stdout, "secret-a\n");
    assert_eq!(other.run(&["get", "a.com"]).code(0).stdout, "other-secret\n");
}
