//! Three hosts and one server: one host is cut off for longer than its leases.

use std::path::PathBuf;

use e2e::network::Network;
use e2e::postgres::{self, Cluster};
use e2e::wait_for;

use crate::binaries;

/// A server on the hub of a network, and three hosts whose fleet database it has.
pub(super) fn fleet() -> Option<(Network, Cluster)> {
    let programs = postgres::programs()?;
    let mut network = Network::new()?;
    let mut server = Cluster::make(&programs, &std::env::temp_dir()).expect("data of a server");
    server.listen_on("0.0.0.0");
    server.move_to_network_of(network.process());
    server.admit("local all all trust\nhost all all 10.77.0.0/24 trust\n").expect("rules");
    server.resume().expect("a server starts");
    server.sql("postgres", "CREATE DATABASE fleet").expect("a database");
    let url = format!("postgres://fleet@{}:{}/fleet", network.address(), server.port());
    for name in ["anton", "berta", "caesar"] {
        network.add(binaries(), name, &[("AGENT_STATE_DB", &url)]);
    }
    Some((network, server))
}

const ANTON: usize = 0;
const BERTA: usize = 1;
const CAESAR: usize = 2;

/// Works until it is told to end, or until there is a file `go`; says so in files.
const WORK: &str = "sh -c 'trap \"echo told > ended; exit 3\" TERM; echo $AGENT_STATE_LOCK_TOKEN_1 > token; \
                    while [ ! -e go ]; do sleep 0.05; done; echo done > ended'";

#[test]
fn the_locks_of_a_host_that_is_cut_off_pass_on_and_its_late_writes_are_fenced_off() {
    let Some((network, _server)) = fleet() else { return };
    let [anton, berta, caesar] = [ANTON, BERTA, CAESAR].map(|number| network.host(number));
    let token = |host: &e2e::network::Host| {
        wait_for("a token", || {
            Some(host.home().read("token").trim().to_owned()).filter(|text| !text.is_empty())
        })
    };

    // Anton works under a lock, and everybody sees whose it is.
    let mut work =
        anton.start(&format!("agent-state exec worker-a --lock site --ttl 4s -- {WORK}"));
    let first = token(anton);
    let seen = berta.expect(
        1,
        "agent-state agent register worker-b >/dev/null; agent-state lock acquire site worker-b",
    );
    assert!(seen.stderr.contains("worker-a"), "{seen:?}");
    // A state that Anton read, to be written back too late.
    anton.expect(0, "agent-state state set worker-a plan one");

    let mut heir =
        berta.start(&format!("agent-state exec worker-b --lock site --ttl 1m --wait 2m -- {WORK}"));
    network.cut_off(ANTON);
    let second = token(berta);
    assert!(
        first.parse::<i64>().unwrap() < second.parse::<i64>().unwrap(),
        "the token grows: {first} then {second}"
    );

    // Anton's command is ended although nobody can tell it, and what it writes meanwhile says "later".
    wait_for("the command to be ended", || (anton.home().read("ended") == "told\n").then_some(()));
    let late = anton.expect(4, "agent-state --busy-timeout 1s state set worker-a plan two");
    assert!(
        late.stderr.contains("cannot connect to the database postgres://fleet@10.77.0.1:"),
        "{late:?}"
    );
    assert_eq!(berta.home().read("ended"), "", "its successor works on");

    // Back on the network, the old token opens nothing, and the old holder frees nothing.
    network.rejoin(ANTON);
    let end = wait_for("the end of exec", || work.try_wait().expect("a child"));
    assert_eq!(end.code(), Some(3), "{}", anton.home().read("stderr"));
    anton.expect(1, &format!("agent-state lock verify site --token {first}"));
    anton.expect(1, &format!("agent-state lock renew site worker-a --token {first}"));
    anton.expect(1, &format!("agent-state lock release site worker-a --token {first}"));
    caesar.expect(0, &format!("agent-state lock verify site --token {second}"));
    let runs = caesar.expect(0, "agent-state run list --agent worker-a --json");
    assert!(runs.stdout.contains("lock lost"), "{runs:?}");
    anton.expect(0, "agent-state state set worker-a plan three --if-version 1");
    let seen = caesar.expect(0, "agent-state state get worker-a plan --raw");
    assert_eq!(seen.stdout.trim(), "three");

    berta.home().write("go", "");
    assert!(heir.wait().expect("the heir ends").success(), "{}", berta.home().read("stderr"));
    anton.expect(0, "agent-state lock acquire site worker-a");
}

