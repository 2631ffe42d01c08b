//! `exec`: the child has the secret, its output does not.

use std::io::{Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;

use crate::sandbox::{BIN, Sandbox, has, seen, wait_for};

const SECRET: &str = "s3cr\"t/ü+ pass>word?";

fn home() -> Sandbox {
    Sandbox::with("github.com", "me", SECRET)
}

#[test]
fn the_child_gets_the_value_and_its_output_is_masked_in_every_form_on_both_streams() {
    let home = home();
    let seen = home.sh("credential-proxy exec --env T=github.com -- sh -c 'test \"$T\" && echo \"<$T>\"; echo \"$T\" >&2; printf %s \"$T\" | base64; printf %s \"$T\" | od -An -tx1 | tr -d \" \\n\"; for i in 1 2 3; do printf %s \"$T\" | head -c 9; sleep 0.02; printf %s \"$T\" | tail -c +10; done; exit 7'");
    assert_eq!(seen.code, 7, "{seen:?}");
    assert!(seen.stdout.contains("<[redacted:github.com]>\n"), "{seen:?}");
    assert_eq!(seen.stderr, "[redacted:github.com]\n");
    assert_eq!(seen.stdout.matches("[redacted:github.com]").count(), 6, "{seen:?}");
    assert!(!seen.stdout.contains("pass") && !seen.stdout.contains("czNjc"), "{seen:?}");
}

#[test]
fn a_missing_credential_stops_the_child_and_all_missing_names_are_told() {
    let home = home();
    let seen = home.sh("credential-proxy exec --env A=one.com --env B=github.com --env C=two.com/username -- touch started").code(125);
    assert!(seen.stderr.contains("one.com") && seen.stderr.contains("two.com"), "{seen:?}");
    assert!(!home.home().join("started").exists());
    home.run(&["exec", "--env", "A=github.com/nofield", "--", "true"]).code(125);
    home.run(&["exec", "--env", "A=github.com", "--", "/nonexistent/x"]).code(127);
    home.run(&["exec", "--env", "A=github.com", "--", "/etc/passwd"]).code(126);
    home.run(&["exec", "--env", "1A=github.com", "--", "true"]).code(2);
    home.run(&["exec", "--env", "A=github.com"]).code(2);
}

#[test]
fn what_the_system_refuses_before_the_child_is_there_is_125() {
    let home = home();
    home.run(&["start"]).code(0);
    let mut n_refused = 0;
    for limit in 4..20 {
        let line = format!("ulimit -n {limit}; credential-proxy exec --env T=github.com -- true");
        let seen = home.sh(&line);
        assert!([0, 125].contains(&seen.code), "{limit}: {seen:?}");
        n_refused += usize::from(seen.code == 125);
    }
    assert!(n_refused > 5, "{n_refused}");
}

#[test]
fn inherited_values_are_replaced_and_what_is_ours_is_not_passed_on() {
    let home = home();
    let mut command =
        home.command(&["exec", "--no-masking", "--env", "T=github.com", "--", "/usr/bin/env"]);
    command
        .env("T", "old")
        .env("CREDENTIAL_PROXY_TOKEN", "cp_x")
        .env("CREDENTIAL_PROXY_HOME", home.dir())
        .env("KEEP", "1");
    let shown = seen(command, "").code(0).stdout;
    assert_eq!(
        shown.lines().filter(|line| line.starts_with("T=")).collect::<Vec<_>>(),
        [format!("T={SECRET}")]
    );
    assert!(!shown.contains("CREDENTIAL_PROXY_") && shown.contains("KEEP=1"), "{shown}");
    let mut command = home.command(&[
        "exec",
        "--only-env",
        "--no-masking",
        "--env",
        "T=github.com",
        "--",
        "/usr/bin/env",
    ]);
    command.env("DROP", "1").env("AGENT_STATE_RUN_ID", "r1");
    let shown = seen(command, "").code(0).stdout;
    assert!(
        !shown.contains("DROP=")
            && shown.contains("AGENT_STATE_RUN_ID=r1")
            && shown.contains("HOME="),
        "{shown}"
    );
}

#[test]
fn the_childs_end_is_ours_and_stdin_passes_through() {
    let home = home();
    for masking in [&[][..], &["--no-masking"]] {
        let args = |script: &'static str| {
            let mut args = vec!["exec", "--env", "T=github.com"];
            args.extend(masking);
            args.extend(["--", "sh", "-c", script]);
            args
        };
        let status = home.command(&args("kill -TERM $$")).status().unwrap();
        assert_eq!(status.signal(), Some(15));
        assert_eq!(home.feed(&args("cat"), "from stdin").code(0).stdout, "from stdin");
    }
    let child = home
        .command(&[
            "exec",
            "--env",
            "T=github.com",
            "--",
            "sh",
            "-c",
            "trap 'exit 9' TERM; touch up; while :; do sleep 0.05; done",
        ])
        .spawn()
        .unwrap();
    wait_for("the child runs", || home.home().join("up").exists());
    rustix::process::kill_process(
        rustix::process::Pid::from_child(&child),
        rustix::process::Signal::TERM,
    )
    .unwrap();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(9));
}

