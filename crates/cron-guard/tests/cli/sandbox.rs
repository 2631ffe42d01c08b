//! A home of its own for each test, and what comes out of a command.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use common::fleet::{Database, Place, fresh_on_server};
use common::sql::ToSql;
use serde_json::Value;

/// A temporary home in which the binary runs with an empty environment.
pub(crate) struct Sandbox {
    home: tempfile::TempDir,
    clock: Option<String>,
    /// The URL of the journal where the tests use a server.
    server: Option<String>,
}

/// What a command left.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Done {
    pub(crate) fn of(output: &Output) -> Self {
        use std::os::unix::process::ExitStatusExt as _;
        Self {
            code: output.status.code(),
            signal: output.status.signal(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Asserts the code and that nothing was printed.
    #[track_caller]
    pub(crate) fn silent(&self, code: i32) {
        assert_eq!((self.code, &*self.stdout, &*self.stderr), (Some(code), "", ""));
    }

    /// Asserts the code.
    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }

    /// What was printed, as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self::with_journal(fresh_on_server())
    }

    /// A home whose journal is a file, for tests of what a file can meet.
    pub(crate) fn in_a_file() -> Self {
        Self::with_journal(None)
    }

    fn with_journal(server: Option<String>) -> Self {
        let sandbox = Self { home: tempfile::tempdir().unwrap(), clock: None, server };
        sandbox.settings("[defaults]\nallow_unattended_resume = true\n");
        sandbox
    }

    /// The file of the journal, where it is one.
    pub(crate) fn journal(&self) -> PathBuf {
        self.path(".local/state/agent-state/state.db")
    }

    /// The variable that names the journal, where it is on a server.
    pub(crate) fn server(&self) -> Option<(&'static str, &str)> {
        self.server.as_deref().map(|url| ("AGENT_STATE_DB", url))
    }

    /// The journal itself, past the tool.
    pub(crate) fn fleet(&self) -> Database {
        let place = match &self.server {
            Some(url) => Place::of(Path::new(url)).unwrap(),
            None => Place::File(self.journal()),
        };
        Database::open(place, Duration::from_secs(60)).unwrap()
    }

    /// Changes the journal, past the tool.
    pub(crate) fn tamper(&self, statement: &str, values: &[&dyn ToSql]) {
        self.fleet().write("tamper with", |tx| tx.execute(statement, values)).unwrap();
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.home().join(relative)
    }

    /// Writes `guard.toml`, with the file channel where the text has no alerts of its own.
    pub(crate) fn settings(&self, text: &str) {
        let alerts = if text.contains("[alerts") {
            ""
        } else {
            "\n[alerts.file]\npath = \"~/.local/state/cron-guard/alerts.jsonl\"\n"
        };
        self.write(".config/cron-guard/guard.toml", format!("{text}{alerts}"));
    }

    /// Writes any file of the home.
    #[expect(clippy::disallowed_methods, reason = "a test's file needs no crash safety")]
    pub(crate) fn write(&self, relative: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(relative);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Shifts the clock of the commands that follow, as `+90m`, or sets it, as `@1767225600000`.
    pub(crate) fn clock(&mut self, setting: &str) {
        self.clock = Some(setting.to_owned());
    }

    /// The binary with these arguments, not yet started.
    pub(crate) fn command<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(
        &self,
        arguments: I,
    ) -> Command {
        let mut command = self.program(env!("CARGO_BIN_EXE_cron-guard"));
        command.args(arguments).env("TZ", "UTC");
        if let Some(clock) = &self.clock {
            command.env("AGENT_PLUMBING_CLOCK", clock);
        }
        command
    }

    /// Another program in this home, with as little around it as cron leaves, not yet started.
    pub(crate) fn program(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("HOME", self.home())
            .env("PATH", "/usr/bin:/bin")
            .envs(self.server())
            .current_dir(self.home())
            .stdin(Stdio::null());
        command
    }

    /// Runs the binary to its end.
    pub(crate) fn run<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, arguments: I) -> Done {
        Done::of(&self.command(arguments).output().unwrap())
    }

    /// Runs the binary with what a line for sh says.
    #[track_caller]
    pub(crate) fn guard(&self, line: &str) -> Done {
        let arguments = shlex_split(line);
        self.run(arguments)
    }

    /// Runs a job with a script.
    pub(crate) fn exec(&self, job: &str, script: &str) -> Done {
        self.run(["exec", job, "--", "/bin/sh", "-c", script])
    }

    /// Lets a job fail this often.
    #[track_caller]
    pub(crate) fn fail(&self, job: &str, times: usize) {
        for _ in 0..times {
            self.exec(job, "exit 1").silent(1);
        }
    }

    /// The state of a job.
    #[track_caller]
    pub(crate) fn job(&self, job: &str) -> Value {
        self.run(["status", job, "--json"]).code(0).json()["jobs"][0].clone()
    }

    /// The events of the alerts that reached the default file, in order.
    pub(crate) fn alerts(&self) -> Vec<Value> {
        let path = self.path(".local/state/cron-guard/alerts.jsonl");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        // A guard of a running cron may be about to end the last line.
        let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        whole.map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// `event` or `event job` of each alert that reached the default file.
    pub(crate) fn events(&self) -> Vec<String> {
        self.alerts()
            .iter()
            .map(|alert| alert["event"].as_str().unwrap_or_default().to_owned())
            .collect()
    }
}

/// Splits a line as sh would, without expansions.
pub(crate) fn shlex_split(line: &str) -> Vec<String> {
    shlex::split(line).unwrap()
}
