//! What each command costs on a server, as a ratio to a bare client that puts the same statements to it.
//!
//! `cargo xtask bench postgres` starts a server that waits for its disk, as a user's does, and names it in
//! `AGENT_PLUMBING_TEST_POSTGRES`. Without that variable nothing is measured.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a benchmark that cannot measure has nothing better to do"
)]

mod bare;

use bare::{Case, Role, Step, queries, transaction};

/// How many processes start at once.
const CROWD: usize = 64;
/// How often they do.
const N_ROUNDS: usize = 5;

const AGENT: &str = "SELECT id, name, type, cron_job_id, metadata, created_at, last_seen_at, retired_at FROM agents WHERE name = 'a'";
const RUNNING: &str = "SELECT r.*, a.name FROM runs r LEFT JOIN agents a ON a.id = r.agent_id WHERE r.status = 'running' ORDER BY r.id";
/// A run that started, with its agent.
const LAST_RUN: &str = "SELECT r.*, a.name FROM runs r LEFT JOIN agents a ON a.id = r.agent_id WHERE r.id = (SELECT max(id) FROM runs)";
const EVENT: &str = "INSERT INTO events (at, kind, subject, agent_id, run_id, detail) VALUES (1, 'bench.floor', 'x', (SELECT id FROM agents), NULL, '{}')";
const LOCKS: &str = "SELECT l.*, a.name FROM locks l LEFT JOIN agents a ON a.id = l.agent_id";
const COUNTER: &str = "SELECT value FROM counters WHERE name = 'pruned_at'";
const STATE: &str = "SELECT key, version, value, run_id, written_at FROM state WHERE agent_id = (SELECT id FROM agents) AND key = 'k' ORDER BY version DESC LIMIT 1";

/// Runs that started are over before the next sample, as they are in a fleet.
const TIDY: &str =
    "UPDATE runs SET status = 'completed', finished_at = started_at WHERE status = 'running'";

const CASES: [Case; 7] = [
    Case {
        name: "state get",
        goal: "<= 1.5",
        args: |_| "state get a k".to_owned(),
        floor: |_| queries(&[AGENT, STATE]),
    },
    Case { name: "board", goal: "<= 1.5", args: |_| "board".to_owned(), floor: board },
    Case {
        name: "run start",
        goal: "<= 1.5",
        args: |_| "run start a --job j --id-only".to_owned(),
        floor: run_start,
    },
    Case {
        name: "state set --if-version",
        goal: "<= 1.5",
        args: |n| format!("state set a counter {n} --if-version {n}"),
        floor: state_set,
    },
    Case {
        name: "lock acquire",
        goal: "<= 1.5",
        args: |n| format!("lock acquire r{n} a"),
        floor: lock_acquire,
    },
    Case {
        name: "lock release",
        goal: "<= 1.5",
        args: |n| format!("lock release r{n} a"),
        floor: lock_release,
    },
    Case {
        name: "exec AGENT -- true",
        goal: "<= 1.5",
        args: |_| "exec a --job tick -- true".to_owned(),
        floor: exec,
    },
];

fn main() {
    let Role::Measure(bench) = bare::begin(env!("CARGO_BIN_EXE_agent-state"), &CASES) else {
        return;
    };
    bench.run("agent register a");
    bench.run("state set a k 1");
    // The day's prune is not what is measured.
    bench.run("run start a --id-only");
    for case in &CASES {
        bench.compare(case, TIDY);
    }
    if let Some(run_start) = CASES.iter().find(|case| case.name == "run start") {
        bench.crowd(run_start, CROWD, N_ROUNDS, TIDY);
    }
}

