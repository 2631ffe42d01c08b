//! What each command costs, as a ratio to a floor that is measured in the same breath.
//!
//! The floor is a process that opens the same database and does one INSERT transaction, or one SELECT for
//! commands that only read: this binary itself, started with a word. Run with
//! `cargo bench -p agent-state --bench fleet [-- --json --samples N --runs N]`.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot measure has nothing better to do")]
#![expect(clippy::print_stdout, reason = "the table is what a benchmark is for")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use serde_json::json;

const WRITE_FLOOR: &str = "floor-write";
const READ_FLOOR: &str = "floor-read";
/// How many processes write at once.
const CROWD: usize = 16;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.as_slice() {
        [word, db] if word == WRITE_FLOOR => write_floor(Path::new(db)),
        [word, db] if word == READ_FLOOR => read_floor(Path::new(db)),
        _ => measure(&args),
    }
}

fn open(db: &Path, flags: OpenFlags) -> Connection {
    let connection =
        Connection::open_with_flags(db, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).unwrap();
    connection.busy_timeout(Duration::from_secs(30)).unwrap();
    connection
}

fn write_floor(db: &Path) {
    let connection = open(db, OpenFlags::SQLITE_OPEN_READ_WRITE);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
    connection
        .execute_batch(
            "PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=128; BEGIN IMMEDIATE;
             INSERT INTO events (at, kind, subject) VALUES (1, 'bench.floor', 'x'); COMMIT;",
        )
        .unwrap();
}

fn read_floor(db: &Path) {
    let connection = open(db, OpenFlags::SQLITE_OPEN_READ_ONLY);
    let _: i64 = connection.query_row("SELECT max(id) FROM events", [], |row| row.get(0)).unwrap();
}

/// One thing to measure: its name, its floor, and its arguments in the n-th sample.
struct Case {
    name: &'static str,
    floor: &'static str,
    args: fn(usize) -> Vec<String>,
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(ToOwned::to_owned).collect()
}

const CASES: [Case; 12] = [
    Case { name: "state get", floor: READ_FLOOR, args: |_| words("state get a key-00001") },
    Case { name: "lock check", floor: READ_FLOOR, args: |_| words("lock check held") },
    Case { name: "run list", floor: READ_FLOOR, args: |_| words("run list --limit 20") },
    Case { name: "run list --since", floor: READ_FLOOR, args: |_| words("run list --since 1h") },
    Case { name: "stats", floor: READ_FLOOR, args: |_| words("stats") },
    Case { name: "board", floor: READ_FLOOR, args: |_| words("board") },
    Case { name: "events", floor: READ_FLOOR, args: |_| words("events --limit 20") },
    Case { name: "run start", floor: WRITE_FLOOR, args: |_| words("run start a --id-only") },
    Case {
        name: "state set --if-version",
        floor: WRITE_FLOOR,
        args: |n| words(&format!("state set a counter {n} --if-version {n}")),
    },
    Case {
        name: "lock acquire",
        floor: WRITE_FLOOR,
        args: |n| words(&format!("lock acquire r{n} a")),
    },
    Case {
        name: "lock release",
        floor: WRITE_FLOOR,
        args: |n| words(&format!("lock release r{n} a")),
    },
    Case {
        name: "action begin",
        floor: WRITE_FLOOR,
        args: |n| words(&format!("action begin k{n} --agent a --tier mutate")),
    },
];

fn tool(db: &Path, args: &[String]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_agent-state"));
    command.env_clear().env("AGENT_STATE_DB", db).args(args);
    command
}

fn floor(db: &Path, word: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env_clear().arg(word).arg(db);
    command
}

fn time(mut command: Command) -> Duration {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let started = Instant::now();
    let status = command.status().unwrap();
    let elapsed = started.elapsed();
    assert!(matches!(status.code(), Some(0 | 1)), "{command:?}: {status}");
    elapsed
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1000.0
}

fn number(args: &[String], flag: &str, default: usize) -> usize {
    let at = args.iter().position(|arg| arg == flag);
    at.and_then(|at| args.get(at + 1)).map_or(default, |value| value.parse().unwrap())
}

