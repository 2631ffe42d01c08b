//! Actions that must not happen twice.

use rustix::process::Signal;

use super::sandbox::{Sandbox, collect, kill, wait_until};

#[test]
fn of_fifty_beginnings_of_one_key_exactly_one_proceeds() {
    let sandbox = Sandbox::with_agents(["a"]);
    for tier in ["read", "append", "mutate"] {
        let key = format!("post-{tier}");
        let children: Vec<_> = (0..50)
            .map(|_| sandbox.start(["action", "begin", &key, "--agent", "a", "--tier", tier]))
            .collect();
        let mut n_proceeding = 0;
        for child in children {
            let done = collect(child);
            if done.code == Some(0) {
                assert_eq!(done.ok(), "proceed");
                n_proceeding += 1;
            } else {
                assert!(done.no().contains("is in progress by a"));
            }
        }
        assert_eq!(n_proceeding, 1, "{tier}");
    }
}

#[test]
fn a_deed_that_is_done_answers_no_with_its_result_until_its_window_has_passed() {
    let sandbox = Sandbox::with_agents(["a"]);
    let begin = ["action", "begin", "post", "--agent", "a", "--tier", "mutate", "--window", "1h"];
    assert_eq!(sandbox.run(begin).ok(), "proceed");
    sandbox.run(["action", "done", "post", "--result", "{\"id\": 7}"]).ok();
    sandbox.run(["action", "done", "post"]).no();
    let again = sandbox.run(begin);
    assert_eq!(again.stdout, "{\"id\":7}\n");
    again.no();
    assert_eq!(sandbox.run_with(("AGENT_PLUMBING_CLOCK", "+2h"), begin).ok(), "proceed");
}

#[test]
fn a_deed_that_failed_may_be_tried_again_and_another_fingerprint_is_an_error() {
    let sandbox = Sandbox::with_agents(["a"]);
    let begin = |fingerprint: &str| {
        sandbox.run([
            "action",
            "begin",
            "post",
            "--agent",
            "a",
            "--tier",
            "mutate",
            "--fingerprint",
            fingerprint,
        ])
    };
    begin("one").ok();
    sandbox.run(["action", "fail", "post", "--error", "no network"]).ok();
    begin("one").ok();
    assert_eq!(sandbox.run(["action", "show", "post", "--json"]).json()["attempts"], 2);
    sandbox.run(["action", "done", "post"]).ok();
    let done = begin("two").code(3);
    assert!(
        done.stderr.contains("another fingerprint") && done.stderr.contains("hint: "),
        "{done:?}"
    );
    sandbox.run(["action", "done", "never-begun"]).no();
}

#[test]
fn an_irreversible_deed_needs_an_approval_for_each_attempt() {
    let sandbox = Sandbox::with_agents(["a"]);
    let begin = ["action", "begin", "deploy", "--agent", "a", "--tier", "mutate", "--irreversible"];
    assert!(sandbox.run(begin).no().contains("action approve deploy"));
    sandbox.run(["action", "approve", "deploy"]).ok();
    sandbox.run(begin).ok();
    sandbox.run(["action", "fail", "deploy"]).ok();
    sandbox.run(begin).no();
    // Leaving the flag away does not change what the deed is.
    sandbox.run(["action", "begin", "deploy", "--agent", "a", "--tier", "read"]).no();
    sandbox.run(["action", "approve", "not-begun-yet"]).ok();
    sandbox
        .run([
            "action",
            "begin",
            "not-begun-yet",
            "--agent",
            "a",
            "--tier",
            "mutate",
            "--irreversible",
        ])
        .ok();
}

