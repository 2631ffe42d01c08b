//! What `capabilities` says of the results of every method, held against the results themselves.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::rpc::line;
use super::sandbox::Sandbox;
use super::upkeep::{PRESENT, python_database};

/// The keys of every result so far, by method.
struct Seen {
    sandbox: Sandbox,
    keys: RefCell<BTreeMap<String, BTreeSet<String>>>,
}

impl Seen {
    /// Asks, notes the keys of the result, and gives the result.
    #[track_caller]
    fn ask(&self, method: &str, params: &Value) -> Value {
        let request = line(&json!(1), method, params);
        let answer = self.sandbox.run_fed(request.as_bytes(), ["rpc"]).json();
        // Where something was found, `doctor` answers with the same document as an error.
        let found = answer["error"]["data"].get("findings").and(answer["error"].get("data"));
        let result = answer.get("result").or(found).unwrap_or_else(|| panic!("{method}: {answer}"));
        self.note(method, result);
        result.clone()
    }

    fn note(&self, method: &str, result: &Value) {
        let mut keys = self.keys.borrow_mut();
        let keys = keys.entry(method.to_owned()).or_default();
        match result {
            Value::Object(members) if WIDE.contains(&method) => {
                keys.extend(members.keys().cloned());
            }
            _ => note(result, "", keys),
        }
    }
}

/// What is in these is the users' own, or differs from kind to kind.
const OPEN: [&str; 5] = ["metadata", "detail", "value", "payload", "result"];

/// What is in these is described by others, or is a table of its own.
const WIDE: [&str; 4] = ["board", "coord.bulletin", "capabilities", "import"];

