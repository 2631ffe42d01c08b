//! How fast nodes of a graph are given out, with one worker and with many, and among few and many.
//!
//! Each `next` and each `done` is a process of its own, as in a crontab. The floor is a process that opens the
//! same database and does one INSERT transaction: this binary itself, started with a word. Run with
//! `cargo bench -p agent-state --bench tasks [-- --json --pairs N --samples N --nodes N]`.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot measure has nothing better to do")]
#![expect(clippy::print_stdout, reason = "the table is what a benchmark is for")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

const FLOOR: &str = "floor-write";

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.as_slice() {
        [word, db] if word == FLOOR => floor(Path::new(db)),
        _ => measure(&args),
    }
}

fn floor(db: &Path) {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(db, flags).unwrap();
    connection.busy_timeout(Duration::from_secs(30)).unwrap();
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
    connection
        .execute_batch(
            "PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=128; BEGIN IMMEDIATE;
             INSERT INTO events (at, kind, subject) VALUES (1, 'bench.floor', 'x'); COMMIT;",
        )
        .unwrap();
}

fn tool(db: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_agent-state"));
    command.env_clear().env("AGENT_STATE_DB", db).args(["--busy-timeout", "60s"]).args(words);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

/// What the tool answers, as JSON; `None` for a "no".
fn ask(db: &Path, words: &[&str]) -> Option<Value> {
    let output = tool(db, words).arg("--json").output().unwrap();
    assert!(matches!(output.status.code(), Some(0 | 1)), "{words:?}: {output:?}");
    output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap_or(Value::Null))
}

/// A database with one agent and a task of so many nodes: every tenth comes after the nine before it.
fn prepare(folder: &Path, name: &str, n_nodes: usize, is_layered: bool) -> PathBuf {
    let db = folder.join(format!("{name}.db"));
    ask(&db, &["agent", "register", "a"]).unwrap();
    let node = |n: usize| {
        let after: Vec<String> = if is_layered && n % 10 == 9 {
            (n - 9..n).map(|above| format!("n{above}")).collect()
        } else {
            Vec::new()
        };
        json!({ "id": format!("n{n}"), "after": after, "payload": { "n": n } })
    };
    let nodes: Vec<Value> = (0..n_nodes).map(node).collect();
    let mut child =
        tool(&db, &["task", "submit", "-", "--name", "t"]).stdin(Stdio::piped()).spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(json!({ "nodes": nodes }).to_string().as_bytes())
        .unwrap();
    assert!(child.wait_with_output().unwrap().status.success());
    let connection = Connection::open(&db).unwrap();
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    db
}

fn measure(args: &[String]) {
    let n_pairs = number(args, "--pairs", 1000);
    let n_samples = number(args, "--samples", 200);
    let n_nodes = number(args, "--nodes", 100_000);
    let folder = tempfile::tempdir().unwrap();
    for n_workers in [1, 16, 64] {
        let db = prepare(folder.path(), &format!("workers-{n_workers}"), 10_000, true);
        let product = rate(n_workers, n_pairs, || pair(&db));
        let floor = rate(n_workers, n_pairs, || floor_pair(&db));
        row(&format!("next and done, {n_workers} workers"), "pairs/s", Some(floor), product, "");
    }
    let few = prepare(folder.path(), "few", 100, false);
    let started = Instant::now();
    let many = prepare(folder.path(), "many", n_nodes, false);
    let submit_ms = started.elapsed().as_secs_f64() * 1000.0;
    row(&format!("submit of {n_nodes} nodes"), "ms", None, submit_ms, "");
    let [few, many] = next_times([&few, &many], n_samples);
    row(&format!("next among {n_nodes} open nodes beside 100"), "ms", Some(few), many, "<= 1.5");
}

/// One measurement, as a line of JSON: `cargo xtask bench` makes tables of them.
fn row(name: &str, unit: &str, floor: Option<f64>, product: f64, goal: &str) {
    println!(
        "{}",
        json!({ "name": name, "unit": unit, "floor": floor.map(round), "product": round(product), "goal": goal })
    );
}

/// How often a second `work` is done, by so many threads that each wait for its processes.
fn rate(n_workers: usize, n_times: usize, work: impl Fn() + Sync) -> f64 {
    let left = AtomicUsize::new(n_times);
    let take = || {
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    };
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..n_workers {
            scope.spawn(|| {
                while take() {
                    work();
                }
            });
        }
    });
    f64::from(u32::try_from(n_times).unwrap()) / started.elapsed().as_secs_f64()
}

/// Takes a node and says that it is done.
fn pair(db: &Path) {
    let node = ask(db, &["task", "next", "a"]).expect("10,000 nodes are enough");
    let text = |key: &str| node[key].as_str().unwrap().to_owned();
    ask(db, &["task", "done", &text("node_id"), "--lease-id", &text("lease_id"), "--result", "1"])
        .unwrap();
}

fn floor_pair(db: &Path) {
    for _ in 0..2 {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env_clear().arg(FLOOR).arg(db).stdin(Stdio::null()).stdout(Stdio::piped());
        assert!(command.output().unwrap().status.success());
    }
}

/// The median time of `next` in each database, in turn; each node is given back, so that as many stay open.
fn next_times(dbs: [&Path; 2], n_samples: usize) -> [f64; 2] {
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..n_samples {
        for (db, times) in dbs.iter().zip(&mut times) {
            let mut next = tool(db, &["task", "next", "a", "--json"]);
            let started = Instant::now();
            let output = next.output().unwrap();
            times.push(started.elapsed());
            let node: Value = serde_json::from_slice(&output.stdout).unwrap();
            // Straight in the database: what comes back by the tool has used up one of its attempts.
            Connection::open(db)
                .unwrap()
                .execute(
                    "UPDATE task_nodes SET state = 'pending', attempts = 0, lease_id = NULL WHERE node_id = ?1",
                    [node["node_id"].as_str().unwrap()],
                )
                .unwrap();
        }
    }
    times.map(|mut times: Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64() * 1000.0
    })
}

fn number(args: &[String], flag: &str, default: usize) -> usize {
    let at = args.iter().position(|arg| arg == flag);
    at.and_then(|at| args.get(at + 1)).map_or(default, |value| value.parse().unwrap())
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
