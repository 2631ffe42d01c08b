//! What agents tell each other, and what people see.

use std::io::{BufRead as _, BufReader};

use super::sandbox::{Sandbox, collect, wait_until};

#[test]
fn working_on_expires_ends_with_its_run_and_with_completed() {
    let sandbox = Sandbox::with_agents(["a", "b"]);
    sandbox.run(["coord", "check", "repo"]).no();
    sandbox.run(["coord", "working-on", "a", "repo", "--detail", "review", "--for", "10m"]).ok();
    let out = sandbox.run(["coord", "check", "repo"]).ok();
    assert!(out.starts_with("a, since ") && out.ends_with(": review"), "{out}");
    sandbox.run_with(("AGENT_PLUMBING_CLOCK", "+11m"), ["coord", "check", "repo"]).no();
    sandbox.run(["coord", "completed", "b", "repo"]).ok();
    sandbox.run(["coord", "check", "repo"]).ok();
    sandbox.run(["coord", "completed", "a", "repo"]).ok();
    sandbox.run(["coord", "check", "repo"]).no();

    let run = sandbox.run(["run", "start", "a", "--id-only"]).ok();
    sandbox.run_with(("AGENT_STATE_RUN_ID", &run), ["coord", "working-on", "a", "repo"]).ok();
    sandbox.run(["coord", "check", "repo"]).ok();
    sandbox.run(["run", "finish", &run]).ok();
    sandbox.run(["coord", "check", "repo"]).no();
    sandbox.run(["coord", "note", "ghost", "repo"]).no();
    assert_eq!(sandbox.run(["coord", "recent", "--limit", "2", "--json"]).lines().len(), 2);
}

