//! What credential-proxy costs beside a floor that is measured in the same run.
//!
//! `cargo bench -p credential-proxy --bench proxy`, with `-- --json` for a document. The floors are this
//! program itself: an empty client, and an echo server with a thread per connection.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::format_push_string,
    reason = "a benchmark prints its figures, fails loudly, and writes its own fixtures"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const TOOL: &str = env!("CARGO_BIN_EXE_credential-proxy");
const REQUEST: &[u8] = b"{\"action\":\"get\",\"service\":\"site7.example\"}\n";

/// The design of the Python original: SQLite and Fernet for every request, one client at a time.
const PYTHON: &str = r#"
import json, os, socket, sqlite3, sys
try:
    from cryptography.fernet import Fernet
    fernet = Fernet(Fernet.generate_key()); seal, unseal = fernet.encrypt, fernet.decrypt
except ImportError:
    seal = unseal = lambda data: data
folder, n = sys.argv[1], int(sys.argv[2])
path = os.path.join(folder, "python.db")
def connect():
    c = sqlite3.connect(path); c.row_factory = sqlite3.Row
    c.execute("PRAGMA journal_mode=WAL"); c.execute("PRAGMA busy_timeout=5000"); return c
c = connect()
c.execute("CREATE TABLE credentials (id INTEGER PRIMARY KEY, service TEXT UNIQUE, url TEXT, username TEXT, password_encrypted TEXT, note TEXT, created_at TEXT, updated_at TEXT)")
c.executemany("INSERT INTO credentials (service, url, username, password_encrypted, note, created_at, updated_at) VALUES (?,'','me',?,'','','')",
    [(f"site{i}.example", seal(f"password-{i}".encode()).decode()) for i in range(n)])
c.commit(); c.close()
s = socket.socket(socket.AF_UNIX); s.bind(os.path.join(folder, "python.sock")); s.listen(5)
print("ready", flush=True)
while True:
    conn, _ = s.accept(); conn.settimeout(10); data = b""
    while b"\n" not in data:
        chunk = conn.recv(4096)
        if not chunk: break
        data += chunk
    if data:
        request = json.loads(data.decode().strip())
        c = connect(); row = c.execute("SELECT * FROM credentials WHERE service = ?", (request["service"],)).fetchone(); c.close()
        d = dict(row); d["password"] = unseal(d["password_encrypted"].encode()).decode(); del d["password_encrypted"]
        conn.sendall((json.dumps(d) + "\n").encode())
    conn.close()
"#;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("floor-client") => return floor_client(Path::new(&args[2])),
        Some("floor-server") => return floor_server(Path::new(&args[2])),
        _ => {}
    }
    for row in measure() {
        println!("{}", row.json());
    }
}

/// One measurement, printed as a line of JSON: `cargo xtask bench` makes tables of them.
struct Row {
    name: String,
    unit: &'static str,
    floor: f64,
    product: f64,
    goal: &'static str,
}

impl Row {
    fn json(&self) -> serde_json::Value {
        serde_json::json!({ "name": self.name, "unit": self.unit, "floor": self.floor, "product": self.product, "goal": self.goal })
    }
}

fn measure() -> Vec<Row> {
    let mut rows = Vec::new();
    for n_credentials in [353, 100_000] {
        let home = Home::new(n_credentials);
        rows.push(Row {
            name: format!("ready to serve, {n_credentials} credentials"),
            unit: "ms",
            floor: if n_credentials == 353 { 30.0 } else { 1500.0 },
            product: median((0..7).map(|_| home.restart()).collect()) * 1e3,
            goal: "<= 1",
        });
        if n_credentials == 353 {
            rows.push(Row {
                name: "resident memory, 353 credentials".to_owned(),
                unit: "MiB",
                floor: 12.0,
                product: home.resident_mib(),
                goal: "<= 1",
            });
            rows.push(whole_process(&home));
        }
        round_trips(&home, n_credentials, &mut rows);
        if n_credentials == 353 {
            rows.extend(beside_python(&home));
        }
    }
    rows
}

/// A home with a vault of so many credentials and a daemon.
struct Home(tempfile::TempDir);

