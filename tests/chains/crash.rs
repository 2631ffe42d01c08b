//! Kill -9 of the whole chain: the run is found interrupted, the lock frees itself, nothing lives on.

use e2e::wait_for;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::sandbox;

fn pid_in(text: &str) -> Option<Pid> {
    text.trim().parse().ok().and_then(Pid::from_raw)
}

/// Whether the process still runs; a zombie that nobody collected yet does not.
fn runs(pid: Pid) -> bool {
    let stat =
        std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    test_kill_process(pid).is_ok() && !stat.contains(") Z ")
}

#[test]
fn kill_9_of_the_whole_chain_leaves_an_interrupted_run_and_a_free_lock() {
    let home = sandbox();
    home.vault();
    home.write("proj/README.md", "# A project\n");
    home.program("my-agent", "#!/bin/sh\necho $$ > agent.pid\nexec sleep 300\n");
    let mut chain = home.start(
        "exec cron-guard exec nightly -- agent-state exec deployer --lock site -- context-pack exec ~/proj --budget 32000 -- credential-proxy exec --env T=github.com -- my-agent",
    );
    let agent = wait_for("the agent to start", || pid_in(&home.read("agent.pid")));
    home.expect(0, "agent-state agent register reviewer");
    home.expect(1, "agent-state lock acquire site reviewer");

    let outermost = Pid::from_child(&chain);
    kill_process(outermost, Signal::KILL).expect("it is ours");
    chain.wait().expect("it is dead");
    wait_for("the agent to die with its chain", || (!runs(agent)).then_some(()));

    let run = home.rows("agent-state run list --job nightly --json")[0].clone();
    assert_eq!(run["status"], "interrupted", "{run}");
    assert_eq!(run["reason"], "process gone", "{run}");
    home.expect(0, "agent-state lock acquire site reviewer");
    assert_eq!(
        home.expect(
            0,
            "sqlite3 -readonly .local/state/agent-state/state.db 'select 1' 2>/dev/null || echo 1"
        )
        .stdout,
        "1\n"
    );
}

#[test]
fn a_chain_that_gets_term_passes_it_on_and_records_it() {
    let home = sandbox();
    home.program("my-agent", "#!/bin/sh\ntrap 'echo told >> told; exit 9' TERM\necho $$ > agent.pid\nwhile :; do sleep 0.05; done\n");
    let mut chain =
        home.start("exec cron-guard exec nightly -- agent-state exec deployer -- my-agent");
    wait_for("the agent to start", || pid_in(&home.read("agent.pid")));
    kill_process(Pid::from_child(&chain), Signal::TERM).expect("it is ours");
    assert_eq!(chain.wait().expect("it ends").code(), Some(9));
    assert_eq!(home.read("told"), "told\n");
    let run = home.rows("agent-state run list --job nightly --json")[0].clone();
    assert_ne!(run["status"], "running", "{run}");
}
