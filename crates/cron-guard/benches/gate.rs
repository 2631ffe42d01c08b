//! What the gate costs, as ratios to a floor that is measured in the same run, in turn with it.
//!
//! The floor is this very program, started again: it opens the same database with the same settings
//! through bare rusqlite and reads one row, or writes two transactions around one spawn. Nothing is
//! asserted; a shared machine is no judge. Each line that is printed is a JSON object.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use serde_json::json;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Rounds of each measurement.
const ROUNDS: usize = 150;
/// Jobs of the fleet.
const JOBS: u32 = 1000;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    match args.next().as_deref() {
        Some("floor-read") => floor_read(&args.next().unwrap_or_default()),
        Some("floor-exec") => floor_exec(&args.next().unwrap_or_default()),
        Some("stamp") => {
            stamp();
            Ok(())
        }
        _ => measure(),
    }
}

/// The command of a gated job: says when it started.
#[expect(clippy::print_stdout, reason = "it is the command of a job")]
fn stamp() {
    println!("{}", monotonic_millis());
}

fn monotonic_millis() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
        .as_secs_f64()
        * 1000.0
}

/// Opens as the product opens, and no more.
fn open(path: &str) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.execute_batch("PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=128;")?;
    Ok(connection)
}

fn floor_read(path: &str) -> Result<()> {
    let state: String =
        open(path)?.query_row("SELECT state FROM guard_jobs WHERE job = 'job-500'", [], |row| {
            row.get(0)
        })?;
    black_box(state);
    Ok(())
}

fn floor_exec(path: &str) -> Result<()> {
    let mut connection = open(path)?;
    write(&mut connection)?;
    Command::new("true").stdin(Stdio::null()).status()?;
    write(&mut connection)
}

fn write(connection: &mut Connection) -> Result<()> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    tx.execute(
        "INSERT INTO guard_facts (name, value, at) VALUES ('floor', 'x', 1)
         ON CONFLICT (name) DO UPDATE SET at = at + 1",
        [],
    )?;
    tx.commit()?;
    Ok(())
}

/// A home with a fleet in it.
struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    fn new(n_runs: u32) -> Result<Self> {
        let home = Self { folder: tempfile::tempdir()? };
        // The first sweep makes the database; the second takes the seeded runs in.
        home.guard(&[]).status()?;
        seed(&Connection::open(home.database())?, n_runs)?;
        home.guard(&[]).status()?;
        home.guard(&["exec", "job-500", "--", "true"]).status()?;
        Ok(home)
    }

    fn database(&self) -> PathBuf {
        self.folder.path().join(".local/state/agent-state/state.db")
    }

    fn guard(&self, args: &[&str]) -> Command {
        self.program(Path::new(env!("CARGO_BIN_EXE_cron-guard")), args)
    }

    fn floor(&self, kind: &str) -> Result<Command> {
        let database = self.database().display().to_string();
        Ok(self.program(&std::env::current_exe()?, &[kind, &database]))
    }

    fn program(&self, program: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(args)
            .env_clear()
            .env("HOME", self.folder.path())
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }
}

/// Finished runs of a thousand jobs, spread over the last days.
fn seed(connection: &Connection, n_runs: u32) -> Result<()> {
    connection.execute_batch(&format!(
        "PRAGMA synchronous=OFF;
         INSERT INTO runs (id, job, status, started_at, finished_at, heartbeat_at, lease_ms, lease_until, exit_code)
         WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {n_runs})
         SELECT printf('0190%04x-%04x-7000-8000-%012x', i / 65536, i % 65536, i), 'job-' || (i % {JOBS}), 'completed',
                1700000000000 + i * 500, 1700000000000 + i * 500 + 400, 1700000000000 + i * 500, 1, 1, 0 FROM n;
         PRAGMA wal_checkpoint(TRUNCATE);"
    ))?;
    Ok(())
}

fn time(command: &mut Command) -> Result<Duration> {
    let started = Instant::now();
    command.status()?;
    Ok(started.elapsed())
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times.get(times.len() / 2).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
}

