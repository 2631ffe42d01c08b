//! Two agents and one lock: one works, the other waits or is told who holds it.

use e2e::wait_for;

use crate::sandbox;

#[test]
fn the_second_agent_is_told_the_holder_and_gets_the_lock_after_the_first() {
    let home = sandbox();
    home.expect(0, "agent-state agent register deployer && agent-state agent register reviewer");
    let mut first = home.start("agent-state exec deployer --lock site -- sh -c 'touch held; while [ ! -e go ]; do sleep 0.02; done; echo first >> order'");
    wait_for("the first agent to hold the lock", || {
        home.home().join("held").exists().then_some(())
    });

    let seen = home.expect(1, "agent-state lock acquire site reviewer");
    assert!(seen.stderr.contains("deployer"), "the refusal names the holder: {seen:?}");
    assert_eq!(seen.stderr.lines().count(), 1);
    let mut second = home
        .start("agent-state exec reviewer --lock site --wait 60s -- sh -c 'echo second >> order'");
    home.write("go", "");
    assert!(first.wait().expect("the first ends").success());
    assert!(second.wait().expect("the second ends").success());
    assert_eq!(home.read("order"), "first\nsecond\n");
    home.expect(1, "agent-state lock check site");
}
