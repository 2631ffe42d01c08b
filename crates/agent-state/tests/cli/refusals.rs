//! What requests are refused with.

use std::io::Write as _;

use serde_json::{Value, json};

use super::rpc::{answers, line, talk};
use super::sandbox::{Sandbox, collect};

#[test]
fn what_a_method_answers_is_among_its_errors() {
    let sandbox = Sandbox::in_a_file().register(["a"]);
    let begin = |fingerprint| json!({ "key": "k", "agent": "a", "tier": "read", "fingerprint": fingerprint });
    let asked = [
        ("import", json!({ "file": sandbox.database() })),
        ("action.begin", begin("one")),
        ("action.begin", begin("other")),
        ("task.submit", json!({ "graph": { "nodes": [] } })),
        ("task.done", json!({ "node": "n", "lease_id": "l", "result": 1 })),
        ("agent.register", json!({ "name": "x", "metadata": [] })),
        ("lock.check", json!({ "resource": "x".repeat(201) })),
        ("backup", json!({ "file": "." })),
        ("file.get", json!({ "path": "." })),
    ];
    let answers = answers(&sandbox, &asked);
    let codes: Vec<_> = answers.iter().map(|answer| answer["error"]["code"].as_str()).collect();
    let expect = [
        Some("not_importable"),
        None,
        Some("other_fingerprint"),
        Some("bad_graph"),
        Some("no_node"),
        Some("bad_json"),
        Some("bad_name"),
        Some("not_a_file"),
        Some("not_a_file"),
    ];
    assert_eq!(codes, expect);
}

#[test]
fn a_request_in_a_run_that_has_ended_gets_nothing_that_would_end_with_it() {
    let sandbox = Sandbox::with_agents(["a"]);
    let run = sandbox.run(["run", "start", "a", "--id-only"]).ok();
    sandbox.run(["run", "finish", &run]).ok();
    let answers = answers(
        &sandbox,
        &[
            ("lock.acquire", json!({ "resource": "r", "agent": "a", "run_id": run })),
            ("coord.working_on", json!({ "resource": "r", "agent": "a", "run_id": run })),
            ("task.next", json!({ "agent": "a", "run_id": run })),
        ],
    );
    for answer in answers {
        assert_eq!(answer["error"]["code"], "run_ended", "{answer}");
        assert_eq!(answer["error"]["data"]["run_id"], json!(run));
    }
}

#[test]
fn a_request_that_names_a_run_that_never_was_is_refused() {
    let sandbox = Sandbox::with_agents(["a"]);
    let asked = [
        ("lock.acquire", json!({ "resource": "r", "agent": "a", "run_id": "nothing" })),
        ("state.set", json!({ "agent": "a", "key": "k", "value": 1, "run_id": "nothing" })),
        ("lock.check", json!({ "resource": "r", "run_id": "nothing" })),
    ];
    let answers = answers(&sandbox, &asked);
    let codes: Vec<_> = answers.iter().map(|answer| answer["error"]["code"].as_str()).collect();
    assert_eq!(codes, [Some("no_run"), Some("no_run"), Some("free")]);
    // What is left in the environment is nobody's wish.
    let mut lenient = talk(sandbox.command().env("AGENT_STATE_RUN_ID", "nothing"));
    let request = line(&json!(1), "lock.acquire", &json!({ "resource": "r", "agent": "a" }));
    lenient.stdin.take().unwrap().write_all(request.as_bytes()).unwrap();
    assert_eq!(collect(lenient).json()["result"]["run_id"], Value::Null);
}