#[test]
fn a_host_that_is_cut_off_for_a_moment_keeps_its_lock() {
    let Some((network, _server)) = fleet() else { return };
    let anton = network.host(ANTON);
    let mut work =
        anton.start(&format!("agent-state exec worker-a --lock site --ttl 1m -- {WORK}"));
    wait_for("a token", || (!anton.home().read("token").is_empty()).then_some(()));
    network.cut_off(ANTON);
    // Long enough that it looks at its lock in vain: a command of its own finds nobody.
    anton.expect(4, "agent-state --busy-timeout 2s lock list");
    network.rejoin(ANTON);
    wait_for("the network", || (anton.run("agent-state lock list").code == 0).then_some(()));
    network.host(BERTA).expect(
        1,
        "agent-state agent register worker-b >/dev/null; agent-state lock acquire site worker-b",
    );
    anton.home().write("go", "");
    assert!(work.wait().expect("the command ends").success(), "{}", anton.home().read("stderr"));
    let runs = network.host(CAESAR).expect(0, "agent-state run list --json");
    assert!(runs.stdout.contains("\"completed\""), "{runs:?}");
}

#[test]
fn a_process_is_judged_on_its_own_host_only() {
    let Some((network, _server)) = fleet() else { return };
    let [anton, berta] = [ANTON, BERTA].map(|number| network.host(number));
    let mut work = anton.start("agent-state exec worker-a --lock site --ttl 1m -- sleep 60");
    wait_for("the lock", || (berta.run("agent-state lock check site").code == 0).then_some(()));
    // Berta has no such process, and does not take that for the death of Anton's.
    let runs = berta.expect(0, "agent-state run list --json");
    assert!(runs.stdout.contains("\"running\""), "{runs:?}");
    // SIGKILL of everything on Anton, and Anton itself finds out at once.
    anton.run("pkill -KILL -x agent-state");
    let _ = work.wait();
    let runs = anton.expect(0, "agent-state run reap >/dev/null; agent-state run list --json");
    assert!(runs.stdout.contains("\"interrupted\""), "{runs:?}");
}

#[test]
fn a_wrong_clock_neither_steals_a_lock_nor_keeps_one() {
    let Some((network, _server)) = fleet() else { return };
    let Some(library) = faketime() else { return };
    let [anton, berta] = [ANTON, BERTA].map(|number| network.host(number));
    let wrong =
        |by: &str, line: &str| format!("LD_PRELOAD={} FAKETIME={by} {line}", library.display());
    anton.expect(0, "agent-state agent register worker-a");
    berta.expect(0, "agent-state agent register worker-b");
    anton.expect(0, "agent-state lock acquire site worker-a --ttl 10m");
    berta.expect(1, &wrong("+2h", "agent-state lock acquire site worker-b"));
    berta.expect(0, &wrong("+2h", "agent-state lock check site"));
    // One whose clock is behind holds for as long as it said, and no longer.
    berta.expect(0, &wrong("-2h", "agent-state lock acquire other worker-b --ttl 1s"));
    wait_for("the lock to pass on", || {
        (anton.run("agent-state lock acquire other worker-a").code == 0).then_some(())
    });
}

fn faketime() -> Option<PathBuf> {
    let path = format!("/usr/lib/{}-linux-gnu/faketime/libfaketime.so.1", std::env::consts::ARCH);
    e2e::have(&[&path]).then(|| path.into())
}
