//! A throw-away home in which the binary runs as cron would run it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) const BIN: &str = env!("CARGO_BIN_EXE_credential-proxy");

/// The longest that a test waits for anything.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) struct Sandbox {
    folder: tempfile::TempDir,
}

#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Seen {
    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

impl Sandbox {
    /// A home without a vault.
    pub(crate) fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A home with an empty vault.
    pub(crate) fn new() -> Self {
        let sandbox = Self::empty();
        sandbox.run(&["init"]).code(0);
        sandbox
    }

    /// A vault with one credential.
    pub(crate) fn with(service: &str, username: &str, secret: &str) -> Self {
        let sandbox = Self::new();
        sandbox.add(service, username, secret);
        sandbox
    }

    pub(crate) fn add(&self, service: &str, username: &str, secret: &str) {
        self.feed(&["add", service, "--username", username, "--stdin"], secret).code(0);
    }

    pub(crate) fn home(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.home().join(".local/share/credential-proxy")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir().join("proxy.sock")
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.home().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The binary with HOME and a short PATH, as in a crontab.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        self.program(BIN, args)
    }

    pub(crate) fn program(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(args)
            .env_clear()
            .env("HOME", self.home())
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .current_dir(self.home())
            .stdin(Stdio::null());
        command
    }

    /// A command line on a terminal of its own, not yet started.
    pub(crate) fn on_terminal(&self, line: &str) -> Command {
        self.program("script", &["-qec", line, "/dev/null"])
    }

    /// The same, started: with what is typed, and what is shown.
    pub(crate) fn at_terminal(&self, line: &str) -> (Child, ChildStdin, ChildStdout) {
        let mut command = self.on_terminal(line);
        command.env("PS1", "<prompt>").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut script = command.spawn().unwrap();
        let (keyboard, screen) = (script.stdin.take().unwrap(), script.stdout.take().unwrap());
        (script, keyboard, screen)
    }

    pub(crate) fn run(&self, args: &[&str]) -> Seen {
        seen(self.command(args), "")
    }

    pub(crate) fn feed(&self, args: &[&str], stdin: &str) -> Seen {
        seen(self.command(args), stdin)
    }

    /// A line of sh in which `credential-proxy` is the binary.
    pub(crate) fn sh(&self, line: &str) -> Seen {
        let bin = self.home().join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        let _ = std::os::unix::fs::symlink(BIN, bin.join("credential-proxy"));
        let mut command = self.program("/bin/sh", &["-c", line]);
        command.env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display()));
        seen(command, "")
    }

    /// One line over the socket, as an old client does it: no half-close, one line back.
    pub(crate) fn ask(&self, line: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(line.as_bytes()).unwrap();
        stream.write_all(b"\n").unwrap();
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).unwrap();
        answer
    }

    pub(crate) fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(self.socket()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream
    }

    pub(crate) fn pid(&self) -> i32 {
        let status = self.run(&["status", "--json"]).code(0).json();
        i32::try_from(status["pid"].as_i64().unwrap()).unwrap()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.command(&["stop"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

pub(crate) fn seen(mut command: Command, stdin: &str) -> Seen {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that does not read its stdin closes the pipe.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    Seen {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Waits until `done` says so.
#[track_caller]
pub(crate) fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < DEADLINE, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

pub(crate) fn has(program: &str) -> bool {
    ["/usr/local/bin", "/usr/bin", "/bin"]
        .iter()
        .any(|folder| Path::new(folder).join(program).exists())
}

/// Copies the binary, to be run from elsewhere.
///
/// By another process: one that a neighboring test starts meanwhile would have the copy open for writing, as
/// this process has, and nobody could run it.
pub(crate) fn copy_of_the_binary(to: &Path) {
    let copied = Command::new("cp").arg(BIN).arg(to).status().unwrap();
    assert!(copied.success());
}
