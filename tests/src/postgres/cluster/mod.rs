//! A throw-away PostgreSQL: made in a temporary folder, stopped and removed with whoever started it.
//!
//! Tests and `cargo xtask` share this file, so it knows the standard library and `tempfile` only. Nothing of a
//! server that may already run on this machine is touched: the data, the socket and the port are its own.

mod machine;

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use std::{env, thread};

pub use machine::programs;
use machine::{free_port, owner};

/// The user who owns every database of such a server; nobody asks for a password.
pub const USER: &str = "fleet";

/// How long a server may take to start, recover or stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// The server outlives its shell only while somebody holds the other end of the shell's input, so that it goes
/// with a test that is killed. The word `keep` leaves the data for the next start.
const KEEPER: &str = r#"
data=$1; shift
"$@" & server=$!
read -r word
kill -QUIT "$server" 2>/dev/null
wait "$server"
[ "$word" = keep ] || rm -rf "$data"
"#;

/// A server and its data.
#[derive(Debug)]
pub struct Cluster {
    programs: PathBuf,
    folder: tempfile::TempDir,
    /// Whom the server runs as, when this is root: it refuses to be that.
    owner: Option<(u32, u32)>,
    address: String,
    port: u16,
    settings: Vec<(String, String)>,
    /// A process in whose network it runs, where that is not this one's.
    network_of: Option<u32>,
    keeper: Option<Child>,
}

impl Cluster {
    /// Makes and starts a server that listens on loopback.
    pub fn start(programs: &Path) -> io::Result<Self> {
        let mut cluster = Self::make(programs, &env::temp_dir())?;
        cluster.resume()?;
        Ok(cluster)
    }

    /// Makes the data of a server below `folder`, and does not start it yet.
    pub fn make(programs: &Path, folder: &Path) -> io::Result<Self> {
        let cluster = Self::empty(programs, folder)?;
        cluster.run(
            "initdb",
            &[
                "--pgdata",
                &cluster.data().to_string_lossy(),
                "--username",
                USER,
                "--auth",
                "trust",
                "--encoding",
                "UTF8",
                "--locale",
                "C",
                "--no-sync",
                "--no-instructions",
            ],
        )?;
        Ok(cluster)
    }

    fn empty(programs: &Path, folder: &Path) -> io::Result<Self> {
        // A short name: the path of a socket has no more than 107 bytes.
        let folder = tempfile::Builder::new().prefix("pg-").tempdir_in(folder)?;
        let owner = owner()?;
        if let Some((user, group)) = owner {
            chown(folder.path(), Some(user), Some(group))?;
        }
        let settings = Vec::new();
        let (address, port) = ("127.0.0.1".to_owned(), free_port()?);
        Ok(Self {
            programs: programs.to_path_buf(),
            folder,
            owner,
            address,
            port,
            settings,
            network_of: None,
            keeper: None,
        })
    }

    /// Has the server listen on this address from its next start.
    pub fn listen_on(&mut self, address: &str) {
        address.clone_into(&mut self.address);
    }

    /// Has the server run in the network of this process from its next start; that takes root.
    pub fn move_to_network_of(&mut self, process: u32) {
        self.network_of = Some(process);
    }

    /// Gives a setting from the next start; a later value of a name holds.
    pub fn set(&mut self, name: &str, value: &str) {
        self.settings.push((name.to_owned(), value.to_owned()));
    }

    /// Replaces the rules of who may connect how, from the next start.
    pub fn admit(&self, rules: &str) -> io::Result<()> {
        fs::write(self.data().join("pg_hba.conf"), rules)
    }

    /// The folder of the data.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The folder of the socket, and of what a test wants to lay beside it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The user and the group that the server runs as, where that is not whoever runs this.
    pub fn owner(&self) -> Option<(u32, u32)> {
        self.owner
    }

    /// The URL of a database of this server.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@{}:{}/{database}", self.address, self.port)
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Starts the server where it stands, and waits until it answers.
    pub fn resume(&mut self) -> io::Result<()> {
        for _ in 0..5 {
            let already_logged = self.log().len();
            self.spawn()?;
            match self.wait_until_ready(already_logged) {
                Ok(()) => return Ok(()),
                // Somebody else took the port between the look and the start.
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    self.stop();
                    self.port = free_port()?;
                }
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("no port is free for a server"))
    }

