//! A throw-away home, and the binary in an empty environment.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A home directory that goes away with the test.
pub(crate) struct Sandbox {
    home: tempfile::TempDir,
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
        Self { home: tempfile::tempdir().unwrap() }
    }

    /// A home with agents of these names.
    pub(crate) fn with_agents<const N: usize>(names: [&str; N]) -> Self {
        let sandbox = Self::new();
        for name in names {
            sandbox.run(["agent", "register", name]).ok();
        }
        sandbox
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.home.path().join(relative)
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.path(".local/state/agent-state/state.db")
    }

    /// The binary, ready for more arguments.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_agent-state"));
        command
            .env_clear()
            .env("HOME", self.home.path())
            .env("PATH", path_with_the_binary())
            .current_dir(self.home.path())
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, args: I) -> Done {
        finish(self.command().args(args))
    }

    /// Runs with one variable more.
    pub(crate) fn run_with<const N: usize>(&self, variable: (&str, &str), args: [&str; N]) -> Done {
        finish(self.command().env(variable.0, variable.1).args(args))
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
        let mut command = Command::new(shell);
        command
            .args(["-c", script])
            .env_clear()
            .env("HOME", self.home.path())
            .env("PATH", path_with_the_binary())
            .current_dir(self.home.path())
            .stdin(Stdio::null());
        finish(&mut command)
    }

    /// What `integrity_check` says of the database.
    pub(crate) fn integrity(&self) -> String {
        let connection = rusqlite::Connection::open(self.database()).unwrap();
        connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap()
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