#[test]
fn the_bulletin_is_markdown_that_names_what_is_going_on() {
    let sandbox = Sandbox::with_agents(["a", "b"]);
    assert!(sandbox.run(["coord", "bulletin"]).ok().contains("Nobody is working on anything"));
    sandbox.run(["coord", "working-on", "a", "repo", "--detail", "line\n# injected"]).ok();
    sandbox.run(["coord", "blocked-by", "b", "api", "--detail", "no key"]).ok();
    sandbox.run(["lock", "acquire", "site", "b"]).ok();
    let text = sandbox.run(["coord", "bulletin"]).ok();
    for part in [
        "# Bulletin\n",
        "## Being worked on\n\n- `repo`: a,",
        "line\\n# injected",
        "## Locked\n\n- `site`: held by b",
        "- b is blocked by `api`: no key",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn the_bulletin_does_not_say_of_work_that_is_over_that_somebody_is_at_it() {
    let sandbox = Sandbox::with_agents(["a", "b"]);
    sandbox.run(["coord", "working-on", "a", "repo", "--for", "10m"]).ok();
    sandbox.run(["coord", "working-on", "b", "site", "--for", "1h"]).ok();
    let later = |args: [&str; 3]| sandbox.run_with(("AGENT_PLUMBING_CLOCK", "+11m"), args);
    let text = later(["coord", "bulletin", "--color=never"]).ok();
    assert!(text.contains("b works on `site`") && !text.contains("repo"), "{text}");
    let bulletin = later(["coord", "bulletin", "--json"]).json();
    assert_eq!(bulletin["recent"].as_array().unwrap().len(), 1);
    // The record of posts has it still.
    assert_eq!(later(["coord", "recent", "--json"]).lines().len(), 2);
}

#[test]
fn the_journal_keeps_text_and_json_and_filters() {
    let sandbox = Sandbox::with_agents(["a", "b"]);
    sandbox.run(["journal", "add", "a", "lesson", "run the linter first"]).ok();
    sandbox.run(["journal", "add", "b", "decision", "{\"use\": \"sqlite\"}"]).ok();
    let rows = sandbox.run(["journal", "list", "--category", "decision", "--json"]).lines();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["entry"]["use"], "sqlite");
    assert_eq!(
        sandbox.run(["journal", "list", "--agent", "a", "--since", "1h", "--json"]).lines().len(),
        1
    );
    assert!(sandbox.run(["journal", "list"]).ok().contains("run the linter first"));
}

#[test]
fn every_change_is_one_event_and_reading_is_none() {
    let sandbox = Sandbox::with_agents(["a"]);
    sandbox.run(["state", "set", "a", "k", "1"]).ok();
    sandbox.run(["state", "get", "a", "k"]).ok();
    sandbox.run(["lock", "acquire", "repo", "a"]).ok();
    sandbox.run(["lock", "check", "repo"]).ok();
    sandbox.run(["board"]).ok();
    sandbox.run(["lock", "release", "repo", "a"]).ok();
    sandbox.run(["agent", "heartbeat", "a"]).ok();
    let kinds: Vec<String> = sandbox
        .run(["events", "--json"])
        .lines()
        .iter()
        .map(|event| event["kind"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(kinds, ["agent.register", "state.set", "lock.acquire", "lock.release"]);
    assert_eq!(sandbox.run(["events", "--since", "1h", "--json"]).lines().len(), 4);
    assert_eq!(sandbox.run(["events", "--limit", "1", "--json"]).lines().len(), 1);
}

#[test]
fn what_is_said_of_the_progress_of_a_run_is_an_event_and_a_sign_of_life_is_none() {
    let sandbox = Sandbox::with_agents(["a"]);
    let run = sandbox.run(["run", "start", "a", "--id-only"]).ok();
    sandbox.run(["run", "heartbeat", &run]).ok();
    sandbox.run(["run", "heartbeat", &run, "--progress", "half"]).ok();
    let events = sandbox.run(["events", "--json"]).lines();
    assert_eq!(events.len(), 3, "{events:?}");
    assert_eq!(events[2]["kind"], "run.progress");
    assert_eq!((&events[2]["agent"], &events[2]["run_id"]), (&"a".into(), &run.into()));
    assert_eq!(events[2]["detail"]["progress"], "half");
}

#[test]
fn a_follower_sees_new_events_as_they_come_and_ends_quietly_with_its_reader() {
    let sandbox = Sandbox::with_agents(["a"]);
    let mut child = sandbox.start(["events", "--follow", "--limit", "1", "--json"]);
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert!(line.contains("agent.register"));
    for n in 0..5 {
        sandbox.run(["state", "set", "a", "k", &n.to_string()]).ok();
        line.clear();
        reader.read_line(&mut line).unwrap();
        assert!(
            line.contains("state.set") && line.contains(&format!("\"version\":{}", n + 1)),
            "{line}"
        );
    }
    drop(reader);
    wait_until(|| child.try_wait().unwrap().is_some());
    let done = collect(child).code(0);
    assert_eq!(done.stderr, "");
}

#[test]
fn the_board_shows_who_runs_holds_waits_and_failed() {
    let sandbox = Sandbox::with_agents(["a", "b"]);
    let failed = sandbox.run(["run", "start", "b", "--job", "nightly", "--id-only"]).ok();
    sandbox.run(["run", "finish", &failed, "--exit-code", "4"]).ok();
    let run = sandbox.run(["run", "start", "a", "--job", "k6", "--id-only"]).ok();
    sandbox.run(["run", "heartbeat", &run, "--progress", "3 of \u{1b}[31m9"]).ok();
    sandbox.run(["lock", "acquire", "repo", "a"]).ok();
    sandbox.run(["coord", "working-on", "a", "repo"]).ok();
    let text = sandbox.run(["board"]).ok();
    for part in [
        "1 running, 1 locked, 0 waiting",
        "RUNNING\n  a  k6",
        "3 of \\u{1b}[31m9",
        "LOCKS\n  repo  a",
        "WORKING ON\n  repo  a",
        "FAILED TODAY\n  b  nightly",
        "exit 4",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let board = sandbox.run(["board", "--json"]).json();
    assert_eq!(board["running"][0]["run_id"], run);
}