#[test]
fn a_private_file_is_there_for_the_child_and_gone_with_it_also_after_a_kill() {
    let home = home();
    let seen = home.sh("credential-proxy exec --file F=github.com -- sh -c 'stat -c %a \"$F\"; wc -c < \"$F\"; echo \"$F\" >&2'").code(0);
    assert_eq!(
        seen.stdout.split_whitespace().collect::<Vec<_>>(),
        ["600", &SECRET.len().to_string()]
    );
    let path = std::path::PathBuf::from(seen.stderr.trim());
    assert!(!path.exists() && !path.parent().unwrap().exists());
    let mut child = home
        .command(&[
            "exec",
            "--file",
            "F=github.com",
            "--",
            "sh",
            "-c",
            "echo \"$F\" > path.tmp; mv path.tmp path; sleep 60",
        ])
        .spawn()
        .unwrap();
    wait_for("the child runs", || home.home().join("path").exists());
    let left =
        std::path::PathBuf::from(std::fs::read_to_string(home.home().join("path")).unwrap().trim());
    assert!(left.exists());
    child.kill().unwrap();
    child.wait().unwrap();
    wait_for("the file of a killed exec is gone", || !left.exists());
}

#[test]
fn what_a_background_job_writes_after_the_end_is_not_lost_and_masked() {
    let home = home();
    let seen = home
        .sh("credential-proxy exec --env T=github.com -- sh -c '(until [ -e go ]; do sleep 0.02; done; echo \"late $T\"; echo \"$T\" >&2; touch wrote) & echo now; exit 5'; echo \"ended $?\"; touch go")
        .code(0);
    assert_eq!(seen.stdout, "now\nended 5\nlate [redacted:github.com]\n");
    assert_eq!(seen.stderr, "[redacted:github.com]\n");
    assert!(home.home().join("wrote").exists());
}

#[test]
fn output_that_cannot_be_written_is_an_error_and_a_reader_that_leaves_is_none() {
    let home = home();
    let exec = "credential-proxy exec --env T=github.com -- sh -c";
    let seen = home.sh(&format!("{exec} 'echo hi' > /dev/full")).code(3);
    assert!(seen.stderr.contains("cannot write to standard output: No space left"), "{seen:?}");
    let seen = home.sh(&format!("{exec} 'echo hi; exit 5' > /dev/full")).code(5);
    assert!(seen.stderr.contains("warning: cannot write to standard output"), "{seen:?}");
    home.sh(&format!("{exec} 'echo hi >&2' 2> /dev/full")).code(3);
    let seen = home.sh(&format!("{exec} 'yes; echo $? > status' | head -n 1")).code(0);
    assert_eq!((seen.stdout.as_str(), seen.stderr.as_str()), ("y\n", ""));
    wait_for("yes ended", || {
        std::fs::read_to_string(home.home().join("status")).is_ok_and(|status| status == "141\n")
    });
}

#[test]
fn both_streams_into_one_place_keep_their_order() {
    let home = home();
    home.sh("credential-proxy exec --env T=github.com -- sh -c 'for i in 1 2 3 4 5 6 7 8 9; do echo o$i; echo e$i >&2; done' > log 2>&1").code(0);
    let log = std::fs::read_to_string(home.home().join("log")).unwrap();
    let expect: String = (1..10).map(|i| format!("o{i}\ne{i}\n")).collect();
    assert_eq!(log, expect);
}