/// A publish is killed between the deed and its record. The next tick neither publishes twice nor forgets.
#[test]
fn a_publish_killed_before_its_record_is_unknown_until_a_person_has_looked() {
    let sandbox = Sandbox::with_agents(["publisher"]);
    let once = [
        "once",
        "publish-42",
        "--agent",
        "publisher",
        "--",
        "sh",
        "-c",
        "echo published >> world; touch done; exec sleep 60",
    ];
    let child = sandbox.start(once);
    wait_until(|| sandbox.path("done").exists());
    assert!(
        sandbox
            .run(["once", "publish-42", "--agent", "publisher", "--", "touch", "twice"])
            .no()
            .contains("in progress")
    );
    kill(child.id(), Signal::KILL);
    collect(child);

    for _ in 0..3 {
        let no = sandbox
            .run(["once", "publish-42", "--agent", "publisher", "--", "touch", "twice"])
            .no();
        assert!(no.contains("is unknown") && no.contains("action resolve publish-42"), "{no}");
    }
    assert!(!sandbox.path("twice").exists());
    let unknown = sandbox.run(["action", "list", "--state", "unknown", "--json"]).lines();
    assert_eq!(unknown[0]["key"], "publish-42");

    sandbox.run(["action", "resolve", "publish-42", "done", "--reason", "it is online"]).ok();
    sandbox.run(["action", "resolve", "publish-42", "retry", "--reason", "again"]).no();
    assert!(sandbox.run(once).no().contains("done already"));
    assert_eq!(std::fs::read_to_string(sandbox.path("world")).unwrap(), "published\n");
}

#[test]
fn a_harmless_deed_that_was_killed_is_simply_done_again() {
    let sandbox = Sandbox::with_agents(["a"]);
    let child = sandbox.start([
        "once",
        "digest",
        "--agent",
        "a",
        "--tier",
        "append",
        "--",
        "sh",
        "-c",
        "touch ready; exec sleep 60",
    ]);
    wait_until(|| sandbox.path("ready").exists());
    kill(child.id(), Signal::KILL);
    collect(child);
    assert_eq!(
        sandbox
            .run(["once", "digest", "--agent", "a", "--tier", "append", "--", "echo", "digest"])
            .ok(),
        "digest"
    );
}

#[test]
fn an_intention_is_left_behind_when_its_run_has_ended() {
    let sandbox = Sandbox::with_agents(["a"]);
    let run = sandbox.run(["run", "start", "a", "--id-only"]).ok();
    for (key, tier) in [("post", "mutate"), ("note", "append")] {
        sandbox
            .run_with(
                ("AGENT_STATE_RUN_ID", &run),
                ["action", "begin", key, "--agent", "a", "--tier", tier],
            )
            .ok();
        sandbox.run(["action", "begin", key, "--agent", "a", "--tier", tier]).no();
    }
    sandbox.run(["run", "finish", &run]).ok();
    assert_eq!(sandbox.run(["action", "show", "post", "--json"]).json()["state"], "unknown");
    assert!(
        sandbox
            .run(["action", "begin", "post", "--agent", "a", "--tier", "mutate"])
            .no()
            .contains("unknown")
    );
    sandbox.run(["action", "begin", "note", "--agent", "a", "--tier", "append"]).ok();
}

#[test]
fn once_runs_a_command_until_it_succeeds_and_passes_its_code_on() {
    let sandbox = Sandbox::with_agents(["a"]);
    let once = |script: &str| sandbox.run(["once", "k", "--agent", "a", "--", "sh", "-c", script]);
    once("exit 9").code(9);
    assert_eq!(once("echo done").ok(), "done");
    assert_eq!(once("echo done").code(1).stdout, "{\"exit_code\":0}\n");
    sandbox.run(["once", "other", "--agent", "a", "--", "/nonexistent"]).code(127);
    assert_eq!(sandbox.run(["action", "show", "other", "--json"]).json()["state"], "failed");
    for _ in 0..2 {
        sandbox.run(["once", "free", "--agent", "a", "--until-finished", "--", "true"]).ok();
    }
    sandbox.run(["once", "x", "--agent", "ghost", "--", "true"]).no();
}
