//! The journal.

use super::sandbox::{Sandbox, collect};

#[test]
fn a_run_is_finished_once_and_a_second_finish_changes_nothing() {
    let sandbox = Sandbox::with_agents(["reviewer"]);
    let run = sandbox.run(["run", "start", "reviewer", "--id-only"]).ok();
    sandbox.run(["run", "finish", &run, "--exit-code", "3"]).ok();
    let no = sandbox.run(["run", "finish", &run, "--status", "completed"]).no();
    assert!(no.contains("has ended already: failed"), "{no}");
    let row = sandbox.run(["run", "show", &run, "--json"]).json();
    assert_eq!((row["status"].as_str(), row["exit_code"].as_i64()), (Some("failed"), Some(3)));
    sandbox.run(["run", "finish", "nothing-like-that"]).no();
}

#[test]
fn the_lines_to_export_survive_eval_in_sh() {
    let sandbox = Sandbox::with_agents(["reviewer"]);
    let script = r#"
        set -eu
        eval "$(agent-state run start reviewer --job k6-weekly --export)"
        agent-state run finish "$AGENT_STATE_RUN_ID" --exit-code 0
        agent-state agent show "$AGENT_STATE_AGENT_ID" > /dev/null
        agent-state run show "$AGENT_STATE_RUN_ID" --json"#;
    let row = sandbox.sh(script).json();
    assert_eq!(
        (row["status"].as_str(), row["job"].as_str()),
        (Some("completed"), Some("k6-weekly"))
    );
}

#[test]
fn a_start_prints_the_run_with_json_whatever_else_is_asked_for() {
    let sandbox = Sandbox::with_agents(["reviewer"]);
    for how in ["--export", "--id-only"] {
        let run = sandbox.run(["run", "start", "reviewer", how, "--json"]).json();
        assert_eq!(run["status"], "running", "{how}");
    }
}

#[test]
fn of_fifty_starts_of_one_slot_exactly_one_wins_and_the_others_name_it() {
    let sandbox = Sandbox::with_agents(["reviewer"]);
    let children: Vec<_> = (0..50)
        .map(|_| {
            sandbox.start([
                "run",
                "start",
                "reviewer",
                "--job",
                "k6",
                "--slot",
                "12:00",
                "--id-only",
                "--busy-timeout",
                "60s",
            ])
        })
        .collect();
    let (won, lost): (Vec<_>, Vec<_>) =
        children.into_iter().map(collect).partition(|done| done.code == Some(0));
    assert_eq!(won.len(), 1);
    let winner = won[0].stdout.trim();
    for done in lost {
        assert!(done.no().contains(winner));
    }
    sandbox.run(["run", "start", "reviewer", "--job", "k6", "--slot", "13:00"]).ok();
}

#[test]
fn a_run_whose_lease_has_passed_is_seen_interrupted_by_readers_and_recorded_by_writers() {
    let sandbox = Sandbox::with_agents(["reviewer"]);
    sandbox.run(["run", "start", "reviewer", "--lease", "0"]).code(2);
    let run = sandbox.run(["run", "start", "reviewer", "--lease", "1m", "--id-only"]).ok();
    let later = ("AGENT_PLUMBING_CLOCK", "+2m");
    let row = sandbox.run_with(later, ["run", "show", &run, "--json"]).json();
    assert_eq!(
        (row["status"].as_str(), row["reason"].as_str()),
        (Some("interrupted"), Some("lease expired"))
    );
    assert_eq!(sandbox.run(["run", "show", &run, "--json"]).json()["status"], "running");
    sandbox.run_with(later, ["run", "finish", &run]).no();
    assert_eq!(sandbox.run(["run", "show", &run, "--json"]).json()["status"], "interrupted");
}

#[test]
fn a_heartbeat_keeps_a_run_alive_past_its_first_lease() {
    let sandbox = Sandbox::with_agents(["reviewer"]);
    let run = sandbox.run(["run", "start", "reviewer", "--lease", "10m", "--id-only"]).ok();
    sandbox
        .run_with(("AGENT_PLUMBING_CLOCK", "+8m"), ["run", "heartbeat", &run, "--progress", "half"])
        .ok();
    let row =
        sandbox.run_with(("AGENT_PLUMBING_CLOCK", "+15m"), ["run", "show", &run, "--json"]).json();
    assert_eq!((row["status"].as_str(), row["progress"].as_str()), (Some("running"), Some("half")));
}