#[test]
fn on_a_terminal_the_child_has_one_too_and_is_masked() {
    if !has("script") {
        return;
    }
    let home = home();
    let script = format!(
        "{BIN} exec --env T=github.com -- sh -c 'test -t 0 && test -t 1 && test -t 2 && echo a-terminal; echo \"$T\"; read line; echo \"got $line\"; exit 4'"
    );
    let shown = seen(home.on_terminal(&script), "typed\n").code(4);
    assert!(shown.stdout.contains("a-terminal") && shown.stdout.contains("got typed"), "{shown:?}");
    assert!(
        shown.stdout.contains("[redacted:github.com]") && !shown.stdout.contains("pass>word"),
        "{shown:?}"
    );
}

#[test]
fn the_stop_key_stops_the_masked_command_and_the_shell_brings_it_back() {
    if !has("script") || !has("bash") {
        return;
    }
    let home = home();
    let (mut script, mut keyboard, mut screen) = home.at_terminal("bash --norc --noprofile -i");
    let mut shown = String::new();
    let child = "echo up-$((1+1)) $T; until [ -e go ]; do sleep 0.02; done; echo gone-$((1+1)) on";
    for (keys, answer) in [
        (
            format!("{BIN} exec --env T=github.com -- sh -c '{child}'\n"),
            "up-2 [redacted:github.com]",
        ),
        ("\u{1a}".to_owned(), "Stopped"),
        ("touch go; echo shell-$((1+1))\n".to_owned(), "shell-2"),
        // Keys that come before the shell has its terminal back are for the command.
        ("fg\n".to_owned(), "gone-2 on"),
        ("echo end-$((1+1)); exit\n".to_owned(), "end-2"),
    ] {
        keyboard.write_all(keys.as_bytes()).unwrap();
        let mut piece = [0; 1024];
        let has_prompt = !answer.starts_with("up-") && !answer.starts_with("end-");
        while !shown
            .split_once(answer)
            .is_some_and(|(_, behind)| !has_prompt || behind.contains("<prompt>"))
        {
            let n_bytes = screen.read(&mut piece).unwrap();
            assert!(n_bytes > 0, "{shown:?}");
            shown.push_str(&String::from_utf8_lossy(&piece[..n_bytes]));
        }
        assert_eq!(shown.contains("gone-2 on"), answer == "gone-2 on" || answer == "end-2");
    }
    assert!(script.wait().unwrap().success());
}

#[test]
fn short_secrets_are_announced_and_usernames_are_left_alone() {
    let home = Sandbox::with("pin.com", "someone", "12345");
    let seen = home
        .run(&[
            "exec",
            "--env",
            "P=pin.com",
            "--env",
            "U=pin.com/username",
            "--",
            "sh",
            "-c",
            "echo $P $U",
        ])
        .code(0);
    assert_eq!(seen.stdout, "12345 someone\n");
    assert!(
        seen.stderr.contains("fewer than 6 characters") && seen.stderr.lines().count() == 1,
        "{seen:?}"
    );
}

#[test]
fn success_prints_nothing_of_its_own() {
    let home = home();
    let seen = home.run(&["exec", "--env", "T=github.com", "--", "true"]).code(0);
    assert_eq!((seen.stdout.as_str(), seen.stderr.as_str()), ("", ""));
    let seen = home.run(&["exec", "--", "echo", "plain"]).code(0);
    assert_eq!(seen.stdout, "plain\n");
}

#[test]
fn an_empty_field_is_an_empty_variable() {
    let home = Sandbox::with("empty.com", "", SECRET);
    assert_eq!(home.run(&["env", "U=empty.com/username"]).code(0).stdout, "export U=''\n");
    home.run(&["exec", "--env", "U=empty.com/username", "--", "sh", "-c", "test -z \"$U\""])
        .code(0);
}

