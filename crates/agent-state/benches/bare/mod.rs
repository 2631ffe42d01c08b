//! The bare client beside which the commands on a server are measured, and how processes are timed.
//!
//! It is a process of the bench's own program: it connects with the same library, without TLS, settings or a
//! parser of arguments, and puts the statements of one command to the server one after the other, in the same
//! transactions. What a command adds to them, as its look at the version of the tables, it leaves out.

use std::process::{Command, Stdio};
use std::sync::Barrier;
use std::time::{Duration, Instant};

use common::postgres::scratch::{Scratch, VARIABLE};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_postgres::config::Host;
use tokio_postgres::{Client, Config, NoTls};

/// The first word of the arguments of a bare client.
const FLOOR: &str = "floor";
/// How often a command is measured, in turn with its floor.
const N_SAMPLES: usize = 60;

/// What a bare client does next.
pub(crate) enum Step {
    /// Several statements in one go.
    Batch(String),
    /// One statement, with the types of its columns.
    Query(String),
    /// The program that a gate starts.
    Program,
}

/// One command and its floor, in the n-th sample.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) goal: &'static str,
    pub(crate) args: fn(usize) -> String,
    pub(crate) floor: fn(usize) -> Vec<Step>,
}

/// A transaction of a command that writes; `is_relaxed` where it does not wait for the server's disk.
pub(crate) fn transaction(is_relaxed: bool, statements: &[&str]) -> Vec<Step> {
    let relaxed = if is_relaxed { "SET LOCAL synchronous_commit = off;" } else { "" };
    let begin = format!("BEGIN; {relaxed} SELECT pg_advisory_xact_lock(1095193428, 1)");
    let mut steps = vec![Step::Batch(begin)];
    steps.extend(queries(statements));
    steps.push(Step::Batch("COMMIT".to_owned()));
    steps
}

pub(crate) fn queries(statements: &[&str]) -> Vec<Step> {
    statements.iter().map(|statement| Step::Query((*statement).to_owned())).collect()
}

/// What the bench was started for.
pub(crate) enum Role {
    /// To be the floor; it has been.
    Floor,
    /// To measure on a database of its own.
    Measure(Bench),
    /// There is no server to measure on.
    Nothing,
}

/// A database and the program that is measured on it.
pub(crate) struct Bench {
    product: &'static str,
    database: Scratch,
}

/// Finds out what this process is for.
#[expect(clippy::print_stderr, reason = "a bench that measures nothing says why")]
pub(crate) fn begin(product: &'static str, cases: &[Case]) -> Role {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [word, url, name, n] = args.as_slice()
        && word == FLOOR
    {
        let case = cases.iter().find(|case| case.name == name).unwrap();
        replay(url, &(case.floor)(n.parse().unwrap()));
        return Role::Floor;
    }
    if let Some(database) = Scratch::from_environment() {
        return Role::Measure(Bench { product, database });
    }
    eprintln!("passed over: {VARIABLE} names no server (cargo xtask bench postgres starts one)");
    Role::Nothing
}

fn replay(url: &str, steps: &[Step]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    runtime.block_on(async {
        let client = connect(url).await;
        for step in steps {
            match step {
                Step::Batch(statements) => drop(client.simple_query(statements).await.unwrap()),
                Step::Query(statement) => drop(client.query_typed(statement, &[]).await.unwrap()),
                Step::Program => drop(Command::new("true").stdin(Stdio::null()).status().unwrap()),
            }
        }
    });
}

