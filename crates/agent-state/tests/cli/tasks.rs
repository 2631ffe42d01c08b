//! Task graphs: submitted whole, given out one node at a time, ended once.

use std::process::Child;

use serde_json::{Value, json};

use super::sandbox::{Sandbox, collect};

/// `build` and `lint` first, then `test` and `docs`, then `release`.
pub(super) const SHIP: &str = r#"{"goal":"ship 1.2","context":{"repo":"/src"},"nodes":[
    {"id":"build","payload":{"target":"x86","n":12345678901234567890.10}},{"id":"lint"},
    {"id":"test","after":["build"],"max_attempts":2},{"id":"docs","after":["lint"]},
    {"id":"release","after":["test","docs","lint"]}]}"#;

pub(super) fn shipping() -> Sandbox {
    let sandbox = Sandbox::with_agents(["a", "b"]);
    sandbox.run(["task", "submit", SHIP, "--name", "ship"]).ok();
    sandbox
}

/// Takes the next node; gives its id, and the lease.
pub(super) fn take(sandbox: &Sandbox, agent: &str) -> (Value, String) {
    let node = sandbox.run(["task", "next", agent, "--json"]).json();
    let lease = node["lease_id"].as_str().unwrap().to_owned();
    (node, lease)
}

pub(super) fn done(sandbox: &Sandbox, node: &str, lease: &str, result: &str) {
    sandbox.run(["task", "done", node, "--lease-id", lease, "--result", result]).ok();
}

/// The states of the nodes, in their order.
fn states(sandbox: &Sandbox, task: &str) -> Vec<String> {
    let status = sandbox.run(["task", "status", task, "--json"]).json();
    let nodes = status["nodes"].as_array().unwrap();
    nodes.iter().map(|node| node["state"].as_str().unwrap().to_owned()).collect()
}

pub(super) fn code_of(stderr: &str) -> String {
    let error: Value = serde_json::from_str(stderr).unwrap();
    error["error"]["code"].as_str().unwrap().to_owned()
}