impl Home {
    fn new(n_credentials: usize) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        home.tool(&["init"]);
        let mut csv = "name,url,username,password,note\n".to_owned();
        for number in 0..n_credentials {
            csv.push_str(&format!(
                "s,https://site{number}.example/login,someone@example.org,password-{number},\n"
            ));
        }
        let file = home.0.path().join("e.csv");
        std::fs::write(&file, csv).unwrap();
        home.tool(&["import", file.to_str().unwrap()]);
        home.tool(&["start"]);
        home
    }

    fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(args)
            .env_clear()
            .env("HOME", self.0.path())
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command
    }

    fn tool(&self, args: &[&str]) {
        assert!(self.command(TOOL, args).status().unwrap().success(), "{args:?}");
    }

    fn socket(&self) -> PathBuf {
        self.0.path().join(".local/share/credential-proxy/proxy.sock")
    }

    /// Seconds from the start of `start` until it returns.
    fn restart(&self) -> f64 {
        self.tool(&["stop"]);
        let started = Instant::now();
        self.tool(&["start"]);
        started.elapsed().as_secs_f64()
    }

    fn resident_mib(&self) -> f64 {
        let pid = std::fs::read_to_string(
            self.0.path().join(".local/share/credential-proxy/daemon.lock"),
        )
        .unwrap();
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", pid.trim())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or(0.0) / 1024.0
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = self.command(TOOL, &["stop"]).status();
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// `get` as a whole process beside an empty program that asks the same over the same socket.
fn whole_process(home: &Home) -> Row {
    let own = std::env::current_exe().unwrap();
    let socket = home.socket();
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..300 {
        let floor =
            home.command(own.to_str().unwrap(), &["floor-client", socket.to_str().unwrap()]);
        let product = home.command(TOOL, &["get", "site7.example"]);
        for (mut command, times) in [floor, product].into_iter().zip(&mut times) {
            let started = Instant::now();
            assert!(command.status().unwrap().success());
            times.push(started.elapsed().as_secs_f64() * 1e3);
        }
    }
    let [floor, product] = times.map(median);
    Row { name: "get, whole process".to_owned(), unit: "ms", floor, product, goal: "<= 1.5" }
}

fn floor_client(socket: &Path) {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.write_all(REQUEST).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    print!("{line}");
}

/// A thread per connection, every line back as it came.
fn floor_server(socket: &Path) {
    let listener = UnixListener::bind(socket).unwrap();
    println!("ready");
    for stream in listener.incoming().flatten() {
        std::thread::spawn(move || {
            let mut writer = stream.try_clone().unwrap();
            let mut reader = BufReader::new(stream);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|n_bytes| n_bytes > 0) {
                if writer.write_all(&line).is_err() {
                    return;
                }
                line.clear();
            }
        });
    }
}

/// A server of ours in a process of its own; ended when dropped.
struct Server(Child);