async fn connect(url: &str) -> Client {
    let config: Config = url.parse().unwrap();
    let Some(Host::Tcp(host)) = config.get_hosts().first() else { panic!("{url} names no host") };
    let stream = TcpStream::connect((host.as_str(), config.get_ports()[0])).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (client, connection) = config.connect_raw(stream, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

impl Bench {
    /// Runs a command of the product, as `state get a k`, to its end.
    pub(crate) fn run(&self, line: &str) {
        time(self.product(line));
    }

    /// Does something on the server that is not measured.
    pub(crate) fn sql(&self, statements: &str) {
        replay(&self.database.url(), &[Step::Batch(statements.to_owned())]);
    }

    fn product(&self, line: &str) -> Command {
        let mut command = Command::new(self.product);
        command.args(line.split(' '));
        self.surround(&mut command);
        command
    }

    fn floor(&self, case: &Case, n: usize) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([FLOOR, &self.database.url(), case.name, &n.to_string()]);
        self.surround(&mut command);
        command
    }

    fn surround(&self, command: &mut Command) {
        // An own home, so that nothing of the user's is read or written.
        let home = std::env::temp_dir().join(format!("bench-postgres-{}", std::process::id()));
        command
            .env_clear()
            .env("HOME", home)
            .env("PATH", "/usr/bin:/bin")
            .env("AGENT_STATE_DB", self.database.url())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
    }

    /// Measures a command in turn with its floor; `tidy` is done on the server before each.
    pub(crate) fn compare(&self, case: &Case, tidy: &str) {
        let (mut own, mut base) = (Vec::new(), Vec::new());
        for n in 0..N_SAMPLES {
            self.sql(tidy);
            base.push(time(self.floor(case, n)));
            self.sql(tidy);
            own.push(time(self.product(&(case.args)(n))));
        }
        row(case.name, quantile(&mut base, 0.5), quantile(&mut own, 0.5), case.goal);
    }

    /// Measures a crowd of processes that start at once: until half of them, nearly all and the last one are
    /// through, the median of the rounds.
    pub(crate) fn crowd(&self, case: &Case, n_at_once: usize, n_rounds: usize, tidy: &str) {
        let measure = |command: &(dyn Fn(usize) -> Command + Sync)| {
            let (mut all, mut last) = (Vec::new(), Vec::new());
            for _ in 0..n_rounds {
                self.sql(tidy);
                let times = at_once(n_at_once, command);
                last.extend(times.iter().max());
                all.extend(times);
            }
            [quantile(&mut all, 0.5), quantile(&mut all, 0.99), quantile(&mut last, 0.5)]
        };
        let base = measure(&|n| self.floor(case, n));
        let own = measure(&|n| self.product(&(case.args)(n)));
        for (n, what) in ["p50", "p99", "the last one"].into_iter().enumerate() {
            row(&format!("{}, {n_at_once} at once, {what}", case.name), base[n], own[n], "");
        }
    }
}

/// How long each of so many processes took since all were asked to start.
fn at_once(n_processes: usize, command: &(dyn Fn(usize) -> Command + Sync)) -> Vec<Duration> {
    let start = &Barrier::new(n_processes);
    std::thread::scope(|scope| {
        let waiting: Vec<_> = (0..n_processes)
            .map(|n| {
                scope.spawn(move || {
                    let command = command(n);
                    start.wait();
                    time(command)
                })
            })
            .collect();
        waiting.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

fn time(mut command: Command) -> Duration {
    let started = Instant::now();
    let status = command.status().unwrap();
    let elapsed = started.elapsed();
    assert!(status.success(), "{command:?}: {status}");
    elapsed
}

/// A quantile of the times, in milliseconds.
fn quantile(times: &mut [Duration], share: f64) -> f64 {
    times.sort_unstable();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a few hundred times"
    )]
    let at = (times.len() as f64 * share) as usize;
    times[at.min(times.len() - 1)].as_secs_f64() * 1000.0
}

/// One measurement, as a line of JSON: `cargo xtask bench` makes tables of them.
#[expect(clippy::print_stdout, reason = "a bench talks to the program that started it")]
fn row(name: &str, floor: f64, product: f64, goal: &str) {
    let round = |value: f64| (value * 100.0).round() / 100.0;
    println!(
        "{}",
        json!({ "name": name, "unit": "ms", "floor": round(floor), "product": round(product), "goal": goal })
    );
}