fn measure(args: &[String]) {
    let n_samples = number(args, "--samples", 60);
    let n_runs = number(args, "--runs", 1_000_000);
    let folder = tempfile::tempdir().unwrap();
    let mut empty_times: Vec<f64> = Vec::new();
    for history in [0, n_runs] {
        let db = prepare(folder.path(), history);
        for (n, case) in CASES.iter().enumerate() {
            let mut own = Vec::with_capacity(n_samples);
            let mut base = Vec::with_capacity(n_samples);
            // By turns, so that a busy neighbor slows both down.
            for sample in 0..n_samples {
                base.push(time(floor(&db, case.floor)));
                own.push(time(tool(&db, &(case.args)(sample))));
            }
            let (own, base) = (median(own), median(base));
            let name = format!("{}, {history} runs", case.name);
            row(&name, "ms", base, own, "<= 1.3");
            if history == 0 {
                empty_times.push(own);
            } else {
                let name = format!("{}, {history} runs beside none", case.name);
                row(&name, "ms", empty_times[n], own, "<= 1.2");
            }
        }
    }
    crowd(&prepare(&folder.path().join("crowd"), 0), n_samples.min(40));
}

/// One measurement, as a line of JSON: `cargo xtask bench` makes tables of them.
fn row(name: &str, unit: &str, floor: f64, product: f64, goal: &str) {
    println!(
        "{}",
        json!({ "name": name, "unit": unit, "floor": round(floor), "product": round(product), "goal": goal })
    );
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// A database with one agent, one held lock, and so many finished runs and events.
fn prepare(folder: &Path, n_runs: usize) -> PathBuf {
    std::fs::create_dir_all(folder).unwrap();
    let db = folder.join(format!("fleet-{n_runs}.db"));
    time(tool(&db, &words("agent register a")));
    time(tool(&db, &words("lock acquire held a --ttl 1d")));
    let connection = open(&db, OpenFlags::SQLITE_OPEN_READ_WRITE);
    connection.execute_batch("PRAGMA synchronous=OFF").unwrap();
    let n_keys = (n_runs / 10).max(10);
    let fill = format!(
        "BEGIN;
         CREATE TEMP TABLE n AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {n_runs}) SELECT i FROM n WHERE {n_runs} > 0;
         INSERT INTO runs (id, agent_id, job, status, started_at, finished_at, heartbeat_at, lease_ms, lease_until, exit_code)
             SELECT printf('01900000-0000-7000-8000-%012d', i), (SELECT id FROM agents), 'job-' || (i % 20), CASE WHEN i % 6 = 0 THEN 'failed' ELSE 'completed' END,
                    1700000000000 + i * 1000, 1700000000500 + i * 1000, 1700000000000 + i * 1000, 60000, 1700000060000, i % 6 = 0 FROM n;
         INSERT INTO events (at, kind, subject) SELECT 1700000000000 + i * 1000, 'run.finish', 'x' FROM n;
         INSERT INTO state (agent_id, key, version, value, written_at)
             WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < {n_keys})
             SELECT (SELECT id FROM agents), printf('key-%05d', i), 1, '42', 1700000000000 FROM k;
         COMMIT;
         PRAGMA wal_checkpoint(TRUNCATE);"
    );
    connection.execute_batch(&fill).unwrap();
    // The day's prune is not what is measured.
    time(tool(&db, &words("run start a --id-only")));
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    db
}

/// Many processes that write at once, against as many floors: throughput and the slowest of them.
fn crowd(db: &Path, n_each: usize) {
    let run = |command: &(dyn Fn(usize, usize) -> Command + Sync)| {
        let started = Instant::now();
        let times: Vec<Vec<Duration>> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..CROWD)
                .map(|worker| {
                    scope.spawn(move || (0..n_each).map(|n| time(command(worker, n))).collect())
                })
                .collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).collect()
        });
        let elapsed = started.elapsed().as_secs_f64();
        let totals: Vec<Duration> = times.iter().map(|times| times.iter().sum()).collect();
        let slowest = totals.iter().max().unwrap().as_secs_f64() * 1000.0;
        let writes = f64::from(u32::try_from(CROWD * n_each).unwrap());
        (writes / elapsed, slowest, median(totals))
    };
    let (floor_rate, ..) = run(&|_, _| floor(db, WRITE_FLOOR));
    let (own_rate, slowest, median) =
        run(&|worker, n| tool(db, &words(&format!("state set a w{worker} {n}"))));
    row(&format!("{CROWD} writers at once"), "/s", floor_rate, own_rate, ">= 0.7");
    row(&format!("the slowest of {CROWD} beside their median"), "ms", median, slowest, "<= 3");
}
