//! `task exec`: a command does a node, and what becomes of it is recorded.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::sandbox::{Sandbox, collect, kill, wait_until};

fn with_graph(graph: &str) -> Sandbox {
    let sandbox = Sandbox::with_agents(["a"]);
    sandbox.run(["task", "submit", graph, "--name", "t"]).ok();
    sandbox
}

fn one_node() -> Sandbox {
    with_graph(
        r#"{"goal":"g","nodes":[{"id":"n","payload":{"x": 1.50}},{"id":"m","after":["n"]}]}"#,
    )
}

fn show(sandbox: &Sandbox, node: &str) -> Value {
    sandbox.run(["task", "show", node, "--json"]).json()
}

#[test]
fn the_command_finds_its_node_on_stdin_in_the_environment_and_in_a_file() {
    let sandbox = one_node();
    let script = "cat; echo $AGENT_STATE_NODE $AGENT_STATE_ATTEMPT $AGENT_STATE_AGENT; cat $AGENT_STATE_NODE_FILE; \
        echo $AGENT_STATE_NODE_FILE > file; test -n \"$AGENT_STATE_LEASE_ID$AGENT_STATE_TASK_ID\"";
    let out = sandbox.run(["task", "exec", "worker", "--", "sh", "-c", script]).ok();
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[..2], ["{\"x\":1.50}", "n 1 worker"]);
    let document: Value = serde_json::from_str(lines[2]).unwrap();
    assert_eq!((document["id"].as_str(), document["goal"].as_str()), (Some("n"), Some("g")));
    let file = std::fs::read_to_string(sandbox.path("file")).unwrap();
    assert!(!std::path::Path::new(file.trim()).exists(), "the file goes away");
    let node = show(&sandbox, "t/n");
    assert_eq!(
        (node["state"].as_str(), node["agent"].as_str()),
        (Some("completed"), Some("worker"))
    );
    assert_eq!(node["result"], json!({"exit_code": 0}));
    // Without a payload there is still a JSON document.
    assert_eq!(sandbox.run(["task", "exec", "worker", "--", "cat"]).ok(), "null");
    let no = sandbox.run(["task", "exec", "worker", "--", "false"]).no();
    assert_eq!(no, "agent-state: no node is ready");
}

