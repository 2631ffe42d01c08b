//! Started by cron, systemd and launchd.

use std::io::Read as _;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::os::unix::process::CommandExt as _;

use crate::sandbox::{BIN, Sandbox, has, seen};

#[test]
fn a_crontab_line_with_nothing_but_home_starts_the_daemon_and_mails_nothing() {
    let home = Sandbox::with("a.com", "me", "secret-a");
    let mut command = home.program(
        "/bin/sh",
        &["-c", &format!("{BIN} start && {BIN} start && {BIN} exec --env T=a.com -- /bin/true")],
    );
    command.env_remove("PATH");
    let seen = seen(command, "").code(0);
    assert_eq!((seen.stdout.as_str(), seen.stderr.as_str()), ("", ""));
    // The home can be found without HOME, too.
    let mut bare = home.command(&["get", "a.com", "--home", home.dir().to_str().unwrap()]);
    bare.env_clear();
    assert_eq!(crate::sandbox::seen(bare, "").code(0).stdout, "secret-a\n");
}

#[test]
fn the_systemd_units_pass_systemds_own_check() {
    let home = Sandbox::new();
    let printed = home.run(&["service", "systemd"]).code(0).stdout;
    assert!(printed.contains("[Socket]") && printed.contains("Type=notify"), "{printed}");
    home.run(&["service", "systemd", "--install"]).code(0);
    let folder = home.home().join(".config/systemd/user");
    if !has("systemd-analyze") {
        return;
    }
    let units =
        ["credential-proxy.service", "credential-proxy.socket"].map(|name| folder.join(name));
    let mut command = home.program("systemd-analyze", &["--user", "verify"]);
    command.args(&units).env("XDG_RUNTIME_DIR", home.home());
    let checked = seen(command, "");
    // Some containers have no runtime directory to check in; then systemd says so.
    if checked.stderr.contains("Failed to") {
        return;
    }
    let ours: Vec<&str> = checked
        .stderr
        .lines()
        .filter(|line| line.contains("credential-proxy") && !line.contains("man "))
        .collect();
    assert!(ours.is_empty() && checked.code == 0, "{checked:?}");
}

#[test]
fn the_launchd_plist_is_xml_that_starts_this_program() {
    let home = Sandbox::new();
    let plist = home.run(&["service", "launchd"]).code(0).stdout;
    assert!(
        plist.starts_with("<?xml")
            && plist.contains("<key>RunAtLoad</key>")
            && plist.contains("serve")
    );
    let mut open = Vec::new();
    for piece in plist.split('<').skip(1) {
        let tag = piece.split('>').next().unwrap();
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name));
        } else if !tag.ends_with('/') && !tag.starts_with(['?', '!']) {
            open.push(tag.split(' ').next().unwrap().to_owned());
        }
    }
    assert!(open.is_empty(), "{open:?}");
    if has("python3") {
        let script = "import plistlib,sys; d=plistlib.loads(sys.stdin.buffer.read()); assert d['RunAtLoad'] is True; print(d['ProgramArguments'][1])";
        assert_eq!(
            seen(home.program("python3", &["-c", script]), &plist).code(0).stdout,
            "serve\n"
        );
    }
}

