//! The whole chain in a throw-away home, on this very repository: the first thing that a user sees.
//!
//! Every step prints the command as a user would type it and what it printed, and checks that it
//! did what it says. Nothing outside the throw-away home is touched, and it leaves nothing behind.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};

use crate::run::{build_tools, root};

/// Builds the four tools and tells the story.
pub(crate) fn run() -> Result<()> {
    println!("Building the four tools …");
    let bin = build_tools("dev")?;
    let started = Instant::now();
    let home = tempfile::Builder::new().prefix("agent-plumbing-demo-").tempdir()?;
    let demo = Demo { bin, home: home.path().to_path_buf() };
    let told = demo.tell();
    // The daemon lives in the throw-away home and must not outlive it, whatever went wrong.
    let _ =
        demo.shell("credential-proxy stop").stdout(Stdio::null()).stderr(Stdio::null()).status();
    told?;
    let gone = home.path().to_path_buf();
    home.close().context("cannot remove the throw-away home")?;
    ensure!(!gone.exists(), "the throw-away home is still there");
    println!(
        "\nEvery step did what it says, in {:.1} s. The throw-away home is gone.",
        started.elapsed().as_secs_f64()
    );
    Ok(())
}

struct Demo {
    bin: PathBuf,
    home: PathBuf,
}

/// What a step printed.
struct Seen {
    stdout: String,
    stderr: String,
}

impl Demo {
    fn tell(&self) -> Result<()> {
        self.prepare()?;
        self.identity_and_state()?;
        self.pack()?;
        self.credentials()?;
        self.whole_line()?;
        self.breaker()?;
        self.morning()
    }

