//! What the gate costs on a server, as a ratio to a bare client that puts the same statements to it.
//!
//! `cargo xtask bench postgres` starts a server that waits for its disk, as a user's does, and names it in
//! `AGENT_PLUMBING_TEST_POSTGRES`. Without that variable nothing is measured.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a benchmark that cannot measure has nothing better to do"
)]

#[path = "../../agent-state/benches/bare/mod.rs"]
mod bare;

use bare::{Case, Role, Step, queries, transaction};

/// How many processes start at once.
const CROWD: usize = 64;
/// How often they do.
const N_ROUNDS: usize = 5;

const JOB: &str = "SELECT * FROM guard_jobs WHERE job = 'j'";
const LAST_RUN: &str = "SELECT r.*, a.name FROM runs r LEFT JOIN agents a ON a.id = r.agent_id WHERE r.id = (SELECT max(id) FROM runs)";
const NEWER_RUNS: &str = "SELECT r.*, a.name FROM runs r LEFT JOIN agents a ON a.id = r.agent_id
      WHERE r.job = 'j' AND r.id > (SELECT max(id) FROM runs) ORDER BY r.id DESC LIMIT 500";
const EVENT: &str =
    "INSERT INTO events (at, kind, subject, detail) VALUES (1, 'bench.floor', 'x', '{}')";
const SAVED: &str = "ON CONFLICT (job) DO UPDATE SET
        state = excluded.state, epoch = excluded.epoch, streak = excluded.streak,
        successes = excluded.successes, trips = excluded.trips, manual = excluded.manual,
        last_run = excluded.last_run, watermark = excluded.watermark, pending = excluded.pending";

const CASES: [Case; 2] = [
    Case {
        name: "check",
        goal: "<= 1.5",
        args: |_| "check j".to_owned(),
        floor: |_| {
            queries(&["SELECT state = 'closed' AND pending = '[]'
                AND watermark >= coalesce((SELECT max(id) FROM runs WHERE job = 'j'), '')
                AND NOT EXISTS (SELECT 1 FROM guard_holds)
                AND NOT EXISTS (SELECT 1 FROM guard_deliveries WHERE due_at IS NOT NULL AND due_at <= 1)
               FROM guard_jobs WHERE job = 'j'"])
        },
    },
    Case {
        name: "exec JOB -- true",
        goal: "<= 1.5",
        args: |n| format!("exec j{n} -- true"),
        floor: exec,
    },
];

fn main() {
    let Role::Measure(bench) = bare::begin(env!("CARGO_BIN_EXE_cron-guard"), &CASES) else {
        return;
    };
    // Each process is another job's, as in a crontab.
    for n in 0..CROWD {
        bench.run(&format!("exec j{n} -- true"));
    }
    bench.run("exec j -- true");
    bench.run("check j");
    let [check, exec] = &CASES;
    bench.compare(check, "");
    bench.compare(exec, "");
    bench.crowd(check, CROWD, N_ROUNDS, "");
    bench.crowd(exec, CROWD, N_ROUNDS, "");
}

/// The runs are of no job of the product's, so that they are no news to the gate.
fn exec(n: usize) -> Vec<Step> {
    let job = format!("floor{n}");
    let save = format!(
        "INSERT INTO guard_jobs
         SELECT (jsonb_populate_record(g, jsonb_build_object('job', '{job}'))).* FROM guard_jobs g WHERE job = 'j' {SAVED}"
    );
    let mut steps = transaction(
        true,
        &[
            JOB,
            LAST_RUN,
            NEWER_RUNS,
            "SELECT scope, reason, actor, attended FROM guard_holds ORDER BY at, scope",
            "SELECT max(id) FROM runs",
            &format!(
                "INSERT INTO runs (id, job, status, started_at, heartbeat_at, lease_ms, lease_until)
             VALUES (lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0') || gen_random_uuid(),
                     '{job}', 'running', 1, 1, 1, 1)"
            ),
            EVENT,
            &save,
        ],
    );
    steps.push(Step::Program);
    steps.extend(transaction(
        false,
        &[
            &format!(
                "UPDATE runs SET status = 'completed', finished_at = 1, exit_code = 0
                  WHERE job = '{job}' AND status = 'running' RETURNING agent_id"
            ),
            EVENT,
            JOB,
            LAST_RUN,
            LAST_RUN,
            NEWER_RUNS,
            &save,
            "SELECT min(due_at) FROM guard_deliveries WHERE due_at IS NOT NULL",
        ],
    ));
    steps
}