    fn spawn(&mut self) -> io::Result<()> {
        let log = File::options().append(true).create(true).open(self.folder.path().join("log"))?;
        let mut command = self.shell();
        command
            .args(["-c", KEEPER, "keeper"])
            .arg(self.folder.path())
            .arg(self.programs.join("postgres"))
            .arg("-D")
            .arg(self.data())
            .arg("-k")
            .arg(self.folder.path())
            .args(["-h", &self.address, "-p", &self.port.to_string()]);
        // What a test writes need not survive a power cut, and the crowds of some tests are large.
        let ours = [
            ("fsync", "off"),
            ("full_page_writes", "off"),
            ("max_connections", "600"),
            ("timezone", "UTC"),
        ];
        let given = self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in ours.into_iter().chain(given) {
            command.args(["-c", &format!("{name}={value}")]);
        }
        command
            .current_dir(self.folder.path())
            .env_remove("PGDATA")
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Whoever interrupts a test from the keyboard does not interrupt the keeper: it cleans up.
            .process_group(0);
        let _ = fs::remove_file(self.data().join("postmaster.pid"));
        self.keeper = Some(command.spawn()?);
        Ok(())
    }

    /// `/bin/sh` as the owner, in the network where the server is to be.
    fn shell(&self) -> Command {
        let Some(process) = self.network_of else {
            let mut command = Command::new("/bin/sh");
            self.as_owner(&mut command);
            return command;
        };
        // Entering a network takes root, so the owner comes after it.
        let mut command = Command::new("nsenter");
        command.args(["--target", &process.to_string(), "--net"]);
        if let Some((user, group)) = self.owner {
            command.args(["--setuid", &user.to_string(), "--setgid", &group.to_string()]);
        }
        command.arg("/bin/sh");
        command
    }

    fn as_owner(&self, command: &mut Command) {
        if let Some((user, group)) = self.owner {
            command.uid(user).gid(group);
        }
    }

    fn wait_until_ready(&self, already_logged: usize) -> io::Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            // The last line of this file is the server's own word on how far it is.
            let status = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
            if status.lines().nth(7).is_some_and(|line| matches!(line.trim(), "ready" | "standby"))
            {
                return Ok(());
            }
            let log = self.log();
            let log = log.get(already_logged..).unwrap_or_default();
            if log.contains("Address already in use") {
                return Err(io::ErrorKind::AddrInUse.into());
            }
            // Clients that come too early are told so by a FATAL line of their own.
            let is_over = log
                .lines()
                .any(|line| line.contains("FATAL:") && !line.contains("the database system is"));
            if Instant::now() > until || is_over {
                return Err(io::Error::other(format!("the server does not start: {log}")));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends the server as a crash does, and keeps its data.
    pub fn stop(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            if let Some(mut input) = keeper.stdin.take() {
                let _ = input.write_all(b"keep\n");
            }
            let _ = keeper.wait();
        }
    }

    /// Stops and starts it.
    pub fn restart(&mut self) -> io::Result<()> {
        self.stop();
        self.resume()
    }

    /// The process of the server itself.
    pub fn pid(&self) -> Option<u32> {
        let file = fs::read_to_string(self.data().join("postmaster.pid")).ok()?;
        file.lines().next()?.trim().parse().ok()
    }

    /// A second server that follows this one; it is not started yet.
    pub fn standby(&self) -> io::Result<Self> {
        let parent = self.folder.path().parent().unwrap_or(self.folder.path());
        let standby = Self::empty(&self.programs, parent)?;
        self.run_client(
            "pg_basebackup",
            &[
                "--pgdata",
                &standby.data().to_string_lossy(),
                "--checkpoint",
                "fast",
                "--write-recovery-conf",
                "--no-sync",
            ],
        )?;
        Ok(standby)
    }

    /// Has a standby take over, and waits until it writes.
    pub fn promote(&self) -> io::Result<()> {
        self.run("pg_ctl", &["promote", "--wait", "--pgdata", &self.data().to_string_lossy()])?;
        Ok(())
    }

    /// Runs SQL in a database of this server; gives what psql prints, bare.
    pub fn sql(&self, database: &str, statements: &str) -> io::Result<String> {
        let output = self.run_client(
            "psql",
            &[
                "--no-psqlrc",
                "--quiet",
                "--tuples-only",
                "--no-align",
                "--set=ON_ERROR_STOP=1",
                "--dbname",
                database,
                "--command",
                statements,
            ],
        )?;
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }

    /// Runs a program that talks to the server over its socket.
    fn run_client(&self, program: &str, args: &[&str]) -> io::Result<Output> {
        let (folder, port) = (self.folder.path().to_string_lossy(), self.port.to_string());
        let server = ["--host", &folder, "--port", &port, "--username", USER];
        self.run(program, &[&server, args].concat())
    }

    /// Runs a program of the server's to its end.
    fn run(&self, program: &str, args: &[&str]) -> io::Result<Output> {
        let mut command = Command::new(self.programs.join(program));
        command.args(args).current_dir(self.folder.path()).stdin(Stdio::null());
        for name in ["PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGSERVICE", "PGOPTIONS", "PGDATA"]
        {
            command.env_remove(name);
        }
        self.as_owner(&mut command);
        let output = command.output()?;
        if output.status.success() {
            return Ok(output);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(io::Error::other(format!("{program} failed: {}", said.trim())))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Without the word the keeper removes the folder too, as it does when nobody is left to.
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            let _ = keeper.wait();
        }
    }
}
