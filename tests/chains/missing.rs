//! What goes wrong before the agent starts: it is not started, the code says so, and the guard counts it.

use crate::sandbox;

const AGENT: &str = "#!/bin/sh\ntouch started\n";

#[test]
fn a_credential_that_is_not_there_stops_the_agent_from_starting_and_trips_the_guard() {
    let home = sandbox();
    home.vault();
    home.program("my-agent", AGENT);
    let line = "cron-guard exec nightly -- agent-state exec deployer -- credential-proxy exec --env A=absent.example --env B=gone.example -- my-agent";
    for _ in 0..3 {
        let seen = home.expect(125, line);
        assert!(
            seen.stderr.contains("absent.example") && seen.stderr.contains("gone.example"),
            "{seen:?}"
        );
    }
    home.expect(75, line);
    assert!(!home.home().join("started").exists());
}

#[test]
fn a_tree_that_is_not_there_stops_the_agent_from_starting() {
    let home = sandbox();
    home.program("my-agent", AGENT);
    let seen = home.expect(125, "cron-guard exec nightly -- agent-state exec deployer -- context-pack exec ~/nowhere -- my-agent");
    assert!(seen.stderr.contains("nowhere"), "{seen:?}");
    assert!(!home.home().join("started").exists());
}

#[test]
fn a_command_that_is_not_there_is_127_and_one_that_cannot_run_is_126() {
    let home = sandbox();
    home.write("bin/plain", "no program\n");
    for (code, command) in [(127, "no-such-agent"), (126, "~/bin/plain")] {
        let seen = home.expect(
            code,
            &format!("cron-guard exec j{code} -- agent-state exec deployer -- {command}"),
        );
        assert_eq!(
            seen.stderr.lines().filter(|line| !line.starts_with("  hint: ")).count(),
            1,
            "{seen:?}"
        );
    }
}

#[test]
fn a_lock_that_is_held_stops_the_agent_from_starting() {
    let home = sandbox();
    home.program("my-agent", AGENT);
    home.expect(0, "agent-state agent register reviewer && agent-state lock acquire site reviewer");
    let seen = home.expect(1, "agent-state exec deployer --lock site -- my-agent");
    assert!(seen.stderr.contains("reviewer"), "{seen:?}");
    assert!(!home.home().join("started").exists());
}
