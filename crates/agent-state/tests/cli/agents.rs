//! Who there is.

use super::sandbox::{Sandbox, collect};
use super::upkeep::python_database;

#[test]
fn registering_again_gives_the_same_agent_and_changes_only_what_a_flag_sets() {
    let sandbox = Sandbox::new();
    let first = sandbox
        .run([
            "agent",
            "register",
            "reviewer",
            "--type",
            "interactive",
            "--metadata",
            "{\"a\":1}",
            "--json",
        ])
        .json();
    let again =
        sandbox.run(["agent", "register", "reviewer", "--cron-job-id", "k6", "--json"]).json();
    assert_eq!(again["agent_id"], first["agent_id"]);
    assert_eq!(again["type"], "interactive");
    assert_eq!(again["metadata"]["a"], 1);
    assert_eq!(again["cron_job_id"], "k6");
}

#[test]
fn fifty_first_registrations_at_once_give_one_agent() {
    let sandbox = Sandbox::new();
    // How long fifty writes take is the disk's affair.
    let register = ["agent", "register", "reviewer", "--busy-timeout", "60s"];
    let children: Vec<_> = (0..50).map(|_| sandbox.start(register)).collect();
    let mut ids: Vec<String> = children.into_iter().map(|child| collect(child).ok()).collect();
    ids.dedup();
    assert_eq!(ids.len(), 1);
    assert_eq!(sandbox.run(["agent", "list", "--json"]).lines().len(), 1);
    assert_eq!(sandbox.damage(), [""; 0]);
}

#[test]
fn an_unknown_agent_is_an_honest_no_and_never_a_silent_row() {
    let sandbox = Sandbox::new();
    for args in [
        vec!["agent", "show", "ghost"],
        vec!["agent", "heartbeat", "ghost"],
        vec!["run", "start", "ghost"],
        vec!["state", "set", "ghost", "k", "v"],
        vec!["state", "get", "ghost", "k"],
        vec!["lock", "acquire", "repo", "ghost"],
        vec!["lock", "release", "repo", "ghost"],
    ] {
        assert_eq!(sandbox.run(&args).no(), "agent-state: no agent is named `ghost`", "{args:?}");
    }
    assert_eq!(sandbox.run(["agent", "list", "--json"]).lines().len(), 0);
}

#[test]
fn hostile_names_are_refused_or_kept_as_plain_data() {
    let sandbox = Sandbox::new();
    for name in ["", "two\nlines", "\u{1b}[31mred"] {
        sandbox.run(["agent", "register", name]).code(2);
    }
    let sql = "'; DROP TABLE agents; --";
    sandbox.run(["agent", "register", sql]).ok();
    assert_eq!(sandbox.run(["agent", "show", sql, "--json"]).json()["name"], sql);
    sandbox.run(["agent", "register", &"ü".repeat(200)]).ok();
    sandbox.run(["agent", "register", &"ü".repeat(201)]).code(2);
    sandbox.run(["agent", "register", "x", "--metadata", "[1]"]).code(2);
    sandbox.run(["agent", "register", "x", "--metadata", "{"]).code(2);
}

#[test]
fn the_id_of_an_agent_is_no_name_for_another() {
    let sandbox = Sandbox::new();
    let id = sandbox.run(["agent", "register", "a"]).ok();
    let refused = sandbox.run(["agent", "register", &id]).code(2);
    let said = format!("agent-state: cannot register `{id}`: that is the id of the agent a\n");
    assert!(refused.stderr.starts_with(&said), "{refused:?}");
    let request = format!(r#"{{"method": "agent.register", "params": {{"name": "{id}"}}}}"#);
    let answer = sandbox.run_fed(request.as_bytes(), ["rpc"]).json();
    assert_eq!(answer["error"]["code"], "bad_name");
    // An exec that names the agent by its id runs as that agent.
    let name = sandbox.run(["exec", &id, "--", "sh", "-c", "echo $AGENT_STATE_AGENT"]).ok();
    assert_eq!(name, "a");
    let layout = format!(
        "CREATE TABLE agents (agent_id TEXT, name TEXT, type TEXT, created_at TEXT, last_seen_at TEXT);
         INSERT INTO agents VALUES ('other', '{id}', 'cron', '2026-01-01T00:00:00', '2026-01-01T00:00:00');"
    );
    let file = python_database(&sandbox, &layout);
    let counts = sandbox.run(["import", &file, "--json"]).json();
    assert_eq!(counts["tables"]["agents"]["skipped"], 1);
    assert_eq!(sandbox.run(["agent", "show", &id, "--json"]).json()["name"], "a");
}

#[test]
fn stats_are_printed_as_on_the_first_page_of_the_manual() {
    let sandbox = Sandbox::with_agents(["a", "b"]);
    let run = sandbox.run(["run", "start", "a", "--id-only"]).ok();
    sandbox.run(["run", "finish", &run, "--exit-code", "3"]).ok();
    sandbox.run(["run", "start", "a"]).ok();
    sandbox.run(["lock", "acquire", "repo", "b"]).ok();
    assert_eq!(
        sandbox.run(["stats"]).ok(),
        "Registered agents:   2\nActive runs:         1\nCompleted runs:      0\nFailed runs:         1\nActive locks:        1"
    );
}
