//! The crontab line under a real cron daemon, whose minutes pass in seconds.
//!
//! Debian's cron runs in mount and pid namespaces of its own with a clock that libfaketime speeds up; nothing
//! on the machine is touched. It needs root, cron and libfaketime.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};

use e2e::{have, wait_for};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::sandbox;

fn libfaketime() -> Option<PathBuf> {
    [
        "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
        "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
    ]
    .iter()
    .map(PathBuf::from)
    .find(|path| path.exists())
}

/// Ends cron and its namespaces when the story is over, however it ends.
struct Cron(std::process::Child);

impl Drop for Cron {
    fn drop(&mut self) {
        let _ = kill_process_group(Pid::from_child(&self.0), Signal::KILL);
        let _ = self.0.wait();
    }
}

#[test]
fn a_crontab_line_runs_as_written_under_a_real_cron_daemon() {
    if !have(&["cron", "unshare", "mount"]) {
        return;
    }
    let Some(faketime) = libfaketime() else {
        have(&["/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"]);
        return;
    };
    if !rustix::process::getuid().is_root() {
        return;
    }
    let home = sandbox();
    home.vault();
    home.write("proj/README.md", "# A project\n\nIts one page.\n");
    home.program("my-agent", "#!/bin/sh\ncat > \"$HOME/prompt.$AGENT_STATE_RUN_ID\"\n[ -n \"$GITHUB_TOKEN\" ] && echo tick >> \"$HOME/ticks\"\n");
    let crontab = home.write(
        "cron.d/agents",
        &format!(
            "HOME={home}\nPATH={path}\n\
             * * * * * root cron-guard exec k6-weekly -- agent-state exec reviewer -- context-pack exec ~/proj --budget 32000 -- credential-proxy exec --env GITHUB_TOKEN=github.com -- my-agent\n",
            home = home.home().display(),
            path = home.path(),
        ),
    );
    let folder = crontab.parent().unwrap_or(Path::new("/"));
    let script = format!(
        "mount -t tmpfs none /run && mkdir -p /var/spool/cron/crontabs && mount -t tmpfs none /var/spool/cron && \
         mkdir -p /var/spool/cron/crontabs /etc/cron.d && mount --bind {} /etc/cron.d && \
         {{ [ ! -e /etc/crontab ] || mount --bind /dev/null /etc/crontab; }} && \
         LD_PRELOAD={} FAKETIME='+0 x30' exec cron -f",
        folder.display(),
        faketime.display()
    );
    let cron = std::process::Command::new("unshare")
        .args([
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "/bin/sh",
            "-c",
            &script,
        ])
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(fs::File::create(home.home().join("cron.log")).expect("a log"))
        .process_group(0)
        .spawn()
        .expect("unshare runs");
    let _cron = Cron(cron);
    wait_for("three ticks", || (home.read("ticks").lines().count() >= 3).then_some(()));
    let runs = home.rows("agent-state run list --job k6-weekly --json");
    let completed = runs.iter().filter(|run| run["status"] == "completed").count();
    assert!(completed >= 2, "{runs:?}");
    let prompts = fs::read_dir(home.home())
        .expect("a home")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with("prompt."))
        .count();
    assert!(prompts >= completed, "one run a tick: {prompts} prompts, {runs:?}");
}