fn board(_: usize) -> Vec<Step> {
    let entries = "SELECT c.*, a.name FROM coordination c JOIN agents a ON a.id = c.agent_id WHERE";
    queries(&[
        RUNNING,
        "SELECT r.*, a.name FROM runs r LEFT JOIN agents a ON a.id = r.agent_id WHERE r.status = 'failed' ORDER BY r.id DESC",
        "SELECT r.*, a.name FROM runs r LEFT JOIN agents a ON a.id = r.agent_id WHERE r.status IN ('interrupted', 'running') ORDER BY r.id DESC",
        &format!("{LOCKS} WHERE l.expires_at > 1 ORDER BY l.resource, l.token"),
        "SELECT w.*, a.name FROM lock_waiters w LEFT JOIN agents a ON a.id = w.agent_id ORDER BY w.ticket, w.resource",
        &format!("{entries} c.expires_at IS NOT NULL AND c.ended_at IS NULL AND c.expires_at > 1"),
        &format!(
            "{entries} c.action = 'blocked_by' AND c.posted_at >= 1 AND NOT EXISTS
             (SELECT 1 FROM coordination d WHERE d.agent_id = c.agent_id AND d.resource = c.resource AND d.id > c.id)"
        ),
        "SELECT x.*, a.name FROM actions x LEFT JOIN agents a ON a.id = x.agent_id
          WHERE x.state IN ('unknown', 'intended') ORDER BY x.begun_at DESC, x.key",
        "SELECT n.*, v.error FROM task_nodes n LEFT JOIN task_values v ON v.node = n.seq
                LEFT JOIN task_nodes b ON b.seq = n.blocked_by WHERE n.state = 'running'",
        "SELECT t.*, x.goal FROM tasks t LEFT JOIN task_texts x ON x.task_id = t.id WHERE t.state = 'running' ORDER BY t.id DESC",
    ])
}

const MAX_RUN: &str = "SELECT max(id) FROM runs";
const START: &str = "INSERT INTO runs (id, agent_id, job, status, started_at, heartbeat_at, lease_ms, lease_until)
    VALUES (lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0') || gen_random_uuid(),
            (SELECT id FROM agents), 'j', 'running', 1, 1, 86400000, 9223372036854775807)";
const SEEN: &str = "UPDATE agents SET last_seen_at = last_seen_at + 1 WHERE name = 'a'";

fn run_start(_: usize) -> Vec<Step> {
    transaction(true, &[AGENT, RUNNING, MAX_RUN, START, SEEN, EVENT, LAST_RUN, COUNTER])
}

fn exec(_: usize) -> Vec<Step> {
    let mut steps = transaction(true, &[RUNNING, AGENT, MAX_RUN, START, SEEN, EVENT, LAST_RUN]);
    steps.push(Step::Program);
    let finish = "UPDATE runs SET status = 'completed', finished_at = 1, exit_code = 0
        WHERE id = (SELECT max(id) FROM runs) RETURNING agent_id";
    steps.extend(transaction(false, &[finish, SEEN, EVENT, COUNTER]));
    steps
}

fn state_set(n: usize) -> Vec<Step> {
    transaction(
        false,
        &[
            AGENT,
            STATE,
            &format!(
                "INSERT INTO state (agent_id, key, version, value, written_at)
                 VALUES ((SELECT id FROM agents), 'floor', {n}, '1', 1)"
            ),
            &format!(
                "DELETE FROM state WHERE agent_id = (SELECT id FROM agents) AND key = 'floor' AND version <= {n} - 20"
            ),
            EVENT,
        ],
    )
}

fn lock_acquire(n: usize) -> Vec<Step> {
    let mut steps = queries(&[AGENT]);
    steps.extend(transaction(
        false,
        &[
            &format!("{LOCKS} WHERE l.expires_at <= 1 ORDER BY l.resource, l.token"),
            &format!("{LOCKS} WHERE l.resource = 'floor{n}' ORDER BY l.resource, l.token"),
            &format!("SELECT * FROM lock_waiters WHERE resource = 'floor{n}' AND ticket < 9223372036854775807"),
            "SELECT value FROM counters WHERE name = 'lock_token'",
            "INSERT INTO counters (name, value) VALUES ('floor_token', 1) ON CONFLICT (name) DO UPDATE SET value = counters.value + 1",
            "SELECT name FROM agents WHERE id = (SELECT id FROM agents)",
            &format!(
                "INSERT INTO locks (id, resource, token, shared, is_path, agent_id, acquired_at, ttl_ms, expires_at)
                 VALUES ('floor{n}', 'floor{n}', {n}, 0, 0, (SELECT id FROM agents), 1, 1, 9223372036854775807)"
            ),
            EVENT,
        ],
    ));
    steps
}

fn lock_release(n: usize) -> Vec<Step> {
    transaction(
        false,
        &[
            AGENT,
            &format!("{LOCKS} WHERE l.resource = 'floor{n}' ORDER BY l.resource, l.token"),
            &format!("DELETE FROM locks WHERE id = 'floor{n}'"),
            EVENT,
        ],
    )
}