/// Medians of the floor and of the product, taken in turn.
fn compare(home: &Home, floor: &str, product: &[&str]) -> Result<(f64, f64)> {
    let mut floors = Vec::new();
    let mut products = Vec::new();
    for round in 0..ROUNDS + 10 {
        let floor = time(&mut home.floor(floor)?)?;
        let product = time(&mut home.guard(product))?;
        // The first rounds warm the caches.
        if round >= 10 {
            floors.push(floor);
            products.push(product);
        }
    }
    Ok((median(&mut floors), median(&mut products)))
}

/// Processor time of a command in milliseconds, over so many rounds that the clock's tick disappears.
fn processor_time(home: &Home, args: &[&str]) -> Result<f64> {
    const TIMES: u32 = 20;
    let before = children_ticks()?;
    for _ in 0..TIMES {
        home.guard(args).status()?;
    }
    let ticks = children_ticks()?.saturating_sub(before);
    Ok(f64::from(u32::try_from(ticks)?) * 10.0 / f64::from(TIMES))
}

/// User and system time of the children that ended, in ticks of 10 ms.
fn children_ticks() -> Result<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> =
        stat.rsplit_once(") ").map(|(_, fields)| fields.split(' ').collect()).unwrap_or_default();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    Ok(ticks(13) + ticks(14))
}

/// Two hundred jobs in one minute.
struct Burst {
    /// When the last gate had decided and its command had started.
    decided: f64,
    /// When the last one was over and recorded.
    over: f64,
    n_refused: usize,
}

fn burst(home: &Home) -> Result<Burst> {
    let this = std::env::current_exe()?.display().to_string();
    let started = monotonic_millis();
    let names: Vec<String> = (0..200).map(|n| format!("job-{n}")).collect();
    let children: Vec<_> = names
        .iter()
        .map(|name| {
            let mut guard = home.guard(&["exec", name, "--", &this, "stamp"]);
            guard.stdout(Stdio::piped()).spawn()
        })
        .collect::<std::io::Result<_>>()?;
    let mut burst = Burst { decided: 0.0, over: 0.0, n_refused: 0 };
    for child in children {
        let output = child.wait_with_output()?;
        burst.n_refused += usize::from(!output.status.success());
        let stamp: f64 = String::from_utf8(output.stdout)?.trim().parse().unwrap_or(started);
        burst.decided = burst.decided.max(stamp - started);
    }
    burst.over = monotonic_millis() - started;
    Ok(burst)
}

fn measure() -> Result<()> {
    let mut by_size = Vec::new();
    for n_runs in [100, 1_000_000] {
        let home = Home::new(n_runs)?;
        let (floor, check) = compare(&home, "floor-read", &["check", "job-500"])?;
        row(&format!("check, {n_runs} runs"), "ms", Some(floor), check, "<= 1.3");
        let exec = ["exec", "job-500", "--", "true"];
        let (floor, exec) = compare(&home, "floor-exec", &exec)?;
        row(&format!("exec JOB -- true, {n_runs} runs"), "ms", Some(floor), exec, "<= 1.5");
        by_size.push((check, exec));
        if n_runs == 1_000_000 {
            for (what, args) in [("status", &["status"][..]), ("sweep", &[])] {
                let spent = processor_time(&home, args)?;
                row(&format!("{what} of 1000 jobs, processor time"), "ms", None, spent, "<= 100");
            }
            let burst = burst(&home)?;
            if burst.n_refused > 0 {
                return Err(format!("{} of 200 jobs were refused", burst.n_refused).into());
            }
            row("200 exec at once, the last command starts", "ms", None, burst.decided, "<= 1000");
            row("200 exec at once, the last is over", "ms", None, burst.over, "");
        }
    }
    if let [(check_few, exec_few), (check_many, exec_many)] = by_size[..] {
        row("check, 1000000 runs beside 100", "ms", Some(check_few), check_many, "<= 1.1");
        row("exec JOB -- true, 1000000 runs beside 100", "ms", Some(exec_few), exec_many, "<= 1.1");
    }
    Ok(())
}

/// One measurement, as a line of JSON: `cargo xtask bench` makes tables of them.
#[expect(clippy::print_stdout, reason = "a bench talks to the program that started it")]
fn row(name: &str, unit: &str, floor: Option<f64>, product: f64, goal: &str) {
    println!(
        "{}",
        json!({ "name": name, "unit": unit, "floor": floor, "product": product, "goal": goal })
    );
}
