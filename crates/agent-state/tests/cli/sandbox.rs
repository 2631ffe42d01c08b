//! A throw-away home, and the binary in an empty environment.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use common::fleet::{Database, Place, fresh_on_server};
use serde_json::Value;

/// A home directory that goes away with the test.
pub(crate) struct Sandbox {
    home: tempfile::TempDir,
    /// The URL of the database where the tests use a server.
    server: Option<String>,
}

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Done {
    /// Asserts the exit code; what the command said is in the message.
    #[track_caller]
    pub(crate) fn code(self, expect: i32) -> Self {
        assert_eq!(self.code, Some(expect), "{self:?}");
        self
    }

    /// Asserts success and a silent stderr; gives stdout without its last newline.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        let done = self.code(0);
        assert_eq!(done.stderr, "", "{done:?}");
        done.stdout.trim_end_matches('\n').to_owned()
    }

    /// Asserts an honest no: exit 1, and one line at most on stderr; gives that line.
    #[track_caller]
    pub(crate) fn no(self) -> String {
        let done = self.code(1);
        assert!(done.stderr.lines().count() <= 1, "{done:?}");
        done.stderr.trim_end_matches('\n').to_owned()
    }

    /// Asserts success; gives stdout as one JSON document.
    #[track_caller]
    pub(crate) fn json(self) -> Value {
        serde_json::from_str(&self.ok()).expect("stdout is one JSON document")
    }

    /// Asserts success; gives stdout as one JSON document a line.
    #[track_caller]
    pub(crate) fn lines(self) -> Vec<Value> {
        self.ok()
            .lines()
            .map(|line| serde_json::from_str(line).expect("each line is JSON"))
            .collect()
    }
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap(), server: fresh_on_server() }
    }

    /// A home whose database is a file, for tests of what a file can meet.
    pub(crate) fn in_a_file() -> Self {
        Self { home: tempfile::tempdir().unwrap(), server: None }
    }

    /// A home with agents of these names.
    pub(crate) fn with_agents<const N: usize>(names: [&str; N]) -> Self {
        Self::new().register(names)
    }

    /// Registers agents of these names.
    pub(crate) fn register<const N: usize>(self, names: [&str; N]) -> Self {
        for name in names {
            self.run(["agent", "register", name]).ok();
        }
        self
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.home.path().join(relative)
    }

    /// The database itself, past the tool.
    pub(crate) fn fleet(&self) -> Database {
        let place = match &self.server {
            Some(url) => Place::of(Path::new(url)).unwrap(),
            None => Place::File(self.database()),
        };
        Database::open(place, Duration::from_secs(60)).unwrap()
    }

    /// The file of the database, where it is one.
    pub(crate) fn database(&self) -> PathBuf {
        self.path(".local/state/agent-state/state.db")
    }

    /// The binary, ready for more arguments.
    pub(crate) fn command(&self) -> Command {
        self.at_home(Command::new(env!("CARGO_BIN_EXE_agent-state")))
    }

    /// A program with the variables of this home, and no others.
    fn at_home(&self, mut command: Command) -> Command {
        command
            .env_clear()
            .env("HOME", self.home.path())
            .env("PATH", path_with_the_binary())
            .current_dir(self.home.path())
            .stdin(Stdio::null());
        if let Some(url) = &self.server {
            command.env("AGENT_STATE_DB", url);
        }
        command
    }

    pub(crate) fn run<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, args: I) -> Done {
        finish(self.command().args(args))
    }

    /// Runs with one variable more.
    pub(crate) fn run_with<const N: usize>(&self, variable: (&str, &str), args: [&str; N]) -> Done {
        finish(self.command().env(variable.0, variable.1).args(args))
    }

    /// Runs with these variables more.
    pub(crate) fn run_in<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(
        &self,
        variables: &[(&str, &str)],
        args: I,
    ) -> Done {
        finish(self.command().envs(variables.iter().copied()).args(args))
    }

    /// Runs with this on stdin.
    pub(crate) fn run_fed<const N: usize>(&self, stdin: &[u8], args: [&str; N]) -> Done {
        let mut child = self
            .command()
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The command may refuse early and close its end.
        let _ = child.stdin.take().unwrap().write_all(stdin);
        collect(child)
    }

    /// Starts a command and leaves it running.
    pub(crate) fn start<const N: usize>(&self, args: [&str; N]) -> Child {
        self.command().args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Runs a script with the binary on its path.
    pub(crate) fn sh(&self, script: &str) -> Done {
        self.script("/bin/sh", script)
    }

    /// Runs a script of bash.
    pub(crate) fn bash(&self, script: &str) -> Done {
        self.script("/bin/bash", script)
    }

    fn script(&self, shell: &str, script: &str) -> Done {
        let mut command = self.at_home(Command::new(shell));
        command.args(["-c", script]);
        finish(&mut command)
    }

    /// What is wrong with the database as such.
    pub(crate) fn damage(&self) -> Vec<String> {
        self.fleet().damage().unwrap()
    }
}

fn path_with_the_binary() -> String {
    let binary = Path::new(env!("CARGO_BIN_EXE_agent-state"));
    format!("{}:/usr/bin:/bin", binary.parent().unwrap().display())
}

fn finish(command: &mut Command) -> Done {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    collect(child)
}

/// Waits for a command that was started.
pub(crate) fn collect(child: Child) -> Done {
    let output = child.wait_with_output().unwrap();
    Done {
        code: output.status.code(),
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Waits until `condition` holds, for a minute at most.
#[track_caller]
pub(crate) fn wait_until(mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < until, "waited a minute in vain");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Sends a signal to a process that a test started.
pub(crate) fn kill(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}
