//! A real cron daemon in namespaces of its own, whose clock libfaketime speeds up.
//!
//! Nothing on the machine is touched. It needs root, cron, unshare and libfaketime.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::{Sandbox, have};

/// A cron daemon that ends when this is dropped.
pub struct Cron {
    unshare: Child,
    began: Instant,
    speed: u32,
}

impl Cron {
    /// Starts a daemon for one user's crontab. A second of this machine is `speed` of its seconds, and it begins at
    /// `start`, in Unix milliseconds. `None`, with a word, where something is missing; in CI that fails.
    ///
    /// Cron rebuilds the environment of what it starts, so the shell of the crontab sets the clock of the tools anew
    /// for each line.
    pub fn begin(sandbox: &Sandbox, crontab: &str, speed: u32, start: i64) -> Option<Self> {
        let library = faketime()?;
        let home = sandbox.home().display();
        sandbox.program(
            "sh-with-clock",
            &format!(
                "#!/bin/sh\n\
                 elapsed=$(( $(date +%s%3N) - $(cat {home}/began) ))\n\
                 export AGENT_PLUMBING_CLOCK=@$(( {start} + elapsed * {speed} ))\n\
                 exec /bin/sh \"$@\"\n"
            ),
        );
        let crontab = sandbox.write(
            "spool/root",
            &format!(
                "SHELL={home}/bin/sh-with-clock\nHOME={home}\nPATH={}\n{crontab}",
                sandbox.path()
            ),
        );
        fs::set_permissions(&crontab, fs::Permissions::from_mode(0o600)).expect("a crontab");
        sandbox.write("cron.d/.keep", "");
        let script = format!(
            "mount -t tmpfs none /run && mkdir -p /var/spool/cron && mount -t tmpfs none /var/spool/cron && \
             mkdir -p /var/spool/cron/crontabs /etc/cron.d && mount --bind {home}/cron.d /etc/cron.d && \
             {{ [ ! -e /etc/crontab ] || mount --bind /dev/null /etc/crontab; }} && \
             install -m 600 {home}/spool/root /var/spool/cron/crontabs/root && \
             date +%s%3N > {home}/began && \
             TZ=UTC LD_PRELOAD={} FAKETIME=\"@$(date -u -d @{} '+%F %T') x{speed}\" exec cron -f",
            library.display(),
            start / 1000
        );
        let log = fs::File::create(sandbox.home().join("cron.log")).expect("a log");
        let unshare = Command::new("unshare")
            .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "/bin/sh", "-c"])
            .arg(&script)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0)
            .spawn()
            .expect("unshare runs");
        Some(Self { unshare, began: Instant::now(), speed })
    }

    /// How many of cron's minutes have passed.
    pub fn minutes(&self) -> u64 {
        self.began.elapsed().as_secs() * u64::from(self.speed) / 60
    }
}

impl Drop for Cron {
    fn drop(&mut self) {
        let _ = kill_process_group(Pid::from_child(&self.unshare), Signal::KILL);
        let _ = self.unshare.wait();
    }
}

fn faketime() -> Option<PathBuf> {
    let paths = [
        "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
        "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
    ];
    let found = paths.iter().find(|path| Path::new(path).exists()).copied();
    let is_there = have(&["cron", "unshare", "mount", found.unwrap_or(paths[0])]);
    found.map(PathBuf::from).filter(|_| is_there && rustix::process::getuid().is_root())
}