#[test]
fn lists_filter_and_are_bounded() {
    let sandbox = Sandbox::with_agents(["a", "b"]);
    for (agent, job, code) in [("a", "x", "0"), ("a", "y", "1"), ("b", "x", "0")] {
        let run = sandbox.run(["run", "start", agent, "--job", job, "--id-only"]).ok();
        sandbox.run(["run", "finish", &run, "--exit-code", code]).ok();
    }
    let count =
        |args: &[&str]| sandbox.run(["run", "list", "--json"].iter().chain(args)).lines().len();
    assert_eq!(count(&[]), 3);
    assert_eq!(count(&["--agent", "a"]), 2);
    assert_eq!(count(&["--agent-id", "a", "--job", "x"]), 1);
    assert_eq!(count(&["--status", "failed"]), 1);
    assert_eq!(count(&["--since", "1h", "--limit", "2"]), 2);
    sandbox.run(["run", "list", "--limit", "0"]).code(2);
    sandbox.run(["run", "list", "--since", "-5m"]).code(2);
    sandbox.run(["run", "list", "--since", "99999999999999999999d"]).code(2);
}

/// A run of `a` that has ended, and a task with one node.
fn with_an_ended_run() -> (Sandbox, String) {
    let sandbox = Sandbox::with_agents(["a", "b"]);
    sandbox.run(["task", "submit", r#"{"nodes": [{"id": "one"}]}"#, "--name", "t"]).ok();
    let run = sandbox.run(["run", "start", "a", "--id-only"]).ok();
    sandbox.run(["run", "finish", &run]).ok();
    (sandbox, run)
}

#[test]
fn nothing_is_bound_to_a_run_that_has_ended() {
    let (sandbox, run) = with_an_ended_run();
    for words in [
        "lock acquire r a",
        "lock acquire r a --wait 1m",
        "lock exec r --agent a -- touch ran",
        "coord working-on a r",
        "action begin k --agent a --tier mutate",
        "once k --agent a -- touch ran",
        "task next a",
        "task exec a -- touch ran",
    ] {
        let words = words.split(' ');
        let no = sandbox.run_in(&[("AGENT_STATE_RUN_ID", &run)], words).no();
        assert!(no.contains(&run) && no.contains("has ended already: completed"), "{no}");
    }
    assert!(!sandbox.path("ran").exists());
    sandbox.run(["action", "show", "k"]).no();
    let node = sandbox.run(["task", "show", "t/one", "--json"]).json();
    assert_eq!((node["state"].as_str(), node["attempts"].as_i64()), (Some("pending"), Some(0)));
    // What is merely said, and what ends with nothing, needs no run that goes on.
    for words in ["state set a k 1", "journal add a lesson x", "coord completed a r"] {
        let words = words.split(' ');
        sandbox.run_in(&[("AGENT_STATE_RUN_ID", &run)], words).code(0);
    }
    // A run of another agent, and one that never was, are not the caller's run.
    sandbox.run_with(("AGENT_STATE_RUN_ID", &run), ["lock", "acquire", "r", "b"]).ok();
    sandbox.run_with(("AGENT_STATE_RUN_ID", "nothing"), ["lock", "acquire", "s", "a"]).ok();
}

#[test]
fn a_run_whose_lease_has_passed_gets_no_lock_and_says_why() {
    let sandbox = Sandbox::with_agents(["a"]);
    let run = sandbox.run(["run", "start", "a", "--lease", "1m", "--id-only"]).ok();
    let later = [("AGENT_STATE_RUN_ID", run.as_str()), ("AGENT_PLUMBING_CLOCK", "+2m")];
    let no = sandbox.run_in(&later, ["lock", "acquire", "r", "a"]).no();
    assert!(no.contains("interrupted") && no.contains("lease expired"), "{no}");
}
