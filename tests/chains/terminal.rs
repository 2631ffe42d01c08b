//! A job on a terminal: it can read, Ctrl-C reaches it once, and the parent sees how it ended.
//!
//! The terminal is made by `script` of util-linux.

use std::io::{Read as _, Write as _};
use std::process::Stdio;

use e2e::{Sandbox, have};

use crate::sandbox;

/// Runs a job through two wrappers on a terminal; types `keys` once it printed `ready`.
fn on_terminal(home: &Sandbox, job: &str, keys: &str) -> (Option<i32>, String) {
    home.program("job", &format!("#!/bin/sh\n{job}\n"));
    let mut script = home
        .command(
            "exec script --quiet --return --flush --command 'exec cron-guard exec j -- agent-state exec a -- job' /dev/null",
        )
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script runs");
    let mut keyboard = script.stdin.take().expect("a pipe");
    let mut screen = script.stdout.take().expect("a pipe");
    let mut seen = String::new();
    let mut piece = [0; 1024];
    while !seen.contains("ready") {
        let n_bytes = screen.read(&mut piece).expect("a screen");
        if n_bytes == 0 {
            break;
        }
        seen.push_str(&String::from_utf8_lossy(&piece[..n_bytes]));
    }
    // The job may have ended already; then the keys go nowhere, and the assertion tells.
    let _ = keyboard.write_all(keys.as_bytes());
    screen.read_to_string(&mut seen).expect("a screen");
    drop(keyboard);
    (script.wait().expect("script ends").code(), seen)
}

#[test]
fn a_job_reads_from_the_terminal_through_two_wrappers() {
    if !have(&["script"]) {
        return;
    }
    let (code, screen) =
        on_terminal(&sandbox(), "echo ready; read word; echo got-$word", "hello\n");
    assert_eq!(code, Some(0), "{screen}");
    assert!(screen.contains("got-hello"), "{screen}");
}

#[test]
fn ctrl_c_reaches_the_job_once_and_its_own_code_comes_out() {
    if !have(&["script"]) {
        return;
    }
    let job = "trap 'echo told; exit 9' INT\necho ready\nwhile :; do sleep 0.05; done";
    let (code, screen) = on_terminal(&sandbox(), job, "\u{3}");
    assert_eq!(code, Some(9), "{screen}");
    assert_eq!(screen.matches("told").count(), 1, "{screen}");
}

#[test]
fn death_by_ctrl_c_is_seen_as_death_by_interrupt() {
    if !have(&["script"]) {
        return;
    }
    let (code, screen) = on_terminal(&sandbox(), "echo ready\nexec sleep 60", "\u{3}");
    assert_eq!(code, Some(130), "{screen}");
}

#[test]
fn a_terminal_escape_in_an_argument_is_shown_and_not_obeyed() {
    if !have(&["script"]) {
        return;
    }
    let home = sandbox();
    for line in [
        "agent-state agent show",
        "cron-guard check",
        "context-pack --budget",
        "credential-proxy get --nonsense",
    ] {
        home.program("hostile", &format!("#!/bin/sh\nexec {line} \"$(printf 'x\\033[31mred')\"\n"));
        let seen = home.expect(2, "script --quiet --return --command hostile /dev/null");
        assert!(!seen.stdout.contains("x\u{1b}[31mred"), "{line}: {seen:?}");
    }
}