#[test]
fn a_graph_is_worked_off_in_order_and_results_come_with_the_nodes_below() {
    let sandbox = shipping();
    let (build, build_lease) = take(&sandbox, "a");
    assert_eq!((build["id"].as_str(), build["task"].as_str()), (Some("build"), Some("ship")));
    assert_eq!(build["goal"], "ship 1.2");
    assert_eq!(build["context"], json!({"repo": "/src"}));
    let raw = sandbox.run(["task", "show", "ship/build", "--json"]).ok();
    assert!(raw.contains(r#""payload":{"target":"x86","n":12345678901234567890.10}"#), "{raw}");
    let (lint, lint_lease) = take(&sandbox, "b");
    assert_eq!(lint["id"], "lint");
    // Nothing else can begin yet.
    assert_eq!(code_of(&sandbox.run(["task", "next", "a", "--json"]).no()), "nothing_ready");

    done(&sandbox, build["node_id"].as_str().unwrap(), &build_lease, "{\"artifact\": \"x.tar\"}");
    let (test, test_lease) = take(&sandbox, "a");
    assert_eq!(test["id"], "test");
    assert_eq!(test["dependencies"][0]["id"], "build");
    assert_eq!(test["dependencies"][0]["result"], json!({"artifact": "x.tar"}));
    let kinds: Vec<&str> = test["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["task.submit", "task.next", "task.next", "task.done"]);
    done(&sandbox, "ship/lint", &lint_lease, "null");
    done(&sandbox, "ship/test", &test_lease, "true");
    let (_, docs_lease) = take(&sandbox, "b");
    done(&sandbox, "ship/docs", &docs_lease, "\"fine\"");
    let (release, release_lease) = take(&sandbox, "b");
    let results: Vec<&Value> =
        release["dependencies"].as_array().unwrap().iter().map(|above| &above["result"]).collect();
    assert_eq!(results, [&Value::Null, &json!(true), &json!("fine")]);
    done(&sandbox, "ship/release", &release_lease, "1");

    let status = sandbox.run(["task", "status", "ship", "--json"]).json();
    assert_eq!(
        (status["state"].as_str(), status["counts"]["completed"].as_i64()),
        (Some("completed"), Some(5))
    );
    assert_eq!(status["nodes"][4]["after"], json!(["lint", "test", "docs"]));
    assert_eq!(
        code_of(&sandbox.run(["task", "next", "a", "--task", "ship", "--json"]).no()),
        "task_ended"
    );
    let kinds: Vec<Value> = sandbox.run(["events", "--json"]).lines();
    assert_eq!(kinds.last().unwrap()["kind"], "task.end");
}

#[test]
fn a_graph_that_is_wrong_is_refused_whole_and_told_why() {
    let sandbox = Sandbox::with_agents(["a"]);
    for (graph, why) in [
        (
            r#"{"nodes":[{"id":"a","after":["b"]},{"id":"b","after":["a"]}]}"#,
            "`a` after `b` after `a`",
        ),
        (
            r#"{"nodes":[{"id":"a","after":["x"]}]}"#,
            "`a` comes after `x`, which is no node of the graph",
        ),
        (r#"{"nodes":[{"id":"a"},{"id":"a"}]}"#, "two nodes have the id `a`"),
        (r#"{"nodes":[]}"#, "it has no nodes"),
        (r#"{"nodes":[{"id":"a","dependencies":[]}]}"#, "unknown field `dependencies`"),
        ("{", "EOF while parsing"),
    ] {
        let refused = sandbox.run_fed(graph.as_bytes(), ["task", "submit", "-"]).code(2);
        assert_eq!(refused.stdout, "");
        assert!(
            refused.stderr.starts_with("agent-state: cannot submit the graph: "),
            "{refused:?}"
        );
        assert!(refused.stderr.contains(why), "{refused:?}");
        assert_eq!(refused.stderr.lines().count(), 2, "{refused:?}");
    }
    assert!(sandbox.run(["task", "list", "--json"]).lines().is_empty());
    sandbox.run(["task", "submit", "no-such-file.json"]).code(3);
    sandbox.run(["task", "submit", "."]).code(3);
    sandbox.run_fed(b"\xff\xfe{", ["task", "submit", "-"]).code(2);
}

#[test]
fn a_name_has_one_open_task_and_is_free_again_when_it_has_ended() {
    let sandbox = shipping();
    let first = sandbox.run(["task", "status", "ship", "--json"]).json()["task_id"].clone();
    let no = sandbox.run(["task", "submit", SHIP, "--name", "ship", "--json"]).no();
    let error: Value = serde_json::from_str(&no).unwrap();
    assert_eq!(
        (error["error"]["code"].as_str(), &error["error"]["data"]["task_id"]),
        (Some("task_exists"), &first)
    );
    sandbox.run(["task", "cancel", "ship"]).ok();
    let second = sandbox.run(["task", "submit", SHIP, "--name", "ship"]).ok();
    // The name means the open one; the id still names the other.
    assert_eq!(sandbox.run(["task", "status", "ship", "--json"]).json()["task_id"], second);
    let old = sandbox.run(["task", "status", first.as_str().unwrap(), "--json"]).json();
    assert_eq!((old["state"].as_str(), old["reason"].as_str()), (Some("failed"), Some("canceled")));
    assert_eq!(sandbox.run(["task", "list", "--json"]).lines().len(), 2);
    assert_eq!(sandbox.run(["task", "list", "--state", "failed", "--json"]).lines().len(), 1);
}

#[test]
fn a_stale_lease_is_refused_whatever_it_says() {
    let sandbox = Sandbox::with_agents(["a", "b"]);
    sandbox
        .run(["task", "submit", r#"{"nodes":[{"id":"n","max_attempts":5}]}"#, "--name", "t"])
        .ok();
    let (_, stale) = take(&sandbox, "a");
    sandbox.run(["task", "fail", "t/n", "--lease-id", &stale, "--retry"]).ok();
    let refused = || {
        for verb in [&["heartbeat"][..], &["done", "--result", "1"], &["fail", "--retry"]] {
            let args = ["task", verb[0], "t/n", "--lease-id", &stale, "--json"];
            let no = sandbox.run(args.iter().chain(&verb[1..])).no();
            assert_eq!(code_of(&no), "stale_lease");
            // Whoever lost it does not learn the lease of the other.
            assert!(!no.contains("\"lease_id\":\""), "{no}");
        }
    };
    refused();
    let (_, current) = take(&sandbox, "b");
    refused();
    done(&sandbox, "t/n", &current, "1");
    refused();
    assert_eq!(states(&sandbox, "t"), ["completed"]);
}

#[test]
fn an_expired_lease_is_lost_also_when_nobody_else_took_the_node() {
    let sandbox = Sandbox::with_agents(["a"]);
    sandbox
        .run([
            "task",
            "submit",
            r#"{"nodes":[{"id":"n"},{"id":"m","after":["n"]}]}"#,
            "--name",
            "t",
        ])
        .ok();
    let at = |clock: &str, args: &[&str]| {
        let mut command = sandbox.command();
        let child = command
            .env("AGENT_PLUMBING_CLOCK", clock)
            .args(args)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        collect(child.spawn().unwrap())
    };
    for attempt in 1..=3 {
        let (node, lease) = take(&sandbox, "a");
        assert_eq!(
            (node["attempts"].as_i64(), node["max_attempts"].as_i64()),
            (Some(attempt), Some(3))
        );
        // A reader shows what stands, and records nothing.
        let seen = at("+6m", &["task", "status", "t", "--json"]).json();
        let expect = if attempt < 3 { ("pending", "pending") } else { ("failed", "blocked") };
        assert_eq!(seen["nodes"][0]["state"], expect.0);
        assert_eq!(seen["nodes"][0]["reason"], "expired");
        assert_eq!(seen["nodes"][1]["state"], expect.1);
        assert_eq!(states(&sandbox, "t")[0], "running");
        let show = at("+6m", &["task", "show", "t/m", "--json"]).json();
        assert_eq!(show["state"], expect.1);
        let listed = at("+6m", &["task", "list", "--json"]).lines();
        assert_eq!(listed[0]["state"], if attempt < 3 { "running" } else { "failed" });
        at("+6m", &["task", "heartbeat", "t/n", "--lease-id", &lease]).no();
        // The lapse is on record now, so the clock that goes back revives nothing.
        sandbox.run(["task", "heartbeat", "t/n", "--lease-id", &lease]).no();
        sandbox.run(["task", "done", "t/n", "--lease-id", &lease]).no();
    }
    let task = sandbox.run(["task", "status", "t", "--json"]).json();
    assert_eq!(
        (task["state"].as_str(), task["reason"].as_str()),
        (Some("failed"), Some("`n` failed: expired (attempt 3)"))
    );
    assert_eq!(
        (task["nodes"][1]["state"].as_str(), task["nodes"][1]["blocked_by"].as_str()),
        (Some("blocked"), Some("n"))
    );
}

#[test]
fn what_was_said_once_may_be_said_again_with_the_same_words() {
    let sandbox = Sandbox::with_agents(["a"]);
    sandbox.run(["task", "submit", r#"{"nodes":[{"id":"n"},{"id":"m"}]}"#, "--name", "t"]).ok();
    let (_, lease) = take(&sandbox, "a");
    let say = |result: &str| {
        sandbox.run(["task", "done", "t/n", "--lease-id", &lease, "--result", result, "--json"])
    };
    assert_eq!(say("[1,2]").json()["changed"], true);
    let n_events = sandbox.run(["events", "--json"]).lines().len();
    assert_eq!(say("[1, 2]").json()["changed"], false);
    assert_eq!(code_of(&say("[3]").no()), "other_result");
    sandbox.run(["task", "fail", "t/n", "--lease-id", &lease]).no();
    assert_eq!(sandbox.run(["task", "show", "t/n", "--json"]).json()["result"], json!([1, 2]));
    let (_, lease) = take(&sandbox, "a");
    for changed in [true, false] {
        let failed = sandbox
            .run(["task", "fail", "t/m", "--lease-id", &lease, "--error", "no", "--json"])
            .json();
        assert_eq!(
            (failed["state"].as_str(), failed["changed"].as_bool()),
            (Some("failed"), Some(changed))
        );
    }
    // Taken, failed, and the end of the task; what was only repeated left nothing.
    assert_eq!(sandbox.run(["events", "--json"]).lines().len(), n_events + 3);
}

#[test]
fn a_failed_node_blocks_what_comes_after_it_and_the_rest_goes_on() {
    let sandbox = shipping();
    let (_, build) = take(&sandbox, "a");
    sandbox.run(["task", "fail", "ship/build", "--lease-id", &build, "--error", "no disk"]).ok();
    assert_eq!(states(&sandbox, "ship"), ["failed", "pending", "blocked", "pending", "blocked"]);
    let status = sandbox.run(["task", "status", "ship", "--json"]).json();
    assert_eq!(
        (status["state"].as_str(), status["nodes"][4]["blocked_by"].as_str()),
        (Some("running"), Some("build"))
    );
    for node in ["lint", "docs"] {
        let (_, lease) = take(&sandbox, "b");
        done(&sandbox, &format!("ship/{node}"), &lease, "1");
    }
    let status = sandbox.run(["task", "status", "ship", "--json"]).json();
    assert_eq!(
        (status["state"].as_str(), status["reason"].as_str()),
        (Some("failed"), Some("`build` failed: no disk"))
    );
    assert!(status["ended_at"].is_string());
}

#[test]
fn a_canceled_task_takes_the_leases_and_gives_nothing_out_any_more() {
    let sandbox = shipping();
    let (_, lease) = take(&sandbox, "a");
    let canceled = sandbox.run(["task", "cancel", "ship", "--json"]).json();
    assert_eq!(
        (canceled["state"].as_str(), canceled["counts"]["failed"].as_i64()),
        (Some("failed"), Some(5))
    );
    sandbox.run(["task", "heartbeat", "ship/build", "--lease-id", &lease]).no();
    sandbox.run(["task", "done", "ship/build", "--lease-id", &lease]).no();
    sandbox.run(["task", "next", "a"]).no();
    assert_eq!(code_of(&sandbox.run(["task", "cancel", "ship", "--json"]).no()), "task_ended");
    assert_eq!(code_of(&sandbox.run(["task", "cancel", "nothing", "--json"]).no()), "no_task");
}

#[test]
fn what_does_not_exist_is_an_honest_no() {
    let sandbox = shipping();
    for (args, code) in [
        (&["task", "next", "nobody"][..], "no_agent"),
        (&["task", "next", "a", "--task", "nothing"], "no_task"),
        (&["task", "status", "nothing"], "no_task"),
        (&["task", "show", "ship/nothing"], "no_node"),
        (&["task", "show", "build"], "no_node"),
        (&["task", "done", "ship/nothing", "--lease-id", "x"], "no_node"),
        (&["task", "done", "ship/build", "--lease-id", "x"], "stale_lease"),
    ] {
        let no = sandbox.run(args.iter().chain(&["--json"])).no();
        assert_eq!(code_of(&no), code, "{args:?}");
    }
    sandbox.run(["task", "done", "ship/build"]).code(2);
    sandbox.run(["task", "next", "a", "--lease", "0"]).code(2);
    sandbox.run(["task", "next", "a", "--lease", "-5s"]).code(2);
    sandbox.run(["task", "done", "ship/build", "--lease-id", "x", "--result", "{no"]).code(2);
}

#[test]
fn a_lease_ends_with_the_run_in_which_it_was_taken() {
    let sandbox = shipping();
    let run = sandbox.run(["run", "start", "a", "--id-only"]).ok();
    sandbox.run_with(("AGENT_STATE_RUN_ID", &run), ["task", "next", "a", "--lease", "1d"]).ok();
    assert_eq!(states(&sandbox, "ship")[0], "running");
    sandbox.run(["run", "finish", &run]).ok();
    let node = sandbox.run(["task", "show", "ship/build", "--json"]).json();
    assert_eq!(
        (node["state"].as_str(), node["reason"].as_str()),
        (Some("pending"), Some("run ended"))
    );
    take(&sandbox, "b");
    assert_eq!(take(&sandbox, "b").0["id"], "build");
}

#[test]
fn progress_is_told_to_those_who_come_later() {
    let sandbox = shipping();
    let (before, lease) = take(&sandbox, "a");
    let beat = [
        "task",
        "heartbeat",
        "ship/build",
        "--lease-id",
        &lease,
        "--progress",
        "{\"intent\": \"refactor\"}",
    ];
    let after = sandbox.run(beat.iter().chain(&["--json"])).json();
    assert!(after["lease_until"].as_str() >= before["lease_until"].as_str());
    let (lint, _) = take(&sandbox, "b");
    let last = lint["events"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((last["kind"].as_str(), last["agent"].as_str()), (Some("task.progress"), Some("a")));
    assert_eq!(last["detail"]["progress"], json!({"intent": "refactor"}));
    assert!(!lint.to_string().contains(&lease), "a lease is never told to others");
}

#[test]
fn sixty_four_processes_at_once_each_get_a_different_node() {
    let sandbox = Sandbox::with_agents(["a"]);
    let nodes: Vec<Value> = (0..64).map(|n| json!({ "id": format!("n{n}") })).collect();
    sandbox
        .run_fed(
            json!({ "nodes": nodes }).to_string().as_bytes(),
            ["task", "submit", "-", "--name", "t"],
        )
        .ok();
    let children: Vec<Child> = (0..64)
        .map(|_| sandbox.start(["--busy-timeout", "60s", "task", "next", "a", "--json"]))
        .collect();
    let mut ids: Vec<String> = children
        .into_iter()
        .map(|child| collect(child).json()["node_id"].as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 64);
    sandbox.run(["task", "next", "a"]).no();
    assert_eq!(sandbox.damage(), [""; 0]);
}
