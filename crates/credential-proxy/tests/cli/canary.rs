//! One secret goes through every command and every error path, and is found nowhere that it was not sent.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;

use base64::Engine as _;
use rustix::process::{Pid, Signal, kill_process};

use crate::sandbox::{BIN, Sandbox, Seen, seen, wait_for};

/// The secret. It is another one in each process, since others may run this test on this machine at this moment.
fn canary() -> String {
    format!("cAnary/7\"f3+ü 9xQz{}", std::process::id())
}

/// A name that has nothing to do with it.
const CANARY_FREE: &str = "generated.com";

/// The secret in the forms in which it must not be found.
fn forms(canary: &str) -> Vec<Vec<u8>> {
    let bytes = canary.as_bytes();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let percent: String = bytes
        .iter()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() {
                char::from(*byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect();
    let json = serde_json::to_string(canary).unwrap();
    let ascii = json.replace('ü', "\\u00fc");
    let inner = |json: &str| json[1..json.len() - 1].to_owned();
    let mut forms =
        vec![canary.to_owned(), hex.to_uppercase(), hex, percent, inner(&json), inner(&ascii)];
    for offset in 0..3 {
        let text = base64::engine::general_purpose::STANDARD_NO_PAD
            .encode([&b"xx"[..offset], bytes].concat());
        forms.push(text[offset + 1..text.len() - 2].to_owned());
    }
    forms.into_iter().map(String::into_bytes).collect()
}

fn holds(forms: &[Vec<u8>], bytes: &[u8]) -> bool {
    forms.iter().any(|form| bytes.windows(form.len()).any(|window| window == form.as_slice()))
}

fn search_files(forms: &[Vec<u8>], folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            search_files(forms, &path);
        } else if kind.is_file() {
            assert!(!holds(forms, &std::fs::read(&path).unwrap()), "{}", path.display());
        }
    }
}

/// Searches arguments and environments of all processes but the one that is meant to have it.
fn search_processes(forms: &[Vec<u8>], but: u32) {
    let Ok(processes) = std::fs::read_dir("/proc") else { return };
    for entry in processes.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        for name in ["cmdline", "environ"] {
            if pid == but && name == "environ" {
                continue;
            }
            if let Ok(bytes) = std::fs::read(entry.path().join(name)) {
                assert!(!holds(forms, &bytes), "/proc/{pid}/{name}");
            }
        }
    }
}