#[test]
fn env_prints_what_a_shell_evaluates_to_the_same_value() {
    let home = home();
    let seen = home.sh("eval \"$(credential-proxy env T=github.com U=github.com/username)\"; printf '%s|%s' \"$T\" \"$U\"").code(0);
    assert_eq!(seen.stdout, format!("{SECRET}|me"));
    assert_eq!(home.run(&["env", "T=github.com", "--json"]).code(0).json()["T"], SECRET);
    home.run(&["env", "T=absent.com"]).code(1);
}

#[test]
fn a_field_of_one_of_several_accounts_is_picked_also_with_a_token() {
    let home = Sandbox::new();
    for username in ["a", "b@x.org"] {
        home.feed(
            &["add", "two.com", "--username", username, "--stdin", "--field", "api"],
            &format!("{username}-password\n{username}-api\n"),
        )
        .code(0);
    }
    home.add("me@literal", "", "literal-password");
    let token = home.run(&["token", "create", "job", "--allow", "two.com"]).code(0).stdout;
    for token in [token.trim(), ""] {
        for (reference, value) in [
            ("two.com@a", "a-password"),
            ("two.com/password@b@x.org", "b@x.org-password"),
            ("two.com/api@a", "a-api"),
            ("two.com/api@b@x.org", "b@x.org-api"),
            ("two.com/username@a", "a"),
        ] {
            let mut command = home.command(&["env", "--json", &format!("A={reference}")]);
            command.env("CREDENTIAL_PROXY_TOKEN", token);
            assert_eq!(seen(command, "").code(0).json()["A"], value, "{reference}");
        }
        if !token.is_empty() {
            home.run(&["token", "revoke", "job"]).code(0);
        }
    }
    assert_eq!(
        home.run(&["env", "--json", "A=me@literal"]).code(0).json()["A"],
        "literal-password"
    );
    let seen = home.run(&["env", "A=two.com/nofield@a"]).code(1);
    assert!(seen.stderr.contains("two.com has no field nofield"), "{seen:?}");
    let seen = home.run(&["env", "A=two.com/api"]).code(1);
    assert!(seen.stderr.contains("ambiguous"), "{seen:?}");
}

#[test]
fn a_lent_token_dies_with_the_child() {
    let home = home();
    let token = home.run(&["token", "create", "job", "--allow", "github.com"]).code(0).stdout;
    let mut command = home.command(&[
        "exec",
        "--no-masking",
        "--with-token",
        "--",
        "sh",
        "-c",
        "echo \"$CREDENTIAL_PROXY_TOKEN\"; \"$0\" get github.com",
        BIN,
    ]);
    command.env("CREDENTIAL_PROXY_TOKEN", token.trim());
    let shown = seen(command, "").code(0).stdout;
    let lent = shown.lines().next().unwrap();
    assert!(lent.starts_with("cp_") && lent != token.trim());
    assert_eq!(shown.lines().nth(1), Some(SECRET));
    wait_for("the lent token is dead", || {
        let mut command = home.command(&["get", "github.com"]);
        command.env("CREDENTIAL_PROXY_TOKEN", lent).stdout(Stdio::null());
        seen(command, "").code == 1
    });
}

#[test]
fn what_is_secret_in_an_address_is_neither_shown_nor_in_the_output() {
    let url = "https://bob:hunter2xyz@ui.com/p?token=abcsecret&page=2";
    let home = Sandbox::new();
    home.feed(&["add", "ui.com", "--url", url, "--stdin"], "unrelated").code(0);
    let shown = home.run(&["show", "ui.com"]).code(0).stdout;
    assert!(shown.contains("https://bob:[redacted]@ui.com/p?token=[redacted]&page=2"), "{shown}");
    let shown = home.run(&["show", "ui.com", "--json"]).code(0).stdout;
    assert!(!shown.contains("hunter2xyz") && !shown.contains("abcsecret"), "{shown}");
    assert_eq!(home.run(&["get", "ui.com", "--field", "url"]).code(0).stdout, format!("{url}\n"));
    let args = ["exec", "--env", "U=ui.com/url", "--", "sh", "-c", "echo \"$U\""];
    assert_eq!(
        home.run(&args).code(0).stdout,
        "https://bob:[redacted:ui.com]@ui.com/p?token=[redacted:ui.com]&page=2\n"
    );
}