#[test]
fn what_the_command_prints_becomes_the_result_when_that_is_asked_for() {
    let sandbox =
        with_graph(r#"{"nodes":[{"id":"json"},{"id":"text"},{"id":"none"},{"id":"large"}]}"#);
    let exec = |command: &str| {
        sandbox.run(["task", "exec", "a", "--result-from-stdout", "--", "sh", "-c", command])
    };
    assert_eq!(exec("printf '{\"n\": 1.50}\\n'").ok(), "{\"n\": 1.50}");
    exec("echo hello; echo there").ok();
    exec("true").ok();
    let large = exec("head -c 1100000 /dev/zero | tr '\\0' x").code(0);
    assert_eq!(
        large.stderr,
        "agent-state: warning: `large` has failed: what it printed is no result: a value has at most 1 MiB, and this one has more\n"
    );
    assert!(
        sandbox.run(["task", "show", "t/json", "--json"]).ok().contains(r#""result":{"n":1.50}"#)
    );
    assert_eq!(show(&sandbox, "t/text")["result"], "hello\nthere");
    assert_eq!(show(&sandbox, "t/none")["result"], "");
    let large = show(&sandbox, "t/large");
    assert_eq!(
        (large["state"].as_str(), large["error"].as_str()),
        (
            Some("failed"),
            Some("what it printed is no result: a value has at most 1 MiB, and this one has more")
        )
    );
}

#[test]
fn the_code_is_passed_on_and_a_failure_is_final_unless_it_may_be_tried_again() {
    let sandbox = with_graph(r#"{"nodes":[{"id":"n","max_attempts":2},{"id":"m","after":["n"]}]}"#);
    let fail = "echo first >&2; echo no network >&2; exit 7";
    let exec = || sandbox.run(["task", "exec", "a", "--retry", "--", "sh", "-c", fail]).code(7);
    exec();
    let node = show(&sandbox, "t/n");
    assert_eq!(
        (node["state"].as_str(), node["error"].as_str()),
        (Some("pending"), Some("exit code 7: no network"))
    );
    exec();
    assert_eq!(show(&sandbox, "t/n")["state"], "failed");
    assert_eq!(show(&sandbox, "t/m")["state"], "blocked");
    let status = sandbox.run(["task", "status", "t", "--json"]).json();
    assert_eq!(status["reason"], "`n` failed: exit code 7: no network (attempt 2)");

    let final_one = one_node();
    final_one.run(["task", "exec", "a", "--", "false"]).code(1);
    assert_eq!(show(&final_one, "t/n")["state"], "failed");
}

#[test]
fn a_command_that_cannot_start_costs_no_attempt() {
    let sandbox = one_node();
    sandbox.run(["task", "exec", "a", "--", "no-such-command"]).code(127);
    let node = show(&sandbox, "t/n");
    assert_eq!((node["state"].as_str(), node["attempts"].as_i64()), (Some("pending"), Some(0)));
}

#[test]
fn what_the_command_records_itself_stands() {
    let sandbox = one_node();
    let script =
        "agent-state task done $AGENT_STATE_NODE_ID --result '\"mine\"'; sleep 1.5; exit 3";
    sandbox.run(["task", "exec", "a", "--lease", "3s", "--", "sh", "-c", script]).code(3);
    let node = show(&sandbox, "t/n");
    assert_eq!(
        (node["state"].as_str(), node["result"].as_str()),
        (Some("completed"), Some("mine"))
    );
    sandbox.run(["task", "exec", "a", "--", "agent-state", "task", "fail", "t/m", "--retry"]).ok();
    assert_eq!(show(&sandbox, "t/m")["state"], "pending");
}

#[test]
fn the_lease_is_kept_while_the_command_runs() {
    let sandbox = one_node();
    let child = sandbox.start([
        "task",
        "exec",
        "a",
        "--lease",
        "4s",
        "--",
        "sh",
        "-c",
        "touch up; while test ! -e end; do sleep 0.02; done",
    ]);
    wait_until(|| sandbox.path("up").exists());
    // Past the first lease, which ran from before the command until four seconds later.
    let started = Instant::now();
    wait_until(|| started.elapsed() > Duration::from_millis(4200));
    assert_eq!(show(&sandbox, "t/n")["state"], "running");
    sandbox.run(["task", "next", "a"]).no();
    std::fs::File::create(sandbox.path("end")).unwrap();
    collect(child).ok();
    assert_eq!(show(&sandbox, "t/n")["state"], "completed");
}

#[test]
fn a_canceled_task_ends_the_command() {
    let sandbox = one_node();
    let child = sandbox.start(["task", "exec", "a", "--", "sh", "-c", "touch up; exec sleep 30"]);
    wait_until(|| sandbox.path("up").exists());
    sandbox.run(["task", "cancel", "t"]).ok();
    let ended = collect(child);
    assert!(ended.stderr.contains("the lease of `n` was lost"), "{ended:?}");
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&ended.status), Some(15));
    assert_eq!(show(&sandbox, "t/n")["reason"], "canceled");
}

#[test]
fn a_killed_exec_leaves_what_the_next_command_repairs_at_once() {
    let sandbox = one_node();
    let child = sandbox.start([
        "task",
        "exec",
        "a",
        "--lease",
        "1d",
        "--",
        "sh",
        "-c",
        "touch up; exec sleep 30",
    ]);
    wait_until(|| sandbox.path("up").exists());
    kill(child.id(), Signal::KILL);
    collect(child);
    let node = show(&sandbox, "t/n");
    assert_eq!(
        (node["state"].as_str(), node["reason"].as_str()),
        (Some("pending"), Some("process gone"))
    );
    let doctor = sandbox.run(["doctor"]).code(1).stdout;
    assert!(doctor.contains("tasks: `n` has a lease that lapsed"), "{doctor}");
    let again = sandbox.run(["task", "next", "a", "--json"]).json();
    assert_eq!((again["id"].as_str(), again["attempts"].as_i64()), (Some("n"), Some(2)));
    assert_eq!(sandbox.run(["doctor"]).code, Some(0));
    assert_eq!(sandbox.damage(), [""; 0]);
}

#[test]
fn an_exec_that_was_stopped_past_its_lease_ends_its_command_and_records_nothing() {
    let sandbox = one_node();
    let child = sandbox.start([
        "task",
        "exec",
        "a",
        "--lease",
        "2s",
        "--",
        "sh",
        "-c",
        "touch up; exec sleep 30",
    ]);
    wait_until(|| sandbox.path("up").exists());
    kill(child.id(), Signal::STOP);
    let mut other = Value::Null;
    wait_until(|| {
        let next = sandbox.run(["task", "next", "a", "--json"]);
        let given = next.code == Some(0);
        if given {
            other = next.json();
        }
        given
    });
    kill(child.id(), Signal::CONT);
    let ended = collect(child);
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&ended.status), Some(15));
    let node = show(&sandbox, "t/n");
    assert_eq!((node["state"].as_str(), &node["lease_id"]), (Some("running"), &other["lease_id"]));
}

#[test]
fn an_exec_that_is_told_to_end_lets_the_node_be_tried_again() {
    let sandbox = one_node();
    let child = sandbox.start(["task", "exec", "a", "--", "sh", "-c", "touch up; exec sleep 30"]);
    wait_until(|| sandbox.path("up").exists());
    kill(child.id(), Signal::TERM);
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&collect(child).status), Some(15));
    let node = show(&sandbox, "t/n");
    assert_eq!((node["state"].as_str(), node["attempts"].as_i64()), (Some("pending"), Some(1)));
    assert_eq!(node["error"], "killed by signal 15");
}

#[test]
fn a_time_limit_ends_the_command_and_fails_the_node() {
    let sandbox = one_node();
    sandbox.run(["task", "exec", "a", "--timeout", "100ms", "--", "sleep", "30"]).code(124);
    let node = show(&sandbox, "t/n");
    assert_eq!(
        (node["state"].as_str(), node["error"].as_str()),
        (Some("failed"), Some("timed out"))
    );
}