#[test]
fn the_canary_is_found_nowhere_but_where_it_was_sent() {
    let canary = &*canary();
    let forms = forms(canary);
    let home = Sandbox::new();
    let quiet = |seen: Seen| {
        assert!(
            !holds(&forms, seen.stdout.as_bytes()) && !holds(&forms, seen.stderr.as_bytes()),
            "{seen:?}"
        );
        assert_ne!(seen.code, 101);
    };
    let csv = format!(
        "name,url,username,password,note\na,https://a.com/,me,\"{}\",\"{}\"\nb,https://b.com/,,,\n",
        canary.replace('"', "\"\""),
        canary.replace('"', "\"\"")
    );
    // A username of the same text is not a secret to the tool, so it is left out here.
    let file = home.write("e.csv", &csv);
    quiet(home.run(&["import", &file, "--dry-run"]));
    quiet(home.run(&["import", &file, "--json"]));
    quiet(home.run(&["import", "bitwarden", &file]));
    quiet(home.run(&["import", "env", &file]));
    std::fs::remove_file(&file).unwrap();
    quiet(home.feed(&["add", "added.com", "--username", "me", "--stdin"], canary));
    quiet(home.feed(&["add", "added.com", "--username", "me", "--stdin"], canary));
    quiet(home.feed(&["edit", "added.com", "--field", "totp", "--stdin"], &format!("{canary}\n")));
    quiet(home.feed(&["edit", "added.com", "--stdin", "--json"], canary));
    // As a note, as a generated field's neighbor, and in exports of every kind that are refused or half taken.
    let json = serde_json::to_string(canary).unwrap();
    for (name, text) in [
        ("e.json", format!("{{\"encrypted\":true,\"data\":{json}}}")),
        (
            "half.json",
            format!("{{\"encrypted\":false,\"items\":[{{\"login\":{{\"password\":{json}"),
        ),
        ("wrong.json", format!("{{\"items\":[{{\"login\":{json}}}]}}")),
        ("open.csv", format!("name,url,username,password\na,https://a.com/,me,\"{canary}\nb,")),
        ("header.csv", format!("{canary},{canary}\n1,2\n")),
        ("wide.csv", format!("name,url,username,password\na,https://a.com/,me,x,{canary}\n")),
        ("open.env", format!("A='{canary}\n")),
        ("line.env", format!("{canary}\nA={canary}\n")),
        ("x.1pux", format!("PK\u{3}\u{4}{canary}")),
        ("x.db", format!("SQLite format 3\0{canary}")),
    ] {
        let file = home.write(name, &text);
        for args in
            [&["import", "--dry-run", &file][..], &["import", &file], &["import", &file, "--json"]]
        {
            quiet(home.run(args));
        }
        quiet(home.run(&["bootstrap", "--csv", &file]));
        let _ = std::fs::remove_file(&file);
    }
    quiet(home.run(&["add", CANARY_FREE, "--generate", "--json"]));
    quiet(
        home.feed(
            &["add", "fields.com", "--field", "api", "--stdin"],
            &format!("{canary}\n{canary}"),
        ),
    );
    quiet(home.feed(&["add", "fields.com", "--field", "api", "--stdin"], canary));
    quiet(home.feed(&["edit", "absent.com", "--stdin"], canary));
    quiet(home.feed(&["add", "", "--stdin"], canary));
    quiet(home.feed(&["add", "late.com", "--stdin", "--expires", "soon"], canary));
    quiet(home.feed(
        &["docker-credential", "store"],
        &format!("{{\"ServerURL\":\"https://d.example\",\"Username\":\"me\",\"Secret\":{json}}}"),
    ));
    quiet(home.feed(&["docker-credential", "list"], ""));
    quiet(home.feed(&["docker-credential", "get"], "https://absent.example"));
    quiet(home.feed(&["docker-credential", "erase"], "https://d.example"));
    quiet(home.feed(&["docker-credential", &canary[..6]], canary));
    quiet(home.feed(
        &["git-credential", "get"],
        &format!("protocol=https\nhost=a.com\npassword={canary}"),
    ));
    quiet(home.feed(&["git-credential", "get"], canary));
    quiet(home.feed(&["git-credential", "approve"], canary));
    // A token is as secret as what it opens, and the canary is a wrong one here.
    for args in [
        &["get", "added.com"][..],
        &["list"],
        &["exec", "--env", "T=absent", "--", "true"],
        &["get", "absent.com", "--direct"],
    ] {
        let mut command = home.command(args);
        command.env("CREDENTIAL_PROXY_TOKEN", canary);
        // Where no token is needed a wrong one does no harm; only what asked for the value gets it.
        if args != ["get", "added.com"] {
            quiet(seen(command, ""));
        }
    }
    let mut wrong_key = home.command(&["verify"]);
    wrong_key.env("CREDENTIAL_PROXY_KEY_COMMAND", "printf %s \"$THE_KEY\"").env("THE_KEY", canary);
    quiet(seen(wrong_key, ""));
    let lines: [&[&str]; 39] = [
        &["list"],
        &["list", "--json"],
        &["show", "added.com"],
        &["show", "added.com", "--json"],
        &["get", "added.com", "--check"],
        &["get", "absent.com"],
        &["get", "added.com", "--field", "absent", "--json"],
        &["report"],
        &["report", "--json"],
        &["verify"],
        &["doctor"],
        &["rotate-key"],
        &["backup", "copy.db"],
        &["audit"],
        &["status", "--json"],
        &["exec", "--env", "T=added.com", "--env", "U=absent", "--", "env"],
        &["exec", "--env", "T=added.com", "--", "env"],
        &["aws-credential", "absent"],
        &["askpass", "Password for 'https://absent.com': "],
        &["rename", "fields.com", "renamed.com"],
        &["rename", "renamed.com", "\n"],
        &["edit", "renamed.com", "--expires", "2000-01-01", "--json"],
        &["report"],
        &["show", "renamed.com"],
        &["env", "T=absent"],
        &["exec", "--file", "F=renamed.com", "--", "sh", "-c", "cat $F; cat $F >&2; base64 $F"],
        &["exec", "--env", "T=renamed.com/api", "--", "nosuch"],
        &["exec", "--env", "T=renamed.com/api", "--env", "U=renamed.com/absent", "--", "env"],
        &["token", "create", "t", "--allow", "absent.com"],
        &["get", "added.com"],
        &["token", "list", "--json"],
        &["token", "test", "t", "added.com"],
        &["token", "revoke", "t"],
        &["audit", "verify"],
        &["lock"],
        &["get", "added.com"],
        &["unlock"],
        &["reload", "--json"],
        &["delete", "renamed.com"],
    ];
    for line in lines {
        quiet(home.run(line));
    }
    quiet(home.feed(
        &["docker-credential", "store"],
        &format!("{{\"ServerURL\":\"x\",\"Secret\":{}", serde_json::to_string(canary).unwrap()),
    ));
    quiet(home.feed(
        &["git-credential", "store"],
        &format!("protocol=https\nhost=git.com\nusername=me\npassword={canary}\n\n"),
    ));
    quiet(home.feed(
        &["git-credential", "erase"],
        &format!("protocol=https\nhost=git.com\nusername=me\npassword={canary}\n\n"),
    ));
    // Broken requests that carry it are not repeated.
    for request in [
        format!("{{\"action\":{canary}"),
        format!("{{\"action\":\"{}\"}}", canary.replace('"', "\\\"")),
        format!("\"{canary}"),
    ] {
        let answer = home.ask(&request);
        assert!(!holds(&forms, answer.as_bytes()), "{answer}");
    }
    // While a child has it in its environment, nobody else does.
    let mut child = home
        .command(&[
            "exec",
            "--env",
            "T=added.com",
            "--",
            "sh",
            "-c",
            "echo $$ > pid.tmp; mv pid.tmp pid; exec sleep 60",
        ])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_for("the child runs", || home.home().join("pid").exists());
    let pid: u32 =
        std::fs::read_to_string(home.home().join("pid")).unwrap().trim().parse().unwrap();
    wait_for("it sleeps", || {
        std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(b"sleep"))
    });
    search_processes(&forms, pid);
    let exec = Pid::from_child(&child);
    kill_process(exec, Signal::TERM).unwrap();
    child.wait().unwrap();
    // A daemon that dies hard writes nothing down.
    kill_process(Pid::from_raw(home.pid()).unwrap(), Signal::ABORT).unwrap();
    wait_for("the daemon is dead", || UnixStream::connect(home.socket()).is_err());
    search_files(&forms, home.home());
    // And it is there for those who ask for it.
    assert_eq!(home.run(&["get", "added.com"]).code(0).stdout, format!("{canary}\n"));
    let mut direct = home.program(BIN, &["get", "added.com", "--direct"]);
    direct.env("CREDENTIAL_PROXY_TOKEN", "cp_unused");
    seen(direct, "").code(0);
}
