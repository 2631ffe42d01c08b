//! A job whose time runs out dies with everything that it started, and the journal says why.

use rustix::process::{Pid, test_kill_process};

use crate::sandbox;

#[test]
fn a_job_that_hangs_is_ended_with_its_whole_tree_and_its_lock_is_free() {
    let home = sandbox();
    home.program(
        "my-agent",
        "#!/bin/sh\ntrap '' TERM\n(setsid sh -c 'echo $$ >> pids; exec sleep 300') &\necho $$ >> pids\nwhile :; do sleep 0.05; done\n",
    );
    let seen = home.expect(
        124,
        "cron-guard exec nightly --timeout 5s --grace 200ms -- agent-state exec deployer --lock site -- my-agent",
    );
    assert_eq!(seen.stdout, "");
    let pids = home.read("pids");
    assert_eq!(pids.lines().count(), 2, "{pids}");
    for pid in pids.lines() {
        let pid = Pid::from_raw(pid.parse().expect("a pid")).expect("not zero");
        assert!(test_kill_process(pid).is_err(), "{pid:?} lives on");
    }
    let run = home.rows("agent-state run list --job nightly --json").remove(0);
    assert_eq!(run["status"], "failed", "{run}");
    assert_eq!(run["reason"], "timed out", "{run}");
    home.expect(0, "agent-state agent register reviewer");
    home.expect(0, "agent-state lock acquire site reviewer");
}
