//! Many processes at once, some of them killed or stopped.

use std::process::{Child, Command, Stdio};

use rustix::process::Signal;

use super::sandbox::{Sandbox, collect, kill, wait_until};

/// Starts a script with the binary on its path, in the sandbox.
fn start_sh(sandbox: &Sandbox, script: &str) -> Child {
    let binary = sandbox.command();
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", script])
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for (name, value) in binary.get_envs() {
        command.env(name, value.unwrap());
    }
    command.current_dir(sandbox.path("")).spawn().unwrap()
}

fn n_waiters(sandbox: &Sandbox) -> i64 {
    let count = "SELECT count(DISTINCT ticket) FROM lock_waiters";
    sandbox.fleet().read("count", |c| c.query_row(count, [], |row| row.get(0))).unwrap()
}

#[test]
fn sixteen_processes_of_two_hundred_writes_each_lose_nothing() {
    let sandbox = Sandbox::with_agents(["a"]);
    let script = "i=0; while [ $i -lt 200 ]; do agent-state state set a k $i --busy-timeout 60s || exit 1; i=$((i+1)); done";
    let children: Vec<Child> = (0..16).map(|_| start_sh(&sandbox, script)).collect();
    let mut versions: Vec<u32> = Vec::new();
    for child in children {
        let out = collect(child).ok();
        let own: Vec<u32> = out.lines().map(|line| line.parse().unwrap()).collect();
        assert!(own.is_sorted());
        versions.extend(own);
    }
    versions.sort_unstable();
    assert_eq!(versions, (1..=3200).collect::<Vec<u32>>());
    assert_eq!(sandbox.damage(), [""; 0]);
}

#[test]
fn two_hundred_runs_fired_at_once_are_all_recorded() {
    let sandbox = Sandbox::new();
    // How long two hundred writes take is the disk's affair.
    let exec = ["exec", "a", "--job", "tick", "--busy-timeout", "60s", "--", "true"];
    let children: Vec<Child> = (0..200).map(|_| sandbox.start(exec)).collect();
    for child in children {
        collect(child).ok();
    }
    assert_eq!(sandbox.run(["stats", "--json"]).json()["runs_completed"], 200);
    assert_eq!(sandbox.run(["agent", "list", "--json"]).lines().len(), 1);
    assert_eq!(sandbox.damage(), [""; 0]);
}

#[test]
fn a_plain_file_behind_a_lock_loses_no_increment_and_tokens_strictly_rise() {
    let sandbox = Sandbox::new();
    std::fs::File::create(sandbox.path("tokens")).unwrap();
    let script = "i=0; while [ $i -lt 12 ]; do \
        agent-state lock exec counter --wait 60s --busy-timeout 60s -- sh -c \
            'echo $AGENT_STATE_LOCK_TOKEN_1 >> tokens; n=$(cat n 2>/dev/null || echo 0); echo $((n+1)) > n' || exit 1; \
        i=$((i+1)); done";
    let children: Vec<Child> = (0..16).map(|_| start_sh(&sandbox, script)).collect();
    for child in children {
        collect(child).ok();
    }
    assert_eq!(std::fs::read_to_string(sandbox.path("n")).unwrap().trim(), "192");
    assert!(tokens(&sandbox).is_sorted_by(|one, next| one < next));
}

fn tokens(sandbox: &Sandbox) -> Vec<i64> {
    let text = std::fs::read_to_string(sandbox.path("tokens")).unwrap_or_default();
    text.lines().map(|line| line.parse().unwrap()).collect()
}

#[test]
fn killed_holders_and_waiters_stop_nobody_and_the_database_stays_whole() {
    let sandbox = Sandbox::new();
    let hold = || {
        sandbox.start([
            "lock",
            "exec",
            "repo",
            "--wait",
            "60s",
            "--busy-timeout",
            "60s",
            "--",
            "sh",
            "-c",
            "echo $AGENT_STATE_LOCK_TOKEN_1 >> tokens; exec sleep 0.05",
        ])
    };
    let children: Vec<Child> = (0..30).map(|_| hold()).collect();
    let mut n_done = 0;
    for (n, child) in children.into_iter().enumerate() {
        if n % 3 == 1 {
            // It may hold the lock, wait for it, or be about to open the database.
            kill(child.id(), Signal::KILL);
            collect(child);
        } else {
            collect(child).ok();
            n_done += 1;
        }
    }
    let tokens = tokens(&sandbox);
    assert!(tokens.len() >= n_done);
    assert!(tokens.is_sorted_by(|one, next| one < next), "{tokens:?}");
    assert_eq!(sandbox.run(["lock", "check", "repo"]).code(1).stdout, "free\n");
    // Whoever comes next drops those who died while they waited.
    sandbox.run(["lock", "exec", "repo", "--", "true"]).ok();
    assert_eq!(n_waiters(&sandbox), 0);
    assert_eq!(sandbox.damage(), [""; 0]);
}

/// Starts one that waits for `repo` and writes its name when it gets it, and sees it into the queue.
fn queue_up(sandbox: &Sandbox, name: &str) -> Child {
    let before = n_waiters(sandbox);
    let note = format!("echo {name} >> order");
    let child = sandbox.start(["lock", "exec", "repo", "--wait", "60s", "--", "sh", "-c", &note]);
    wait_until(|| n_waiters(sandbox) == before + 1);
    child
}

