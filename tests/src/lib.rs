//! A sandbox for stories: a home of its own, nothing else in the environment, the four tools by their real names.
//!
//! No network but loopback, no sleeping for luck: a story waits for a condition with a deadline.

#![expect(clippy::missing_panics_doc, reason = "a helper of stories panics where the story fails")]

pub mod cron;
pub mod network;
pub mod postgres;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long a story waits for a condition before it fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Where the four tools are, as Cargo tells a test of this package.
#[derive(Debug, Clone, Copy)]
pub struct Binaries {
    /// Name of the tool and path of its binary.
    pub tools: [(&'static str, &'static str); 4],
}

/// A throw-away home.
pub struct Sandbox {
    folder: tempfile::TempDir,
}

/// What a line printed, and how it ended.
#[derive(Debug)]
pub struct Seen {
    /// The exit code; 128 + n for death by signal n.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Sandbox {
    /// A new home with the tools on its PATH.
    pub fn new(binaries: Binaries) -> Self {
        let folder = tempfile::Builder::new().prefix("e2e-").tempdir().expect("a temporary folder");
        let sandbox = Self { folder };
        fs::create_dir(sandbox.home().join("bin")).expect("a folder for programs");
        for (name, path) in binaries.tools {
            symlink(path, sandbox.home().join("bin").join(name)).expect("a link to a tool");
        }
        sandbox
    }

    /// The home directory.
    pub fn home(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file below the home.
    pub fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.home().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("its folder");
        fs::write(&path, text).expect("a file");
        path
    }

    /// Writes a program into the PATH of the sandbox.
    pub fn program(&self, name: &str, text: &str) {
        let path = self.write(&format!("bin/{name}"), text);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("an executable file");
    }

    /// Copies a folder of this package into the home.
    pub fn copy(&self, folder: &str, to: &str) {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let status = Command::new("cp")
            .arg("-R")
            .arg(from)
            .arg(self.home().join(to))
            .status()
            .expect("cp runs");
        assert!(status.success(), "{folder} is copied");
    }

    /// The content of a file below the home; empty when it is absent.
    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.home().join(path)).unwrap_or_default()
    }

    /// The PATH of the sandbox.
    pub fn path(&self) -> String {
        format!("{}/bin:/usr/local/bin:/usr/bin:/bin", self.home().display())
    }

    /// A line for sh, with HOME and PATH and nothing else, as in a crontab.
    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", line])
            .env_clear()
            .env("HOME", self.home())
            .env("PATH", self.path())
            .current_dir(self.home())
            .stdin(Stdio::null());
        command
    }

    /// Runs a line to its end.
    pub fn run(&self, line: &str) -> Seen {
        Seen::from(self.command(line).output().expect("sh runs"))
    }

    /// Runs a line and fails the story unless it ends with `code`.
    #[track_caller]
    pub fn expect(&self, code: i32, line: &str) -> Seen {
        let seen = self.run(line);
        assert_eq!(seen.code, code, "{line}\n{seen:#?}");
        seen
    }

    /// Runs a line that prints one JSON object a line.
    #[track_caller]
    pub fn rows(&self, line: &str) -> Vec<serde_json::Value> {
        let seen = self.run(line);
        seen.stdout
            .lines()
            .map(|row| {
                serde_json::from_str(row)
                    .unwrap_or_else(|error| panic!("{line}: {error}\n{seen:#?}"))
            })
            .collect()
    }

    /// Starts a line and leaves it running.
    pub fn start(&self, line: &str) -> Child {
        self.command(line).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("sh runs")
    }

    /// A vault with one credential for github.com.
    pub fn vault(&self) {
        self.expect(0, "credential-proxy init");
        self.write("export.csv", &format!("name,url,username,password,note\ngithub.com,https://github.com/login,me,{SECRET},\n"));
        self.expect(0, "credential-proxy import chrome export.csv");
    }
}

/// The secret of [`Sandbox::vault`].
pub const SECRET: &str = "ghp_only_for_tests_8d1f";

impl Drop for Sandbox {
    fn drop(&mut self) {
        // A daemon must not outlive its home; without one this is an honest "no".
        let _ = self
            .command("credential-proxy stop")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}

impl From<Output> for Seen {
    fn from(output: Output) -> Self {
        use std::os::unix::process::ExitStatusExt as _;
        let signal = || output.status.signal().map_or(-1, |signal| 128 + signal);
        Self {
            code: output.status.code().unwrap_or_else(signal),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Waits until `condition` gives a value.
#[track_caller]
pub fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < until, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Whether a program is there. Missing ones fail in CI and are skipped with a word elsewhere.
#[track_caller]
pub fn have(programs: &[&str]) -> bool {
    let missing: Vec<_> = programs.iter().filter(|program| !is_there(program)).collect();
    if missing.is_empty() {
        return true;
    }
    assert!(std::env::var_os("CI").is_none(), "CI lacks {missing:?}");
    let _ = std::io::Write::write_all(
        &mut std::io::stderr(),
        format!("skipped: this machine lacks {missing:?}\n").as_bytes(),
    );
    false
}

fn is_there(program: &str) -> bool {
    if program.contains('/') {
        return Path::new(program).exists();
    }
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
        .iter()
        .any(|folder| Path::new(folder).join(program).exists())
}
