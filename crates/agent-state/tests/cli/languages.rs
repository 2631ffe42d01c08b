//! What the README shows to those who write in other languages, run as it stands there.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::sandbox::{Done, Sandbox, collect};
use super::server::Server;

const README: &str = include_str!("../../README.md");

/// The block of the README in this language.
fn block(language: &str) -> &'static str {
    let (_, section) = README.split_once("\n## Talking to other languages\n").unwrap();
    let (_, rest) = section.split_once(&format!("\n```{language}\n")).unwrap();
    let (block, _) = rest.split_once("\n```\n").unwrap();
    assert!(block.lines().count() <= 30, "{language}: an example is short");
    block
}

/// Whether the interpreter is there. A missing one fails in CI and is skipped with a word elsewhere.
#[expect(clippy::disallowed_methods, reason = "CI asks the tests, not the tool")]
fn have(interpreter: &str) -> bool {
    if Path::new(interpreter).exists() {
        return true;
    }
    assert!(std::env::var_os("CI").is_none(), "CI lacks {interpreter}");
    let _ = std::io::Write::write_all(
        &mut std::io::stderr(),
        format!("skipped: this machine lacks {interpreter}\n").as_bytes(),
    );
    false
}

/// Runs an example as a file, as a user would save it.
#[expect(clippy::disallowed_methods, reason = "an example of the README")]
fn run(sandbox: &Sandbox, interpreter: &str, language: &str) -> Done {
    let path = sandbox.path(&format!("example.{language}"));
    std::fs::write(&path, block(language)).unwrap();
    let mut command = Command::new(interpreter);
    let binary = sandbox.command();
    command.arg(path).env_clear().current_dir(sandbox.path(""));
    for (name, value) in binary.get_envs() {
        command.env(name, value.unwrap());
    }
    command
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    collect(command.spawn().unwrap())
}

#[test]
fn the_example_in_python_works() {
    if !have("/usr/bin/python3") {
        return;
    }
    let sandbox = Sandbox::new();
    let _server = Server::start(&sandbox);
    assert_eq!(run(&sandbox, "/usr/bin/python3", "python").ok(), "7 pythonist");
    let runs = sandbox.run(["run", "list", "--json"]).lines();
    assert_eq!((&runs[0]["status"], &runs[0]["job"]), (&"completed".into(), &"nightly".into()));
    assert!(sandbox.run(["lock", "list", "--json"]).lines().is_empty(), "it ended with its run");
}

#[test]
fn the_example_in_node_works() {
    if !have("/usr/bin/node") {
        return;
    }
    let sandbox = Sandbox::new();
    let _server = Server::start(&sandbox);
    assert_eq!(run(&sandbox, "/usr/bin/node", "js").ok(), "version_differs 1\n[ 1, 2 ]");
}

#[test]
fn the_example_in_sh_works() {
    let sandbox = Sandbox::new();
    let said = run(&sandbox, "/bin/sh", "sh").ok();
    assert_eq!(said, "the lock is mine\nno such agent");
    assert_eq!(sandbox.run(["lock", "list", "--json"]).lines()[0]["agent"], "shelly");
}

/// The rows of the table: a method of agentd, and the request that does the same.
fn translations() -> Vec<(&'static str, &'static str)> {
    let (_, section) = README.split_once("\n### Coming from agentd\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let row = |line: &'static str| {
        let (theirs, ours) = line.strip_prefix("| `")?.strip_suffix("` |")?.split_once("` | `")?;
        Some((theirs, ours))
    };
    section.lines().filter_map(row).collect()
}

#[test]
fn each_row_of_the_translation_from_agentd_works() {
    let sandbox = Sandbox::with_agents(["reviewer"]);
    let ask = |request: &str| -> Value {
        let answer = sandbox.run_fed(request.as_bytes(), ["rpc"]).json();
        assert!(answer.get("error").is_none(), "{request}\n{answer}");
        answer["result"].clone()
    };
    let (mut token, mut lease) = (Value::Null, Value::Null);
    let rows = translations();
    for (theirs, ours) in &rows {
        if *theirs == "FailNode" {
            lease =
                ask("{\"method\":\"task.next\",\"params\":{\"agent\":\"reviewer\"}}")["lease_id"]
                    .clone();
        }
        let request =
            ours.replace("TOKEN", &token.to_string()).replace("\"LEASE\"", &lease.to_string());
        let result = ask(&request);
        match *theirs {
            "AcquireNextNode" => lease = result["lease_id"].clone(),
            "AcquireResourceLock" => token = result["token"].clone(),
            "CompleteNode" => assert_eq!(result["state"], "completed", "{result}"),
            "FailNode" => assert_eq!(result["state"], "pending", "{result}"),
            "ListResourceLocks" => assert_eq!(result, serde_json::json!([])),
            _ => assert!(result.is_object(), "{theirs}: {result}"),
        }
    }
    assert_eq!(rows.len(), 14);
}
