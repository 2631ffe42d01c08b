//! A disk that fills up under a fleet database, and is emptied again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::ledger::Ledger;
use super::world::World;

/// A small disk of its own; unmounted when dropped.
struct Disk(PathBuf);

impl Disk {
    /// `None` without the right to mount.
    fn mount(place: PathBuf) -> Option<Self> {
        fs::create_dir_all(&place).ok()?;
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m,mode=700", "none"])
            .arg(&place)
            .stderr(Stdio::null())
            .status();
        status.is_ok_and(|status| status.success()).then_some(Self(place))
    }

    /// Takes all but a few pages, so that the next writes meet the end of the disk in their midst.
    fn fill(&self, n_left: usize) {
        let filler = self.0.join("filler");
        let mut size = 1 << 20;
        while size > 0 && fs::write(&filler, vec![0; size]).is_err() {
            size -= 4096;
        }
        let _ = fs::write(&filler, vec![0; size.saturating_sub(n_left * 4096)]);
    }

    fn empty(&self) {
        let _ = fs::remove_file(self.0.join("filler"));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).stderr(Stdio::null()).status();
    }
}

/// Fills the disk again and again while values are written and a job is run. What was acknowledged stays, what
/// was not is told as an error that somebody can act on, and with room again everything goes on.
pub(super) fn fill_and_empty(world: &World, ledger: &Ledger) {
    let Some(disk) = Disk::mount(world.path("small")) else {
        ledger.count("full disks passed over: mounting needs root");
        return;
    };
    let database = disk.0.join("state.db");
    let code = |output: Option<Output>| output.and_then(|output| output.status.code());
    let state = |args: &[&str]| code(on(world, &database, "agent-state", args));
    if state(&["agent", "register", "scribe"]) != Some(0) {
        ledger.violation("a small disk takes no database".to_owned());
        return;
    }
    let mut acknowledged = 0;
    for n_left in [0, 1, 2, 3, 5, 8, 13, 21] {
        disk.fill(n_left);
        for _ in 0..6 {
            let next = (acknowledged + 1).to_string();
            match state(&["state", "set", "scribe", "page", &next]) {
                Some(0) => acknowledged += 1,
                Some(3) => ledger.count("writes refused by a full disk"),
                other => ledger.violation(format!("a write on a full disk gave {other:?}")),
            }
        }
        // A job of tier low runs although nobody can write down that it did.
        match code(on(world, &database, "cron-guard", &["exec", "small", "--", "true"])) {
            Some(0) => ledger.count("jobs run beside a full disk"),
            other => ledger.violation(format!("a job beside a full disk gave {other:?}")),
        }
        disk.empty();
        if state(&["state", "set", "scribe", "page", &(acknowledged + 1).to_string()]) != Some(0) {
            ledger.violation("an emptied disk takes no write".to_owned());
            return;
        }
        acknowledged += 1;
        let output =
            on(world, &database, "agent-state", &["state", "get", "scribe", "page", "--json"]);
        let kept = output
            .and_then(|output| serde_json::from_slice::<serde_json::Value>(&output.stdout).ok())
            .and_then(|row| row["version"].as_i64());
        if kept != Some(acknowledged) {
            ledger.violation(format!(
                "{acknowledged} writes were acknowledged, and {kept:?} are there"
            ));
        }
    }
    ledger.count("disks filled up and emptied");
}

/// What a command on this database gives, spared by the chaos.
fn on(world: &World, database: &Path, tool: &str, args: &[&str]) -> Option<Output> {
    let mut command = world.tool(tool, args);
    command.env("AGENT_STATE_DB", database).env("SOAK_CALM", "1");
    command.output().ok()
}