/// Adds the keys of a document, those within others behind a dot, and a list as its items.
fn note(document: &Value, above: &str, keys: &mut BTreeSet<String>) {
    match document {
        Value::Object(members) => {
            for (name, value) in members {
                let key = format!("{above}{name}");
                if !OPEN.contains(&name.as_str()) {
                    note(value, &format!("{key}."), keys);
                }
                keys.insert(key);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| note(item, above, keys)),
        _ => {}
    }
}

fn ask_agents_runs_and_values(seen: &Seen) {
    for method in ["init", "stats"] {
        seen.ask(method, &json!({}));
    }
    seen.ask("agent.register", &json!({ "name": "a", "metadata": { "team": 1 } }));
    seen.ask("agent.register", &json!({ "name": "b" }));
    seen.ask("agent.heartbeat", &json!({ "agent": "a" }));
    let started = seen.ask("run.start", &json!({ "agent": "a", "job": "j", "slot": "s" }));
    let run = &started["run_id"];
    seen.ask("run.heartbeat", &json!({ "run": run, "progress": "half" }));
    seen.ask("state.set", &json!({ "agent": "a", "key": "k", "value": 1, "run_id": run }));
    seen.ask("state.set", &json!({ "agent": "a", "key": "k", "value": 2 }));
    for method in ["state.get", "state.history"] {
        seen.ask(method, &json!({ "agent": "a", "key": "k" }));
    }
    seen.ask("state.list", &json!({ "agent": "a" }));
    seen.ask("state.restore", &json!({ "agent": "a", "key": "k", "version": 1 }));
    seen.ask("state.delete", &json!({ "agent": "a", "key": "k" }));
    seen.ask("run.finish", &json!({ "run": run, "exit_code": 3, "summary": "no network" }));
    seen.ask("run.show", &json!({ "run": run }));
    seen.ask("run.start", &json!({ "agent": "a", "lease": 60 }));
    let later = ("AGENT_PLUMBING_CLOCK", "+1h");
    let reaped = seen.sandbox.run_with(later, ["run", "reap", "--json"]).lines();
    seen.note("run.reap", &json!(reaped));
    seen.ask("run.list", &json!({}));
    seen.ask("agent.list", &json!({}));
    seen.ask("agent.show", &json!({ "agent": "a" }));
}

#[expect(clippy::disallowed_methods, reason = "another program writes a file carelessly")]
fn ask_locks_files_and_actions(seen: &Seen) {
    let lock = json!({ "resource": "r", "agent": "a", "reason": "weekly" });
    let token = seen.ask("lock.acquire", &lock)["token"].clone();
    seen.ask("lock.renew", &json!({ "resource": "r", "agent": "a", "token": token }));
    seen.ask("lock.check", &json!({ "resource": "r" }));
    seen.ask("lock.list", &json!({}));
    seen.ask("lock.verify", &json!({ "resource": "r", "token": token }));
    seen.ask("lock.break", &json!({ "resource": "r", "reason": "stuck" }));
    seen.ask("lock.acquire", &lock);
    seen.ask("lock.release", &json!({ "resource": "r", "agent": "a" }));
    let file = seen.sandbox.path("f");
    let put = |content: &str, version: &Value| {
        let params =
            json!({ "path": file, "if_version": version, "agent": "a", "content": content });
        seen.ask("file.put", &params)["version"].clone()
    };
    let first = put("one\n", &json!("absent"));
    put("two\n", &first);
    seen.ask("file.get", &json!({ "path": file }));
    std::fs::write(&file, [0xff]).unwrap();
    seen.ask("file.get", &json!({ "path": file }));
    seen.ask("file.diff", &json!({ "path": file, "old": first }));
    seen.ask("file.restore", &json!({ "path": file, "version": first, "agent": "a" }));
    seen.ask("file.log", &json!({ "path": file }));
    for (key, tier) in [("x", "mutate"), ("y", "read")] {
        seen.ask("action.begin", &json!({ "key": key, "agent": "a", "tier": tier }));
    }
    seen.ask("action.done", &json!({ "key": "x", "result": 1 }));
    seen.ask("action.fail", &json!({ "key": "y", "error": "no network" }));
    seen.ask("action.show", &json!({ "key": "x" }));
    seen.ask("action.list", &json!({}));
    seen.ask("action.approve", &json!({ "key": "z" }));
    // An action of a run that has ended without it is unknown.
    let run = seen.ask("run.start", &json!({ "agent": "a" }))["run_id"].clone();
    let begin = json!({ "key": "u", "agent": "a", "tier": "mutate", "run_id": run });
    seen.ask("action.begin", &begin);
    seen.ask("run.finish", &json!({ "run": run, "exit_code": 0 }));
    let resolve = json!({ "key": "u", "finding": "retry", "reason": "looked" });
    seen.ask("action.resolve", &resolve);
}

fn ask_coordination_and_tasks(seen: &Seen) {
    for method in ["coord.working_on", "coord.blocked_by", "coord.note"] {
        seen.ask(method, &json!({ "agent": "a", "resource": "r", "detail": "text" }));
    }
    seen.ask("coord.check", &json!({ "resource": "r" }));
    seen.ask("coord.bulletin", &json!({}));
    seen.ask("coord.completed", &json!({ "agent": "a", "resource": "r" }));
    seen.ask("coord.recent", &json!({}));
    seen.ask("journal.add", &json!({ "agent": "a", "category": "lesson", "text": "7" }));
    seen.ask("journal.list", &json!({}));
    let graph = json!({ "goal": "g", "context": "c", "nodes": [
        { "id": "one", "payload": 1 }, { "id": "two", "after": ["one"] }, { "id": "three" },
    ] });
    seen.ask("task.submit", &json!({ "name": "t", "graph": graph }));
    let next = || seen.ask("task.next", &json!({ "agent": "a" }))["lease_id"].clone();
    let lease = next();
    let beat = json!({ "node": "t/one", "lease_id": lease, "progress": "half" });
    seen.ask("task.heartbeat", &beat);
    seen.ask("task.done", &json!({ "node": "t/one", "lease_id": lease, "result": 1 }));
    next();
    seen.ask("task.show", &json!({ "node": "t/two" }));
    let lease = next();
    seen.ask("board", &json!({}));
    seen.ask("task.fail", &json!({ "node": "t/three", "lease_id": lease, "error": "no" }));
    seen.ask("task.status", &json!({ "task": "t" }));
    seen.ask("task.cancel", &json!({ "task": "t" }));
    seen.ask("task.list", &json!({}));
}

fn ask_for_upkeep(seen: &Seen) {
    seen.ask("backup", &json!({ "file": seen.sandbox.path("copy.db") }));
    seen.ask("prune", &json!({ "older_than": "90d" }));
    let python = python_database(&seen.sandbox, PRESENT);
    seen.ask("import", &json!({ "file": python }));
    seen.ask("events", &json!({}));
    seen.ask("doctor", &json!({}));
    seen.ask("agent.retire", &json!({ "agent": "b" }));
    seen.ask("capabilities", &json!({}));
}

#[test]
fn capabilities_name_the_keys_of_every_result_and_no_others() {
    let seen = Seen { sandbox: Sandbox::in_a_file(), keys: RefCell::default() };
    ask_agents_runs_and_values(&seen);
    ask_locks_files_and_actions(&seen);
    ask_coordination_and_tasks(&seen);
    ask_for_upkeep(&seen);
    let seen = seen.keys.into_inner();
    let capabilities = Sandbox::in_a_file().run(["capabilities"]).json();
    for method in capabilities["methods"].as_array().unwrap() {
        let name = method["method"].as_str().unwrap();
        if method["callable"] == true {
            let found = seen.get(name).unwrap_or_else(|| panic!("{name} was not asked"));
            assert_eq!(method["result"], json!(found), "{name}");
        } else {
            assert_eq!(method["result"], Value::Null, "{name}");
        }
    }
}
