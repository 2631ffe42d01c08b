//! Requests over stdin and stdout.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::symlink;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use serde_json::{Value, json};

use super::sandbox::{Done, Sandbox, collect, kill, wait_until};
use super::server::n_waiting;

/// A request line.
pub(crate) fn line(id: &Value, method: &str, params: &Value) -> String {
    format!("{}\n", json!({ "id": id, "method": method, "params": params }))
}

fn rpc(sandbox: &Sandbox, input: &[u8]) -> Done {
    sandbox.run_fed(input, ["rpc"])
}

/// A process that answers requests for as long as its stdin is open.
pub(super) fn talk(command: &mut Command) -> Child {
    command
        .arg("rpc")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The answers to these requests, in one process.
pub(super) fn answers(sandbox: &Sandbox, requests: &[(&str, Value)]) -> Vec<Value> {
    let lines: String = requests
        .iter()
        .enumerate()
        .map(|(n, (method, params))| line(&json!(n), method, params))
        .collect();
    let answers = rpc(sandbox, lines.as_bytes()).lines();
    assert_eq!(answers.len(), requests.len());
    for (n, (answer, (method, _))) in answers.iter().zip(requests).enumerate() {
        assert_eq!(answer["id"], n);
        if let Some(code) = answer["error"]["code"].as_str() {
            assert!(is_described(method, code), "{method} is not described to answer {code}");
        }
    }
    answers
}

/// Whether `capabilities` tells that this method can answer with this error.
fn is_described(method: &str, code: &str) -> bool {
    static CAPABILITIES: OnceLock<Value> = OnceLock::new();
    let capabilities =
        CAPABILITIES.get_or_init(|| Sandbox::in_a_file().run(["capabilities"]).json());
    let methods = capabilities["methods"].as_array().unwrap();
    let known = methods.iter().find(|known| known["method"] == method);
    known.is_some_and(|known| known["errors"].as_array().unwrap().contains(&json!(code)))
        || capabilities["errors"][code]["anywhere"] == true
        || capabilities["requests"]["errors"][code].is_string()
}

#[track_caller]
fn result(answer: &Value) -> &Value {
    assert!(answer.get("error").is_none(), "{answer}");
    &answer["result"]
}

#[test]
fn a_request_answers_what_the_command_prints_as_json() {
    let sandbox = Sandbox::with_agents(["a", "b"]);
    sandbox.run(["state", "set", "a", "k", "{\"big\": 100000000000000000000.10}"]).ok();
    sandbox.run(["lock", "acquire", "repo", "a", "--reason", "weekly"]).ok();
    for (method, params, words) in [
        ("agent.show", json!({ "agent": "a" }), vec!["agent", "show", "a"]),
        ("state.get", json!({ "agent": "a", "key": "k" }), vec!["state", "get", "a", "k"]),
        ("stats", json!({}), vec!["stats"]),
        ("lock.check", json!({ "resource": "repo" }), vec!["lock", "check", "repo"]),
        ("capabilities", json!({}), vec!["capabilities"]),
    ] {
        let by_command = sandbox.run(words.iter().chain(&["--json"])).ok();
        let answer = rpc(&sandbox, line(&json!(1), method, &params).as_bytes()).ok();
        assert_eq!(answer, format!("{{\"id\":1,\"result\":{by_command}}}"), "{method}");
    }
    for (method, params, words) in [
        ("agent.list", json!({}), vec!["agent", "list"]),
        ("lock.list", json!({}), vec!["lock", "list"]),
        ("run.list", json!({ "limit": 5 }), vec!["run", "list", "--limit", "5"]),
        ("events", json!({ "limit": 3 }), vec!["events", "--limit", "3"]),
    ] {
        let by_command = sandbox.run(words.iter().chain(&["--json"])).lines();
        let answer = &answers(&sandbox, &[(method, params)])[0];
        assert_eq!(result(answer), &Value::from(by_command), "{method}");
    }
}

#[test]
fn a_no_has_the_word_and_the_facts_of_the_command() {
    let sandbox = Sandbox::with_agents(["a", "b"]);
    sandbox.run(["lock", "acquire", "repo", "a"]).ok();
    sandbox.run(["state", "set", "a", "k", "1"]).ok();
    let run = sandbox.run(["run", "start", "a", "--id-only"]).ok();
    sandbox.run(["run", "finish", &run]).ok();
    for (method, params, words) in [
        ("agent.show", json!({ "agent": "x" }), vec!["agent", "show", "x"]),
        ("state.get", json!({ "agent": "a", "key": "x" }), vec!["state", "get", "a", "x"]),
        (
            "state.set",
            json!({ "agent": "a", "key": "k", "value": 2, "if_version": 7 }),
            vec!["state", "set", "a", "k", "2", "--if-version", "7"],
        ),
        (
            "state.set",
            json!({ "agent": "a", "key": "k", "value": 2, "if_absent": true }),
            vec!["state", "set", "a", "k", "2", "--if-absent"],
        ),
        (
            "lock.verify",
            json!({ "resource": "repo", "token": 99 }),
            vec!["lock", "verify", "repo", "--token", "99"],
        ),
        ("run.finish", json!({ "run": run }), vec!["run", "finish", &run]),
        (
            "lock.acquire",
            json!({ "resource": "repo", "agent": "b" }),
            vec!["lock", "acquire", "repo", "b"],
        ),
        (
            "state.set",
            json!({ "agent": "a", "key": "k\n", "value": 1 }),
            vec!["state", "set", "a", "k\n", "1"],
        ),
        ("run.list", json!({ "limit": 0 }), vec!["run", "list", "--limit", "0"]),
    ] {
        let by_command = sandbox.run(words.iter().chain(&["--json"]));
        let mut by_command: Value = serde_json::from_str(&by_command.stderr).unwrap();
        let mut answer = answers(&sandbox, &[(method, params)]).remove(0);
        assert!(answer.get("result").is_none());
        // The time that is left differs by a moment.
        if method == "lock.acquire" {
            for error in [&mut by_command, &mut answer] {
                assert!(
                    error["error"]["message"].take().as_str().unwrap().contains("is held by a")
                );
            }
        }
        assert_eq!(answer["error"], by_command["error"], "{method}");
    }
    let asked =
        [("lock.check", json!({ "resource": "x" })), ("coord.check", json!({ "resource": "x" }))];
    let answers = answers(&sandbox, &asked);
    assert_eq!(answers[0]["error"]["code"], "free");
    assert_eq!(answers[0]["error"]["data"]["status"], "free");
    assert_eq!(answers[1]["error"]["code"], "nobody");
}

#[test]
fn what_clients_send_arrives_as_it_is() {
    let sandbox = Sandbox::new();
    result(&answers(&sandbox, &[("agent.register", json!({ "name": "-a" }))])[0]);
    let values = [
        json!("-"),
        json!("--help"),
        json!(""),
        json!("42"),
        json!("true"),
        json!(42),
        json!(-1.5),
        json!(true),
        json!(null),
        json!([1, null, "x"]),
        json!({ "--json": "\u{1b}[31m\n\u{0}" }),
    ];
    for value in values {
        let answers = answers(
            &sandbox,
            &[
                ("state.set", json!({ "agent": "-a", "key": "--key", "value": value })),
                ("state.get", json!({ "agent": "-a", "key": "--key" })),
            ],
        );
        assert_eq!(result(&answers[1])["value"], value);
    }
    let answers = answers(
        &sandbox,
        &[
            ("state.set", json!({ "agent": "-a", "key": "k", "input": "{\"a\": 1}\n" })),
            ("state.get", json!({ "agent": "-a", "key": "k" })),
            ("agent.register", json!({ "name": "b", "metadata": { "team": "--x" } })),
            ("journal.add", json!({ "agent": "b", "category": "lesson", "text": "7" })),
            ("journal.list", json!({ "agent": "b" })),
            ("state.set", json!({ "agent": "b", "key": "k", "value": null, "input": "given" })),
            ("state.get", json!({ "agent": "b", "key": "k" })),
            ("action.begin", json!({ "key": "post", "agent": "b", "tier": "mutate" })),
            ("action.done", json!({ "key": "post", "result": { "url": "u" } })),
            ("action.begin", json!({ "key": "post", "agent": "b", "tier": "mutate" })),
            ("coord.working_on", json!({ "agent": "b", "resource": "r", "for": 60 })),
        ],
    );
    assert_eq!(result(&answers[1])["value"], json!({ "a": 1 }));
    assert_eq!(result(&answers[2])["metadata"], json!({ "team": "--x" }));
    assert_eq!(result(&answers[4])[0]["entry"], "7");
    assert_eq!(result(&answers[6])["value"], "given");
    assert_eq!(answers[9]["error"]["code"], "done");
    assert_eq!(answers[9]["error"]["data"]["result"], json!({ "url": "u" }));
    assert_eq!(result(&answers[10])["agent"], "b");
}

#[test]
fn files_go_in_and_out_as_text_or_as_hex() {
    let sandbox = Sandbox::with_agents(["a"]);
    let put = |content: Value, version: &Value| {
        let mut params = json!({ "path": "f", "if_version": version, "agent": "a" });
        params.as_object_mut().unwrap().extend(content.as_object().unwrap().clone());
        answers(&sandbox, &[("file.put", params)]).remove(0)
    };
    let first = put(json!({ "content": "-\n" }), &json!("absent"));
    assert_eq!(std::fs::read(sandbox.path("f")).unwrap(), b"-\n");
    let second = put(json!({ "content_hex": "00ff" }), &result(&first)["version"]);
    assert_eq!(std::fs::read(sandbox.path("f")).unwrap(), [0, 255]);
    let got = answers(&sandbox, &[("file.get", json!({ "path": "f" }))]);
    assert_eq!(result(&got[0])["content_hex"], "00ff");
    assert_eq!(result(&got[0])["version"], result(&second)["version"]);
    let late = put(json!({ "content": "late" }), &result(&first)["version"]);
    assert_eq!(late["error"]["code"], "file_changed");
}

#[test]
fn the_database_itself_is_no_file_to_guard() {
    let sandbox = Sandbox::in_a_file().register(["a"]);
    symlink(sandbox.database(), sandbox.path("link")).unwrap();
    for path in [sandbox.database(), sandbox.path("link")] {
        let answer = answers(&sandbox, &[("file.get", json!({ "path": path }))]).remove(0);
        assert_eq!(answer["error"]["code"], "not_a_file", "{answer}");
    }
}

#[test]
fn garbage_is_answered_and_survived() {
    let sandbox = Sandbox::new();
    let mut input =
        b"\0\0\0\n\xff\xfe\n[]\n\n   \n{\"id\":5}\n{\"id\":1,\"method\":\"stats\"".to_vec();
    input.extend(b"\n{\"id\":6,\"method\":\"stats\"}");
    let answers = rpc(&sandbox, &input).lines();
    let codes: Vec<_> = answers.iter().map(|answer| answer["error"]["code"].as_str()).collect();
    let bad = Some("bad_request");
    assert_eq!(codes, [bad, bad, bad, bad, bad, None]);
    assert_eq!(answers[3]["id"], 5);
    assert_eq!(answers[5]["result"]["agents"], 0);
}

#[test]
fn a_request_of_more_than_a_mebibyte_ends_the_conversation() {
    let sandbox = Sandbox::with_agents(["a"]);
    let fits = "x".repeat((1 << 20) - 100);
    let request = line(&json!(1), "state.set", &json!({ "agent": "a", "key": "k", "value": fits }));
    assert!(request.len() <= (1 << 20) + 1);
    let done = rpc(&sandbox, request.as_bytes());
    assert_eq!(done.json()["result"]["version"], 1);
    let mut input = vec![b'x'; (1 << 20) + 1];
    input.extend(b"\n{\"id\":2,\"method\":\"stats\"}\n");
    let done = rpc(&sandbox, &input).code(2);
    assert_eq!(done.stdout.lines().count(), 1);
    let answer: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(answer["error"]["code"], "too_large");
}

#[test]
fn what_runs_commands_or_never_ends_cannot_be_called() {
    let sandbox = Sandbox::with_agents(["a"]);
    let capabilities = sandbox.run(["capabilities"]).json();
    let methods = capabilities["methods"].as_array().unwrap();
    let names = |callable: bool| -> Vec<&str> {
        let these = methods.iter().filter(|method| method["callable"] == callable);
        these.map(|method| method["method"].as_str().unwrap()).collect()
    };
    for name in ["exec", "once", "lock.exec", "completions", "serve", "rpc"] {
        assert!(names(false).contains(&name), "{name}");
    }
    for name in names(false) {
        let answer = answers(&sandbox, &[(name, json!({}))]).remove(0);
        assert_eq!(answer["error"]["code"], "not_callable", "{name}");
    }
    // What can be called is there, and what it answers to a call without parameters is JSON.
    for name in names(true) {
        let answer = answers(&sandbox, &[(name, json!({}))]).remove(0);
        let code = answer["error"]["code"].as_str();
        assert!(code.is_none() || matches!(code, Some("usage" | "findings")), "{answer}");
    }
    let answer = answers(&sandbox, &[("events", json!({ "follow": true }))]).remove(0);
    assert_eq!(answer["error"]["code"], "not_callable");
}

#[test]
fn a_run_over_the_wire_has_a_lease_and_no_process_and_outlives_the_server() {
    let sandbox = Sandbox::with_agents(["a", "b"]);
    let started = answers(&sandbox, &[("run.start", json!({ "agent": "a", "lease": "1h" }))]);
    let run = result(&started[0])["run_id"].as_str().unwrap().to_owned();
    let locked = answers(
        &sandbox,
        &[("lock.acquire", json!({ "resource": "repo", "agent": "a", "run_id": run }))],
    );
    assert_eq!(result(&locked[0])["run_id"], json!(run));
    assert_eq!(result(&locked[0])["holder"], Value::Null);
    assert_eq!(sandbox.run(["run", "show", &run, "--json"]).json()["status"], "running");
    // The lock belongs to the run: outside of it, not even its agent can give it back.
    let released =
        answers(&sandbox, &[("lock.release", json!({ "resource": "repo", "agent": "a" }))]);
    assert_eq!(released[0]["error"]["code"], "not_holder");
    let mut in_the_run = talk(sandbox.command().env("AGENT_STATE_RUN_ID", &run));
    let request = line(&json!(1), "lock.release", &json!({ "resource": "repo", "agent": "a" }));
    in_the_run.stdin.take().unwrap().write_all(request.as_bytes()).unwrap();
    assert_eq!(collect(in_the_run).json()["result"]["status"], "released");
}

#[test]
fn each_answer_comes_before_the_next_request_and_sees_what_others_wrote() {
    let sandbox = Sandbox::in_a_file().register(["a"]);
    let mut child = talk(&mut sandbox.command());
    let mut requests = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap());
    let mut ask = |method: &str, params: Value| -> Value {
        requests.write_all(line(&json!(1), method, &params).as_bytes()).unwrap();
        let mut answer = String::new();
        answers.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap()
    };
    let get = || json!({ "agent": "a", "key": "k" });
    for n in 1..=3 {
        sandbox.run(["state", "set", "a", "k", &n.to_string()]).ok();
        assert_eq!(ask("state.get", get())["result"]["value"], n);
    }
    ask("state.set", json!({ "agent": "a", "key": "k", "value": 4 }));
    assert_eq!(sandbox.run(["state", "get", "a", "k"]).ok(), "4");
    sandbox.run(["state", "set", "a", "k", "5"]).ok();
    assert_eq!(ask("state.get", get())["result"]["value"], 5);
    // A database that was replaced by another is noticed.
    sandbox.run(["backup", "copy.db"]).ok();
    sandbox.run(["state", "set", "a", "k", "6"]).ok();
    assert_eq!(ask("state.get", get())["result"]["value"], 6);
    for suffix in ["-wal", "-shm"] {
        let mut name = sandbox.database().into_os_string();
        name.push(suffix);
        let _ = std::fs::remove_file(name);
    }
    std::fs::rename(sandbox.path("copy.db"), sandbox.database()).unwrap();
    assert_eq!(ask("state.get", get())["result"]["value"], 5);
    drop(requests);
    collect(child).ok();
}