impl Server {
    fn start(mut command: Command) -> Option<Self> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
        let mut line = String::new();
        let _ = BufReader::new(child.stdout.take()?).read_line(&mut line);
        let server = Self(child);
        (line == "ready\n").then_some(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn round_trips(home: &Home, n_credentials: usize, rows: &mut Vec<Row>) {
    let own = std::env::current_exe().unwrap();
    let echo = home.0.path().join("echo.sock");
    let _server = Server::start(
        home.command(own.to_str().unwrap(), &["floor-server", echo.to_str().unwrap()]),
    )
    .unwrap();
    let (mut kept, mut each) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    let mut spread = Vec::new();
    for _ in 0..7 {
        for (place, socket) in [&echo, &home.socket()].into_iter().enumerate() {
            let (rate, p50, p99) = kept_open(socket, 10_000);
            kept[place].push(rate);
            if place == 1 {
                spread.push((p50, p99));
            }
            each[place].push(connect_each(socket, 1500));
        }
    }
    let [kept_floor, kept_product] = kept.map(median);
    let [each_floor, each_product] = each.map(median);
    let name = |what: &str| format!("{what}, {n_credentials} credentials");
    rows.push(Row {
        name: name("round trips, one connection"),
        unit: "/s",
        floor: kept_floor,
        product: kept_product,
        goal: ">= 0.85",
    });
    rows.push(Row {
        name: name("round trips, a connection each"),
        unit: "/s",
        floor: each_floor,
        product: each_product,
        goal: ">= 0.85",
    });
    let p50 = median(spread.iter().map(|(p50, _)| *p50).collect());
    let p99 = median(spread.iter().map(|(_, p99)| *p99).collect());
    rows.push(Row {
        name: name("p99 beside p50"),
        unit: "us",
        floor: p50,
        product: p99,
        goal: "< 5",
    });
}

/// Round trips a second over one connection, and the p50 and p99 in microseconds.
fn kept_open(socket: &Path, n_requests: usize) -> (f64, f64, f64) {
    let mut stream = UnixStream::connect(socket).unwrap();
    let mut answer = vec![0; 4096];
    let mut times = Vec::with_capacity(n_requests);
    let started = Instant::now();
    for _ in 0..n_requests {
        let sent = Instant::now();
        stream.write_all(REQUEST).unwrap();
        let mut n_bytes = 0;
        while n_bytes == 0 || answer[n_bytes - 1] != b'\n' {
            n_bytes += stream.read(&mut answer[n_bytes..]).unwrap();
        }
        times.push(sent.elapsed());
    }
    let rate = n_requests as f64 / started.elapsed().as_secs_f64();
    times.sort_unstable();
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    (rate, micros(times[n_requests / 2]), micros(times[n_requests * 99 / 100]))
}

fn connect_each(socket: &Path, n_requests: usize) -> f64 {
    let started = Instant::now();
    for _ in 0..n_requests {
        let mut stream = UnixStream::connect(socket).unwrap();
        stream.write_all(REQUEST).unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        assert!(line.ends_with('\n'));
    }
    n_requests as f64 / started.elapsed().as_secs_f64()
}

/// The Python daemon and ours. The original takes one request a connection; ours takes many.
fn beside_python(home: &Home) -> Vec<Row> {
    let folder = home.0.path().to_str().unwrap().to_owned();
    let program = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let mut command = Command::new(program);
    command.args(["-c", PYTHON, &folder, "353"]);
    let Some(_server) = Server::start(command) else { return Vec::new() };
    let python = home.0.path().join("python.sock");
    let floor = median((0..5).map(|_| connect_each(&python, 300)).collect());
    let each = median((0..5).map(|_| connect_each(&home.socket(), 3000)).collect());
    let kept = median((0..5).map(|_| kept_open(&home.socket(), 10_000).0).collect());
    // A fleet: the original serves one client after the other, so more of them only wait.
    let crowd_floor = median(
        (0..5)
            .map(|_| {
                crowd(
                    &|| {
                        connect_each(&python, 30);
                    },
                    30,
                )
            })
            .collect(),
    );
    let crowd_each = median(
        (0..5)
            .map(|_| {
                crowd(
                    &|| {
                        connect_each(&home.socket(), 300);
                    },
                    300,
                )
            })
            .collect(),
    );
    let crowd_kept = median(
        (0..5)
            .map(|_| {
                crowd(
                    &|| {
                        kept_open(&home.socket(), 2000);
                    },
                    2000,
                )
            })
            .collect(),
    );
    let row = |name: &str, floor, product, goal| Row {
        name: name.to_owned(),
        unit: "/s",
        floor,
        product,
        goal,
    };
    vec![
        row("Python daemon as floor, a connection each", floor, each, ""),
        row("Python daemon as floor, one connection for ours", floor, kept, ""),
        row("Python daemon, 16 clients, a connection each", crowd_floor, crowd_each, ""),
        row("Python daemon, 16 clients that stay with ours", crowd_floor, crowd_kept, ">= 20"),
    ]
}

/// Requests a second of sixteen clients at once, each of which does so many.
fn crowd(client: &(impl Fn() + Sync), n_requests: usize) -> f64 {
    const N_CLIENTS: usize = 16;
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..N_CLIENTS {
            scope.spawn(client);
        }
    });
    (N_CLIENTS * n_requests) as f64 / started.elapsed().as_secs_f64()
}