    /// What the story's user already had: a repository, a browser export, an agent, a notifier.
    fn prepare(&self) -> Result<()> {
        std::os::unix::fs::symlink(root(), self.home.join("proj"))?;
        fs::write(
            self.home.join("export.csv"),
            "name,url,username,password,note\n\
             github.com,https://github.com/login,octocat,ghp_demo_not_a_real_token_0001,\n\
             registry,https://registry.example/,deploy,\"a \"\"quoted\"\" pass, word\",\n",
        )?;
        self.script(
            "my-agent",
            "#!/bin/sh\n\
             # Stands for your agent: it reads its prompt from stdin and its key from the environment.\n\
             bytes=$(wc -c)\n\
             echo \"agent: run $AGENT_STATE_RUN_ID, a prompt of $bytes bytes, key $GITHUB_TOKEN\"\n",
        )?;
        self.script(
            "notify",
            "#!/bin/sh\n\
             # Stands for a chat message or a pager: one JSON object on stdin, its parts in variables.\n\
             cat > /dev/null\n\
             printf '%s: %s\\n%s\\n' \"$CRON_GUARD_EVENT\" \"$CRON_GUARD_JOB\" \"$CRON_GUARD_TEXT\" >> \"$HOME/alerts\"\n",
        )?;
        let settings = self.home.join(".config/cron-guard");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&settings)?;
        fs::write(
            settings.join("guard.toml"),
            format!(
                "[defaults]\nallow_unattended_resume = true\n\n[alerts.command]\nargv = [\"{}\"]\n",
                self.home.join("bin/notify").display()
            ),
        )?;
        Ok(())
    }

    fn script(&self, name: &str, text: &str) -> Result<()> {
        let folder = self.home.join("bin");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(name), text)?;
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o755))?;
        Ok(())
    }

    fn identity_and_state(&self) -> Result<()> {
        chapter("agent-state: who is who, and no lost update");
        self.step(0, "agent-state agent register reviewer --type cron")?;
        self.step(0, "agent-state agent register deployer --type cron")?;
        self.step(0, "agent-state state set reviewer last_reviewed 41")?;
        say("Two agents read version 1 and both write. One wins, the other is told:");
        self.step(0, "agent-state state set reviewer last_reviewed 42 --if-version 1")?;
        self.step(1, "agent-state state set reviewer last_reviewed 40 --if-version 1")?;
        let seen = self.step(0, "agent-state state get reviewer last_reviewed --raw")?;
        expect(seen.stdout.trim() == "42", "the first writer won")
    }

    fn pack(&self) -> Result<()> {
        chapter("context-pack: this repository in 8,000 tokens");
        let seen = self.step(0, "context-pack ~/proj --budget 8000 -v -o ~/context.md")?;
        expect(seen.stderr.contains("files scanned"), "the summary is on stderr")?;
        let seen = self.step(0, "head -n 12 ~/context.md")?;
        expect(!seen.stdout.is_empty(), "the document is written")?;
        let seen = self.step(0, "context-pack count ~/context.md")?;
        let n_tokens: u32 = seen.stdout.trim().parse().context("count prints one number")?;
        expect(n_tokens <= 8000, "the budget is kept")
    }

    fn credentials(&self) -> Result<()> {
        chapter("credential-proxy: a browser export becomes a vault, and the file is gone");
        self.step(0, "credential-proxy init")?;
        self.step(0, "credential-proxy import chrome ~/export.csv")?;
        expect(
            !self.home.join("export.csv").exists(),
            "the export was deleted after it was read back",
        )?;
        let seen = self.step(0, "credential-proxy get registry.example --field password")?;
        expect(seen.stdout == "a \"quoted\" pass, word\n", "the password comes back exactly")
    }

    fn whole_line(&self) -> Result<()> {
        chapter("The whole crontab line: gate, run, prompt, key, agent");
        let seen = self.step(
            0,
            "cron-guard exec k6-weekly -- agent-state exec reviewer -- context-pack exec ~/proj --budget 8000 -- \
             credential-proxy exec --env GITHUB_TOKEN=github.com -- my-agent",
        )?;
        expect(
            seen.stdout.contains("[redacted:github.com]"),
            "the agent had the key and could not print it",
        )?;
        expect(!seen.stdout.contains("ghp_demo"), "no secret is printed")?;
        let seen = self.step(0, "agent-state run list --job k6-weekly")?;
        expect(seen.stdout.matches("k6-weekly").count() == 1, "one tick is one run")
    }

    fn breaker(&self) -> Result<()> {
        chapter("cron-guard: a broken job fails three times, and then it is quiet");
        let broken = "cron-guard exec nightly -- agent-state exec deployer -- sh -c 'echo registry: certificate expired >&2; exit 7'";
        for _ in 0..3 {
            self.step(7, broken)?;
        }
        say("The fourth tick does not start the job and prints nothing:");
        let seen = self.step(75, broken)?;
        expect(seen.stdout.is_empty() && seen.stderr.is_empty(), "a blocked job is silent")?;
        say("One alert was sent, with the command that resumes the job:");
        let seen = self.step(0, "cat ~/alerts")?;
        expect(seen.stdout.matches("trip: nightly").count() == 1, "exactly one alert")?;
        expect(seen.stdout.contains("certificate expired"), "the alert carries the end of stderr")?;
        expect(seen.stdout.contains("cron-guard resume nightly"), "the alert names the way back")?;
        self.step(1, "cron-guard")?;
        say("The certificate is renewed, and a person resumes the job:");
        self.step(0, "cron-guard resume nightly --reason 'certificate renewed'")?;
        self.step(0, "cron-guard exec nightly -- agent-state exec deployer -- true")?;
        let seen = self.step(0, "cron-guard check nightly && echo the gate is open")?;
        expect(seen.stdout.contains("open"), "the job recovered")
    }

    fn morning(&self) -> Result<()> {
        chapter("Eight in the morning");
        let seen = self.step(0, "agent-state stats")?;
        for line in ["Registered agents:   2", "Completed runs:      2", "Failed runs:         3"] {
            expect(seen.stdout.contains(line), line)?;
        }
        self.step(0, "credential-proxy status")?;
        self.step(0, "cron-guard status")?;
        self.step(0, "credential-proxy stop")?;
        Ok(())
    }

    /// Runs one line as cron would: a shell, HOME, a PATH, and nothing else.
    fn step(&self, exit: i32, line: &str) -> Result<Seen> {
        println!("\n  $ {line}");
        let output = self.shell(line).output().with_context(|| format!("cannot run {line}"))?;
        let seen = Seen { stdout: text(&output.stdout), stderr: text(&output.stderr) };
        print!("{}", indented(&seen.stdout, &self.home));
        print!("{}", indented(&seen.stderr, &self.home));
        if exit != 0 {
            println!("    (exit {})", output.status.code().unwrap_or(-1));
        }
        if output.status.code() != Some(exit) {
            bail!("`{line}` ended with {}, not with exit code {exit}", output.status);
        }
        Ok(seen)
    }

    fn shell(&self, line: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", line])
            .env_clear()
            .env("HOME", &self.home)
            .env(
                "PATH",
                format!(
                    "{}:{}:{}",
                    self.home.join("bin").display(),
                    self.bin.display(),
                    system_path()
                ),
            )
            .current_dir(&self.home)
            .stdin(Stdio::null());
        command
    }
}

/// The caller's PATH, for git; the folders of a plain crontab where there is none.
fn system_path() -> String {
    std::env::var("PATH").unwrap_or_else(|_| "/usr/bin:/bin".to_owned())
}

fn chapter(title: &str) {
    println!("\n── {title}");
}

fn say(text: &str) {
    println!("\n  {text}");
}

fn expect(holds: bool, what: &str) -> Result<()> {
    ensure!(holds, "a step did not do what it says: {what}");
    Ok(())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Output as the reader should see it: indented, and the throw-away home as `~`.
fn indented(output: &str, home: &Path) -> String {
    let mut shown = String::new();
    for line in output.replace(&home.display().to_string(), "~").lines() {
        let _ = writeln!(shown, "    {line}");
    }
    shown
}
