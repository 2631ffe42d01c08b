//! Tokens and the audit trail.

use std::os::unix::fs::PermissionsExt as _;

use crate::sandbox::{BIN, Sandbox, Seen, copy_of_the_binary, seen};

pub(crate) fn with_token(home: &Sandbox, token: &str, args: &[&str]) -> Seen {
    let mut command = home.command(args);
    command.env("CREDENTIAL_PROXY_TOKEN", token).env("AGENT_STATE_RUN_ID", "run-7");
    seen(command, "")
}

pub(crate) fn token(home: &Sandbox, name: &str, allow: &str, more: &[&str]) -> String {
    let mut args = vec!["token", "create", name, "--allow", allow];
    args.extend(more);
    home.run(&args).code(0).stdout.trim().to_owned()
}

#[test]
fn with_the_first_token_everybody_needs_one_and_denials_name_the_token_not_the_secret() {
    let home = Sandbox::with("github.com", "me", "github-secret");
    home.add("db.internal", "me", "database-secret");
    home.run(&["get", "github.com"]).code(0);
    let ci = token(&home, "ci", "github.com", &[]);
    let seen = home.run(&["get", "github.com"]).code(1);
    assert!(
        seen.stderr.contains("a token is required") && seen.stderr.lines().count() == 1,
        "{seen:?}"
    );
    home.run(&["get", "github.com", "--direct"]).code(1);
    assert!(home.ask(r#"{"action":"get","service":"github.com"}"#).contains("denied"));
    assert!(home.ask(r#"{"action":"list"}"#).contains("denied"));
    assert!(home.ask(r#"{"action":"ping"}"#).contains("ok"));
    assert_eq!(with_token(&home, &ci, &["get", "github.com"]).code(0).stdout, "github-secret\n");
    assert_eq!(
        with_token(&home, &ci, &["get", "github.com", "--direct"]).code(0).stdout,
        "github-secret\n"
    );
    let seen = with_token(&home, &ci, &["get", "db.internal"]).code(1);
    assert!(seen.stderr.contains("token ci") && !seen.stderr.contains("secret"), "{seen:?}");
    // Whether a credential exists is not told either.
    let absent = with_token(&home, &ci, &["get", "absent.internal"]).code(1);
    assert_eq!(absent.stderr.replace("absent.internal", "db.internal"), seen.stderr);
    assert_eq!(with_token(&home, &ci, &["list", "--json"]).code(0).json()["count"], 1);
    with_token(&home, "cp_wrong", &["get", "github.com"]).code(1);
    let file = home.write("token", &format!("{ci}\n"));
    let with_file = || {
        let mut command = home.command(&["get", "github.com"]);
        command.env("CREDENTIAL_PROXY_TOKEN_FILE", &file);
        crate::sandbox::seen(command, "")
    };
    // Whoever could read it could use it, too.
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(&file, open).unwrap();
    let refused = with_file().code(3);
    assert!(refused.stderr.contains("(mode 0644)") && refused.stderr.contains("chmod 600"));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    with_file().code(0);
    home.run(&["token", "revoke", "ci"]).code(0);
    with_token(&home, &ci, &["get", "github.com"]).code(0);
    home.run(&["get", "github.com"]).code(0);
}

#[test]
fn an_inject_only_token_lets_the_agent_use_the_secret_and_not_see_it() {
    let home = Sandbox::with("github.com", "me", "github-secret");
    let agent = token(&home, "agent", "github.com:inject", &[]);
    for args in
        [&["get", "github.com"][..], &["env", "X=github.com"], &["get", "github.com", "--direct"]]
    {
        let seen = with_token(&home, &agent, args).code(1);
        assert!(!seen.stdout.contains("github-secret"));
    }
    let seen = with_token(
        &home,
        &agent,
        &["exec", "--env", "T=github.com", "--", "sh", "-c", "echo ${#T} $T"],
    )
    .code(0);
    assert_eq!(seen.stdout, "13 [redacted:github.com]\n");
    with_token(&home, &agent, &["exec", "--no-masking", "--env", "T=github.com", "--", "env"])
        .code(125);
    // A program that only says that it is `exec` is not believed.
    let answer = home.ask(&format!("{{\"action\":\"get\",\"service\":\"github.com\",\"mode\":\"inject\",\"token\":\"{agent}\"}}"));
    assert!(answer.contains("denied") && !answer.contains("github-secret"), "{answer}");
    let shown = with_token(&home, &agent, &["show", "github.com", "--json"]).code(0);
    assert!(!shown.stdout.contains("github-secret"));
}

#[test]
fn an_inject_only_token_works_on_after_an_upgrade_and_another_installation_is_told_the_next_step() {
    let home = Sandbox::new();
    let place = |folder: &str| {
        let folder = home.home().join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        copy_of_the_binary(&folder.join("new"));
        // As package managers do it: a new file in the place of the old one.
        std::fs::rename(folder.join("new"), folder.join("credential-proxy")).unwrap();
        folder.join("credential-proxy").to_str().unwrap().to_owned()
    };
    let installed = place("bin");
    home.add("github.com", "me", "github-secret");
    let agent = token(&home, "agent", "github.com:inject", &[]);
    let exec = |program: &str| {
        let line = ["exec", "--env", "T=github.com", "--", "sh", "-c", "echo $T"];
        let mut command = home.program(program, &line);
        command.env("CREDENTIAL_PROXY_TOKEN", &agent);
        seen(command, "")
    };
    let _ = home.run(&["stop"]);
    assert_eq!(exec(&installed).code(0).stdout, "[redacted:github.com]\n");
    place("bin");
    assert_eq!(exec(&installed).code(0).stdout, "[redacted:github.com]\n");
    let elsewhere = exec(&place("elsewhere")).code(125);
    assert!(
        elsewhere.stderr.contains("another installation") && elsewhere.stderr.contains("~/bin"),
        "{elsewhere:?}"
    );
    home.run(&["stop"]).code(0);
    assert_eq!(exec(&place("elsewhere")).code(0).stdout, "[redacted:github.com]\n");
}

#[test]
fn rates_and_ends_are_kept_and_a_dry_run_says_what_is_allowed() {
    let home = Sandbox::with("a.com", "me", "secret-a");
    let few = token(&home, "few", "a.com", &["--rate", "2/h"]);
    with_token(&home, &few, &["get", "a.com"]).code(0);
    with_token(&home, &few, &["get", "a.com"]).code(0);
    let seen = with_token(&home, &few, &["get", "a.com"]).code(1);
    assert!(seen.stderr.contains("2/h"), "{seen:?}");
    home.run(&["token", "create", "ended", "--allow", "a.com", "--expires", "2020-01-01"]).code(2);
    let mut create =
        home.command(&["token", "create", "ended", "--allow", "a.com", "--expires", "1d"]);
    create.env("AGENT_PLUMBING_CLOCK", "-48h");
    let ended = crate::sandbox::seen(create, "").code(0).stdout.trim().to_owned();
    assert!(with_token(&home, &ended, &["get", "a.com"]).code(1).stderr.contains("expired"));
    let test = home.run(&["token", "test", "ended", "a.com"]).code(1);
    assert_eq!(test.stdout, "inject  expired\nprint   expired\nhelper  expired\n");
    let _ = token(&home, "agent", "*.com:inject", &[]);
    let test = home.run(&["token", "test", "agent", "a.com", "--json"]).code(0).json();
    assert_eq!((test["inject"].as_bool(), test["print"].as_bool()), (Some(true), Some(false)));
    home.run(&["token", "test", "agent", "a.org"]).code(1);
    home.run(&["token", "create", "agent", "--allow", "x"]).code(1);
    home.run(&["token", "create", "x", "--allow", "["]).code(2);
    for verb in [&["token", "revoke", "nobody"][..], &["token", "test", "nobody", "a.com"]] {
        assert_eq!(home.run(verb).code(1).stderr, "credential-proxy: no such token: nobody\n");
    }
    let typed = token(&home, "typed", "https://www.A.com/", &[]);
    with_token(&home, &typed, &["get", "a.com"]).code(0);
    home.run(&["token", "revoke", "typed"]).code(0);
    let listed = home.run(&["token", "list", "--json"]).code(0);
    assert_eq!(listed.json()["count"], 3);
    assert!(!listed.stdout.contains(&few));
}

#[test]
fn who_used_what_since_when_is_one_command_and_no_value_is_in_it() {
    let home = Sandbox::with("github.com", "me", "github-secret");
    home.add("other.com", "me", "other-secret");
    let ci = token(&home, "ci", "*", &[]);
    with_token(&home, &ci, &["get", "github.com"]).code(0);
    with_token(&home, &ci, &["exec", "--env", "T=other.com", "--", "true"]).code(0);
    with_token(&home, &ci, &["get", "github.com", "--direct"]).code(0);
    home.run(&["get", "github.com"]).code(1);
    let few = token(&home, "few", "other.com", &[]);
    with_token(&home, &few, &["get", "github.com", "--direct"]).code(1);
    home.run(&["stop"]).code(0);
    with_token(&home, &few, &["get", "github.com", "--direct"]).code(1);
    let seen = home.run(&["audit", "--service", "github.com", "--since", "1h", "--json"]).code(0);
    let records: Vec<serde_json::Value> =
        seen.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let facts: Vec<_> = records
        .iter()
        .map(|one| {
            (
                one["mode"].as_str().unwrap(),
                one["decision"].as_str().unwrap(),
                one["token"].as_str(),
            )
        })
        .collect();
    assert_eq!(
        facts,
        [
            ("add", "allowed", None),
            ("print", "allowed", Some("ci")),
            ("direct", "allowed", Some("ci")),
            ("print", "denied", None),
            ("direct", "denied", Some("few")),
            ("direct", "denied", Some("few"))
        ]
    );
    assert_eq!(records[1]["run_id"], "run-7");
    assert!(records[1]["exe"].as_str().unwrap().contains("credential-proxy"));
    assert!(records[1]["pid"].as_u64().unwrap() > 1);
    assert_eq!(home.run(&["audit", "--client", "ci", "--json"]).code(0).stdout.lines().count(), 3);
    assert_eq!(home.run(&["audit", "--since", "2099-01-01", "--json"]).code(0).stdout, "");
    assert!(!seen.stdout.contains("secret"));
    home.run(&["audit"]).code(0);
    home.run(&["audit", "verify"]).code(0);
}

#[test]
fn an_edited_removed_or_cut_off_record_makes_verify_fail() {
    let home = Sandbox::with("a.com", "me", "secret-a");
    for _ in 0..3 {
        home.run(&["get", "a.com"]).code(0);
    }
    home.run(&["stop"]).code(0);
    let file = home.dir().join("audit/audit.jsonl");
    let text = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    for broken in [
        text.replacen("allowed", "denied", 1),
        [lines[0], lines[2], lines[3]].join("\n") + "\n",
        lines[..3].join("\n") + "\n",
        String::new(),
    ] {
        std::fs::write(&file, broken).unwrap();
        let seen = home.run(&["audit", "verify"]).code(3);
        assert!(seen.stderr.contains("record"), "{seen:?}");
    }
    std::fs::write(&file, &text).unwrap();
    home.run(&["audit", "verify"]).code(0);
    // A lost trail stays known after a new one has begun.
    std::fs::remove_dir_all(home.dir().join("audit")).unwrap();
    home.run(&["audit", "verify"]).code(3);
    home.run(&["get", "a.com"]).code(0);
    home.run(&["audit", "verify"]).code(3);
}

#[test]
fn a_full_disk_for_the_trail_does_not_stop_the_service_and_is_told() {
    let home = Sandbox::with("a.com", "me", "secret-a");
    // A limit on file size is the full disk of one process.
    let script = format!("ulimit -f 1; trap '' XFSZ; exec {BIN} serve --foreground");
    let mut daemon = home.program("/bin/sh", &["-c", &script]).spawn().unwrap();
    crate::sandbox::wait_for("it answers", || {
        std::os::unix::net::UnixStream::connect(home.socket()).is_ok()
    });
    for _ in 0..12 {
        assert_eq!(home.run(&["get", "a.com"]).code(0).stdout, "secret-a\n");
    }
    let status = home.run(&["status", "--json"]).code(0).json();
    assert!(status["problem"].as_str().unwrap_or_default().contains("audit"), "{status}");
    home.run(&["stop"]).code(0);
    daemon.wait().unwrap();
    let seen = home.run(&["audit", "verify"]).code(3);
    assert!(seen.stderr.contains("could not be written"), "{seen:?}");
    home.run(&["get", "a.com"]).code(0);
    let seen = home.run(&["audit", "verify"]).code(0);
    assert!(seen.stdout.contains("not in them"), "{seen:?}");
}
