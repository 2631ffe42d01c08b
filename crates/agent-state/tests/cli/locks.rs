//! Who holds what.

use super::sandbox::{Sandbox, collect};

#[test]
fn a_lock_is_held_by_one_and_the_other_learns_by_whom_and_why() {
    let sandbox = Sandbox::with_agents(["a", "b"]);
    let first: i64 =
        sandbox.run(["lock", "acquire", "repo", "a", "--reason", "deploy"]).ok().parse().unwrap();
    let no = sandbox.run(["lock", "acquire", "repo", "b"]).no();
    assert!(no.contains("`repo` is held by a (deploy)") && no.contains("left"), "{no}");
    sandbox.run(["lock", "acquire", "repo", "b", "-E", "75"]).code(75);
    sandbox.run(["lock", "release", "repo", "b"]).no();
    sandbox.run(["lock", "release", "repo", "a"]).ok();
    let second: i64 = sandbox.run(["lock", "acquire", "repo", "b"]).ok().parse().unwrap();
    assert!(second > first);
}

#[test]
fn of_fifty_acquisitions_exactly_one_wins() {
    let sandbox = Sandbox::new();
    for n in 0..50 {
        sandbox.run(["agent", "register", &format!("a{n}")]).ok();
    }
    let children: Vec<_> =
        (0..50).map(|n| sandbox.start(["lock", "acquire", "repo", &format!("a{n}")])).collect();
    let done: Vec<_> = children.into_iter().map(collect).collect();
    assert_eq!(done.iter().filter(|done| done.code == Some(0)).count(), 1, "{done:?}");
}

#[test]
fn acquiring_again_extends_and_keeps_the_token() {
    let sandbox = Sandbox::with_agents(["a"]);
    let first = sandbox.run(["lock", "acquire", "repo", "a", "--ttl", "1m", "--json"]).json();
    let again = sandbox.run(["lock", "acquire", "repo", "a", "--ttl", "1h", "--json"]).json();
    assert_eq!(first["token"], again["token"]);
    assert!(again["expires_at"].as_str() > first["expires_at"].as_str());
    let shorter = sandbox.run(["lock", "acquire", "repo", "a", "--ttl", "1s", "--json"]).json();
    assert_eq!(shorter["expires_at"], again["expires_at"]);
}

#[test]
fn the_late_release_of_an_old_run_does_not_free_its_successors_lock() {
    let sandbox = Sandbox::with_agents(["a"]);
    let old = sandbox.run(["run", "start", "a", "--id-only"]).ok();
    let new = sandbox.run(["run", "start", "a", "--id-only"]).ok();
    let in_run = |run: &str, args: [&str; 6]| sandbox.run_with(("AGENT_STATE_RUN_ID", run), args);
    in_run(&old, ["lock", "acquire", "repo", "a", "--ttl", "1m"]).ok();
    in_run(&new, ["lock", "acquire", "repo", "a", "--ttl", "1m"]).no();
    sandbox.run(["run", "finish", &old]).ok();
    in_run(&new, ["lock", "acquire", "repo", "a", "--ttl", "1m"]).ok();
    sandbox.run_with(("AGENT_STATE_RUN_ID", &old), ["lock", "release", "repo", "a"]).no();
    sandbox.run(["lock", "check", "repo"]).ok();
    sandbox.run_with(("AGENT_STATE_RUN_ID", &new), ["lock", "release", "repo", "a"]).ok();
    assert_eq!(sandbox.run(["lock", "check", "repo"]).code(1).stdout, "free\n");
}

#[test]
fn a_lock_lapses_with_its_time_and_not_with_a_clock_that_went_back() {
    let sandbox = Sandbox::with_agents(["a", "b"]);
    let first: i64 =
        sandbox.run(["lock", "acquire", "repo", "a", "--ttl", "10m"]).ok().parse().unwrap();
    sandbox.run_with(("AGENT_PLUMBING_CLOCK", "-1h"), ["lock", "acquire", "repo", "b"]).no();
    sandbox.run_with(("AGENT_PLUMBING_CLOCK", "+9m"), ["lock", "acquire", "repo", "b"]).no();
    let second: i64 = sandbox
        .run_with(("AGENT_PLUMBING_CLOCK", "+11m"), ["lock", "acquire", "repo", "b"])
        .ok()
        .parse()
        .unwrap();
    assert!(second > first);
}

#[test]
fn a_check_of_a_path_names_who_holds_what_is_above_or_below_it() {
    let sandbox = Sandbox::with_agents(["a", "b"]);
    sandbox.sh("mkdir -p pd/x other").code(0);
    let token = sandbox.run(["lock", "acquire", "pd", "a", "--path"]).ok();
    let above = sandbox.run(["lock", "check", "pd/x", "--path"]).ok();
    let held = format!("pd` is held by a, token {token}, ");
    assert!(above.starts_with('`') && above.contains(&held), "{above}");
    let exact = sandbox.run(["lock", "check", "pd", "--path"]).ok();
    assert!(exact.starts_with("held by a, token "), "{exact}");
    let below = sandbox.run(["lock", "check", ".", "--path", "--json"]).json();
    assert_eq!((below["status"].as_str(), below["agent"].as_str()), (Some("held"), Some("a")));
    assert!(below["holders"][0]["resource"].as_str().unwrap().ends_with("/pd"));
    assert_eq!(sandbox.run(["lock", "check", "other", "--path"]).code(1).stdout, "free\n");
    // A name is no path, whatever it looks like.
    assert_eq!(sandbox.run(["lock", "check", "pd/x"]).code(1).stdout, "free\n");
}