#[test]
fn a_waiter_whose_reader_has_gone_leaves_the_queue() {
    let sandbox = Sandbox::with_agents(["a", "b"]);
    sandbox.run(["lock", "acquire", "repo", "a"]).ok();
    let mut child = talk(&mut sandbox.command());
    let request =
        line(&json!(1), "lock.acquire", &json!({ "resource": "repo", "agent": "b", "wait": "5m" }));
    child.stdin.take().unwrap().write_all(request.as_bytes()).unwrap();
    // The end of the requests is no reason to stop waiting for the answers; the end of the reader is.
    wait_until(|| n_waiting(&sandbox) == 1);
    drop(child.stdout.take());
    wait_until(|| n_waiting(&sandbox) == 0);
    assert!(wait_for_end(&mut child));
}

fn wait_for_end(child: &mut Child) -> bool {
    wait_until(|| child.try_wait().unwrap().is_some());
    child.wait().unwrap().code() == Some(0)
}

#[test]
fn rpc_that_is_killed_in_the_middle_leaves_a_whole_database() {
    let sandbox = Sandbox::with_agents(["a"]);
    let requests: String = (0..3000)
        .map(|n| line(&json!(n), "state.set", &json!({ "agent": "a", "key": "k", "value": n })))
        .collect();
    let mut child = talk(&mut sandbox.command());
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || {
        let _ = stdin.write_all(requests.as_bytes());
    });
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut last = 0;
    for _ in 0..50 {
        let answer: Value = serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap();
        last = answer["result"]["version"].as_i64().unwrap();
    }
    kill(child.id(), rustix::process::Signal::KILL);
    child.wait().unwrap();
    drop(answers);
    writer.join().unwrap();
    assert_eq!(sandbox.damage(), [""; 0]);
    let kept = sandbox.run(["state", "get", "a", "k", "--json"]).json();
    assert!(kept["version"].as_i64().unwrap() >= last, "what was answered is kept");
}
