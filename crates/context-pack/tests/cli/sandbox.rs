//! A throw-away home and tree, and the binary run in them with an empty environment.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A home with a tree to pack.
pub(crate) struct Sandbox {
    home: TempDir,
}

/// What a run did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stderr: {}", self.stderr);
        self
    }

    #[track_caller]
    pub(crate) fn says_nothing(self) -> Self {
        assert_eq!(self.stderr, "");
        self
    }
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        let home = TempDir::new().unwrap();
        fs::create_dir(home.path().join("tree")).unwrap();
        fs::create_dir(home.path().join("tmp")).unwrap();
        Self { home }
    }

    /// A sandbox with a small project in its tree.
    pub(crate) fn with_project() -> Self {
        let sandbox = Self::new();
        sandbox.file("README.md", "# Kettle\n\nBoils water.\n");
        sandbox.file("Cargo.toml", "[package]\nname = \"kettle\"\nversion = \"0.1.0\"\n");
        sandbox.file("src/main.rs", "mod heat;\n\nfn main() {\n    heat::boil(100);\n}\n");
        sandbox.file("src/heat.rs", "/// Heats until the water boils.\npub fn boil(degrees: u32) -> bool {\n    degrees >= 100\n}\n");
        sandbox.file("tests/boil.rs", "#[test]\nfn boils() {}\n");
        sandbox
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn tree(&self) -> PathBuf {
        self.home.path().join("tree")
    }

    #[expect(clippy::disallowed_methods, reason = "a test prepares its own tree")]
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.tree().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("HOME", self.home.path())
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("TMPDIR", self.home.path().join("tmp"))
            .current_dir(self.tree())
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = self.command(env!("CARGO_BIN_EXE_context-pack"));
        command.args(arguments);
        ran(command)
    }

    /// Runs with these bytes on stdin.
    pub(crate) fn run_with_stdin(&self, arguments: &[&str], stdin: &str) -> Ran {
        let mut command = self.command(env!("CARGO_BIN_EXE_context-pack"));
        let input = self.home.path().join("stdin");
        #[expect(clippy::disallowed_methods, reason = "a test prepares its own input")]
        fs::write(&input, stdin).unwrap();
        command.args(arguments).stdin(fs::File::open(input).unwrap());
        ran(command)
    }

    /// Files left in the folder for temporary files.
    pub(crate) fn litter(&self) -> usize {
        fs::read_dir(self.home.path().join("tmp")).unwrap().count()
    }
}

/// Runs a command to its end.
pub(crate) fn ran(mut command: Command) -> Ran {
    let output = command.output().unwrap();
    let ran = Ran {
        code: output.status.code(),
        signal: output.status.signal(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    };
    assert_ne!(ran.code, Some(101), "a panic: {}", ran.stderr);
    assert_ne!(ran.code, Some(70), "a bug: {}", ran.stderr);
    ran
}
