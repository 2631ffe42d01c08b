//! The throw-away home of the fleet, the programs in it, and dice.

use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use anyhow::{Result, ensure};

/// The secret that must never be found where it does not belong.
pub(super) const SECRET: &str = "soak-canary-5e0f7c1b9a";

/// How many shared resources, keys and jobs the agents fight for.
pub(super) const N_SHARED: u64 = 6;

/// The home and the tools.
pub(super) struct World {
    home: tempfile::TempDir,
    bin: PathBuf,
    /// How far the fleet's clock has been stepped back, in minutes.
    behind: AtomicU64,
    /// Read by every act: a step of the clock waits until none is under way.
    under_way: RwLock<()>,
}

impl World {
    pub(super) fn new(bin: PathBuf) -> Result<Self> {
        Ok(Self {
            home: tempfile::Builder::new().prefix("soak-").tempdir()?,
            bin,
            behind: AtomicU64::new(0),
            under_way: RwLock::new(()),
        })
    }

    pub(super) fn home(&self) -> &Path {
        self.home.path()
    }

    /// A command with HOME and PATH and nothing else, as cron starts it.
    pub(super) fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        let own = self.home().join("bin");
        command
            .args(args)
            .env_clear()
            .env("HOME", self.home())
            .env("PATH", format!("{}:{}:/usr/bin:/bin", own.display(), self.bin.display()))
            .current_dir(self.home())
            .stdin(Stdio::null());
        let behind = self.behind.load(Ordering::SeqCst);
        if behind > 0 {
            command.env("AGENT_PLUMBING_CLOCK", format!("-{behind}m"));
        }
        command
    }

    /// Held while an act is under way.
    pub(super) fn act(&self) -> RwLockReadGuard<'_, ()> {
        self.under_way.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Steps the clock back between two acts. A process learns its clock when it starts, and a real step would not
    /// leave one that waits with the old clock beside one with the new.
    pub(super) fn step_clock_back(&self, minutes: u64) {
        let _none = self.under_way.write().unwrap_or_else(PoisonError::into_inner);
        self.behind.fetch_add(minutes, Ordering::SeqCst);
    }

    /// A command of a tool.
    pub(super) fn tool(&self, tool: &str, args: &[&str]) -> Command {
        self.command(&self.bin.join(tool).display().to_string(), args)
    }

    /// Runs a tool by its name to its end.
    pub(super) fn run(&self, tool: &str, args: &[&str]) -> Result<Output> {
        Ok(self.tool(tool, args).output()?)
    }

    /// Runs a tool that has to succeed.
    pub(super) fn must(&self, tool: &str, args: &[&str]) -> Result<String> {
        let output = self.run(tool, args)?;
        ensure!(output.status.success(), "{tool} {args:?}: {output:?}");
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// A file below the home.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.home().join(name)
    }

    fn program(&self, name: &str, text: &str) -> Result<()> {
        let path = self.path("bin").join(name);
        fs::write(&path, text)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        Ok(())
    }

    /// Registers the agents, fills the vault, writes the programs that the agents run.
    pub(super) fn prepare(&self, n_agents: u64) -> Result<()> {
        fs::create_dir(self.path("bin"))?;
        // What the section writes is the witness: one that was killed writes no more, while what it had
        // open can outlast it for as long as the machine is busy.
        self.program(
            "critical",
            "#!/bin/sh\n\
             echo \"$AGENT_STATE_LOCK_TOKEN_1 begins\" >> \"$HOME/$1.tokens\"\n\
             sleep \"0.0$2\"\n\
             echo \"$AGENT_STATE_LOCK_TOKEN_1 ends\" >> \"$HOME/$1.tokens\"\n",
        )?;
        self.program("job", "#!/bin/sh\necho \"$CRON_GUARD_JOB\" >> \"$HOME/$1.ran\"\necho \"$2\" >&2\nexit \"$2\"\n")?;
        self.program("leaky", "#!/bin/sh\nwc -c\nprintf '%s' \"$KEY\"\nprintf '%s' \"$KEY\" | base64\necho \"err $KEY\" >&2\n")?;
        self.program("notify", "#!/bin/sh\n(cat; echo) >> \"$HOME/alerts\"\n")?;
        fs::create_dir_all(self.path("proj/src"))?;
        fs::write(self.path("proj/README.md"), "# A project\n\nOf no importance.\n")?;
        fs::write(self.path("proj/src/main.py"), "print('hello')\n")?;
        let settings = self.path(".config/cron-guard");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&settings)?;
        fs::write(
            settings.join("guard.toml"),
            format!(
                "[defaults]\nallow_unattended_resume = true\n\n[alerts.command]\nargv = [\"{}\"]\n",
                self.path("bin/notify").display()
            ),
        )?;
        self.must("credential-proxy", &["init"])?;
        fs::write(
            self.path("export.csv"),
            format!(
                "name,url,username,password,note\nexample.com,https://example.com/,me,{SECRET},\n"
            ),
        )?;
        self.must(
            "credential-proxy",
            &["import", "chrome", &self.path("export.csv").display().to_string()],
        )?;
        self.must("credential-proxy", &["start"])?;
        for n_agent in 0..n_agents {
            self.must("agent-state", &["agent", "register", &agent(n_agent)])?;
        }
        Ok(())
    }

    /// Ends the daemon of this home.
    pub(super) fn stop(&self) {
        let _ = self.run("credential-proxy", &["stop"]);
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The name of an agent.
pub(super) fn agent(n_agent: u64) -> String {
    format!("agent-{n_agent:03}")
}

/// A small generator of choices (splitmix64); the same seed makes the same choices.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `sides`.
    pub(super) fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % sides.max(1)
    }
}