#[test]
fn a_socket_from_systemd_is_taken_over_and_readiness_and_watchdog_are_told() {
    let home = Sandbox::with("a.com", "me", "secret-a");
    let notify = UnixDatagram::bind(home.home().join("notify")).unwrap();
    notify.set_read_timeout(Some(crate::sandbox::DEADLINE)).unwrap();
    let listener = UnixListener::bind(home.socket()).unwrap();
    std::fs::set_permissions(home.socket(), std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .unwrap();
    // The listener becomes descriptor 3 of a shell, which then becomes the daemon.
    let mut command = home.program(
        "/bin/sh",
        &[
            "-c",
            &format!(
                "exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec {BIN} serve --foreground"
            ),
        ],
    );
    command
        .stdin(std::os::fd::OwnedFd::from(listener))
        .env("NOTIFY_SOCKET", home.home().join("notify"))
        .env("WATCHDOG_USEC", "200000")
        .process_group(0)
        .stderr(std::process::Stdio::null());
    let mut daemon = command.spawn().unwrap();
    let mut texts = String::new();
    while !(texts.contains("READY=1") && texts.contains("WATCHDOG=1")) {
        let mut bytes = [0; 200];
        match notify.recv(&mut bytes) {
            // A machine that was stopped and goes on.
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            n_bytes => texts.push_str(&String::from_utf8_lossy(&bytes[..n_bytes.unwrap()])),
        }
    }
    assert_eq!(home.run(&["get", "a.com"]).code(0).stdout, "secret-a\n");
    home.run(&["stop"]).code(0);
    assert!(daemon.wait().unwrap().success());
    // The path belongs to systemd and stays.
    assert!(home.socket().exists());
    std::fs::remove_file(home.socket()).unwrap();
}

#[test]
fn names_are_completed_by_a_daemon_that_runs_and_none_is_started_for_it() {
    let home = Sandbox::with("github.com", "me", "some-secret");
    home.add("gitlab.com", "me", "some-secret");
    let complete = |words: &[&str], token: Option<&str>| {
        let index = (words.len() - 1).to_string();
        let mut command = home.command(&["--", "credential-proxy"]);
        command
            .args(words.get(1..).unwrap())
            .env("_CREDENTIAL_PROXY_COMPLETE", "bash")
            .env("_CLAP_IFS", "\n")
            .env("_CLAP_COMPLETE_INDEX", index)
            .envs(token.map(|token| ("CREDENTIAL_PROXY_TOKEN", token)));
        crate::sandbox::seen(command, "").code(0).stdout
    };
    let get = ["credential-proxy", "get", "git"];
    assert_eq!(complete(&get, None), "");
    assert!(!home.socket().exists(), "a completion must not start a daemon");
    home.run(&["start"]).code(0);
    assert_eq!(complete(&get, None), "github.com\ngitlab.com");
    let exec = ["credential-proxy", "exec", "--env", "T=gith"];
    assert_eq!(complete(&exec, None), "T=github.com");
    // Names are secrets, too: with grants, only those that the token may see.
    let token = home.run(&["token", "create", "t", "--allow", "gitlab.com"]).code(0).stdout;
    assert_eq!(complete(&get, None), "");
    assert_eq!(complete(&get, Some(token.trim())), "gitlab.com");
}

#[test]
fn an_empty_variable_counts_as_absent() {
    let home = Sandbox::with("a.com", "me", "secret-a");
    for args in [&["get", "a.com"][..], &["list"], &["get", "a.com", "--direct"], &["verify"]] {
        let mut command = home.command(args);
        for name in ["HOME", "KEY_COMMAND", "SOCKET", "TOKEN", "TOKEN_FILE"] {
            command.env(format!("CREDENTIAL_PROXY_{name}"), "");
        }
        seen(command, "").code(0);
    }
    home.run(&["verify", "--home", ""]).code(2);
}

#[test]
fn documents_for_programs_are_one_and_have_whole_paths() {
    let home = Sandbox::empty();
    let dir = home.dir().display().to_string();
    assert_eq!(home.run(&["init", "--json"]).code(0).json()["key"], format!("{dir}/key"));
    assert_eq!(home.run(&["rotate-key", "--json"]).code(0).json()["key"], format!("{dir}/key"));
    let units = home.run(&["service", "systemd", "--json"]).code(0).json();
    let files = units["files"].as_array().unwrap();
    assert_eq!(files.len(), 2);
    assert!(files[0]["text"].as_str().unwrap().starts_with("[Unit]"));
    assert!(files[0]["path"].as_str().unwrap().ends_with("credential-proxy.service"));
}

#[test]
fn doctor_does_not_call_a_missing_key_good() {
    let home = Sandbox::with("a.com", "me", "secret-a");
    std::fs::remove_file(home.dir().join("key")).unwrap();
    let seen = home.run(&["doctor"]).code(3).stdout;
    assert!(seen.contains("bad   key"), "{seen}");
}

#[test]
fn help_of_every_command_has_examples_and_completions_are_printed() {
    let home = Sandbox::empty();
    let help = home.run(&["--help"]).code(0).stdout;
    let verbs: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| {
            line.strip_prefix("  ").filter(|line| !line.starts_with(' '))?.split(' ').next()
        })
        .filter(|verb| *verb != "help")
        .collect();
    assert!(verbs.len() > 20, "{verbs:?}");
    let nested = ["token create", "token list", "token revoke", "token test", "audit verify", ""];
    for verb in verbs.into_iter().chain(nested) {
        let words: Vec<&str> = verb.split_whitespace().chain(["--help"]).collect();
        let text = home.run(&words).code(0).stdout;
        let (_, examples) =
            text.split_once("Examples:\n").unwrap_or_else(|| panic!("{verb}: {text}"));
        assert!(examples.lines().count() >= 2, "{verb}: {text}");
        // A terminal of 80 columns must not break what is to be pasted.
        assert!(examples.lines().all(|line| line.len() < 80), "{verb}: {examples}");
        if has("bash") {
            let parsed = home.program("bash", &["-n", "-c", examples]).output().unwrap();
            assert!(parsed.status.success(), "{verb}: {parsed:?}");
        }
        for name in ["CREDENTIAL_PROXY_HOME", "CREDENTIAL_PROXY_KEY_COMMAND"] {
            assert!(text.contains(name), "{verb} does not say {name}");
        }
    }
    assert!(home.run(&["completions", "bash"]).code(0).stdout.contains("credential-proxy"));
    let mut closed =
        home.program("/bin/sh", &["-c", &format!("{BIN} completions bash | head -n 1 >/dev/null")]);
    let mut child = closed.stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    child.wait().unwrap();
    assert_eq!(stderr, "");
}