#[test]
fn waiters_are_served_in_the_order_in_which_they_came_and_a_dead_one_drops_out() {
    let sandbox = Sandbox::with_agents(["a", "b"]);
    sandbox.run(["lock", "acquire", "repo", "a"]).ok();
    let names = ["one", "two", "three", "four"];
    let mut children: Vec<Child> = names.map(|name| queue_up(&sandbox, name)).into();
    let dead = children.remove(1);
    kill(dead.id(), Signal::KILL);
    collect(dead);
    sandbox.run(["lock", "release", "repo", "a"]).ok();
    // One who only tries does not push in before those who wait.
    let pushy = sandbox.run(["lock", "acquire", "repo", "b"]);
    for child in children {
        collect(child).ok();
    }
    assert_eq!(std::fs::read_to_string(sandbox.path("order")).unwrap(), "one\nthree\nfour\n");
    pushy.no();
}

#[test]
fn a_stopped_waiter_is_passed_over() {
    let sandbox = Sandbox::with_agents(["a"]);
    sandbox.run(["lock", "acquire", "repo", "a"]).ok();
    let stopped = queue_up(&sandbox, "stopped");
    kill(stopped.id(), Signal::STOP);
    let awake = queue_up(&sandbox, "awake");
    sandbox.run(["lock", "release", "repo", "a"]).ok();
    collect(awake).ok();
    kill(stopped.id(), Signal::CONT);
    collect(stopped).ok();
    assert_eq!(std::fs::read_to_string(sandbox.path("order")).unwrap(), "awake\nstopped\n");
}

#[test]
fn giving_up_names_the_holder_and_the_time_waited_and_leaves_the_queue() {
    let sandbox = Sandbox::with_agents(["a", "b"]);
    sandbox.run(["lock", "acquire", "repo", "a", "--reason", "weekly review"]).ok();
    let no = sandbox.run(["lock", "acquire", "repo", "b", "--wait", "200ms"]).no();
    assert!(no.contains("held by a (weekly review)") && no.contains("gave up after 2"), "{no}");
    assert_eq!(n_waiters(&sandbox), 0);
}

#[test]
fn shared_locks_admit_each_other_and_keep_the_exclusive_one_out() {
    let sandbox = Sandbox::with_agents(["a", "b", "c"]);
    sandbox.run(["lock", "acquire", "repo", "a", "--shared"]).ok();
    sandbox.run(["lock", "acquire", "repo", "b", "--shared"]).ok();
    sandbox.run(["lock", "acquire", "repo", "c"]).no();
    assert_eq!(
        sandbox.run(["lock", "check", "repo", "--json"]).json()["holders"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    // A shared holder becomes the exclusive one when it is alone.
    sandbox.run(["lock", "acquire", "repo", "a"]).no();
    sandbox.run(["lock", "release", "repo", "b"]).ok();
    sandbox.run(["lock", "acquire", "repo", "a"]).ok();
    sandbox.run(["lock", "acquire", "repo", "b", "--shared"]).no();
}

#[test]
fn a_directory_lock_keeps_others_out_of_what_is_below_it() {
    let sandbox = Sandbox::with_agents(["a", "b"]);
    std::fs::create_dir_all(sandbox.path("site/pages")).unwrap();
    sandbox.run(["lock", "acquire", "site", "a", "--path"]).ok();
    sandbox.run(["lock", "acquire", "site/pages/new.md", "b", "--path"]).no();
    sandbox.run(["lock", "acquire", "./site/../site", "b", "--path"]).no();
    sandbox.run(["lock", "acquire", "logs/today", "a", "--path"]).ok();
    // It names what is held, which is not what was asked for.
    let no = sandbox.run(["lock", "acquire", "logs", "b", "--path"]).no();
    assert!(
        no.contains("logs` is in the way of") && no.contains("logs/today`, which is held by a"),
        "{no}"
    );
    sandbox.run(["lock", "acquire", "site2", "b", "--path"]).ok();
    sandbox.run(["lock", "check", "site/pages/..", "--path"]).ok();
    let long = "d/".repeat(300);
    sandbox.run(["lock", "acquire", &long, "b", "--path"]).ok();
    sandbox.run(["lock", "acquire", &long, "b"]).code(2);
}

#[test]
fn a_token_is_a_fence_until_the_lock_is_broken_or_given_back() {
    let sandbox = Sandbox::with_agents(["a", "b"]);
    let token = sandbox.run(["lock", "acquire", "repo", "a"]).ok();
    sandbox.run(["lock", "verify", "repo", "--token", &token]).ok();
    sandbox.run(["lock", "renew", "repo", "a", "--token", &token, "--ttl", "1h"]).ok();
    sandbox.run(["lock", "renew", "repo", "b", "--token", &token]).no();
    sandbox.run(["lock", "break", "repo", "--reason", "a is stuck"]).ok();
    sandbox.run(["lock", "break", "repo", "--reason", "again"]).no();
    sandbox.run(["lock", "verify", "repo", "--token", &token]).no();
    sandbox.run(["lock", "renew", "repo", "a", "--token", &token]).no();
    let next = sandbox.run(["lock", "acquire", "repo", "b"]).ok();
    assert!(next.parse::<i64>().unwrap() > token.parse::<i64>().unwrap());
    sandbox.run(["lock", "release", "repo", "b", "--token", &token]).no();
    sandbox.run(["lock", "release", "repo", "b", "--token", &next]).ok();
}

#[test]
fn a_broken_lock_ends_the_command_that_ran_under_it() {
    let sandbox = Sandbox::new();
    let child =
        sandbox.start(["lock", "exec", "repo", "--", "sh", "-c", "touch ready; exec sleep 60"]);
    wait_until(|| sandbox.path("ready").exists());
    sandbox.run(["lock", "break", "repo", "--reason", "stuck"]).code(0);
    let done = collect(child);
    assert_eq!(done.stderr, "agent-state: warning: a lock was lost, so the command was ended\n");
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&done.status), Some(15));
}
