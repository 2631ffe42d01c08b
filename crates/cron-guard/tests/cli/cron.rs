//! A real cron daemon, two and a half minutes of which pass in a second.
//!
//! Debian's cron runs in mount and pid namespaces of its own under libfaketime; nothing of the machine
//! is touched. It needs root, cron and libfaketime, and says so where they are missing; in CI they
//! must be there.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::sandbox::Sandbox;

/// Seconds of the night in one real second; a busy machine may stand still for some, and nothing is late.
const SPEED: i64 = 150;

/// How long a test waits for anything of a night.
pub(crate) const LIMIT: Duration = Duration::from_secs(180);

/// What the night needs, or `None` with a word about what is missing.
pub(crate) fn faketime() -> Option<PathBuf> {
    let library = ["x86_64", "aarch64"]
        .map(|machine| {
            PathBuf::from(format!("/usr/lib/{machine}-linux-gnu/faketime/libfaketime.so.1"))
        })
        .into_iter()
        .find(|path| path.exists());
    let is_root = rustix::process::getuid().is_root();
    let has_cron = Path::new("/usr/sbin/cron").exists() && Path::new("/usr/bin/unshare").exists();
    match library {
        Some(library) if is_root && has_cron => Some(library),
        _ => {
            #[expect(clippy::disallowed_methods, reason = "a test asks where it runs")]
            let is_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
            assert!(!is_ci, "cron, libfaketime, unshare and root are needed in CI");
            #[expect(
                clippy::print_stderr,
                reason = "a skipped test must not look like a passed one"
            )]
            {
                eprintln!(
                    "skipped: a night with real cron needs root, cron, unshare and libfaketime"
                );
            }
            None
        }
    }
}

/// A cron daemon whose night is over when this is dropped.
pub(crate) struct Night {
    unshare: Child,
    began: i64,
    start: i64,
}

impl Night {
    /// The moment of the night, in Unix milliseconds.
    pub(crate) fn now(&self) -> i64 {
        self.start + (now_millis() - self.began) * SPEED
    }

    /// Whether cron has ended, which it should not.
    pub(crate) fn is_over(&mut self) -> bool {
        self.unshare.try_wait().is_ok_and(|end| end.is_some())
    }

    /// Sends a signal to cron itself, the first process of its namespace.
    pub(crate) fn signal_cron(&self, signal: Signal) {
        let pid = self.unshare.id();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        let cron = children.split_whitespace().next().unwrap().parse().unwrap();
        kill_process(Pid::from_raw(cron).unwrap(), signal).unwrap();
    }
}

impl Drop for Night {
    fn drop(&mut self) {
        let _ = kill_process_group(Pid::from_child(&self.unshare), Signal::KILL);
        let _ = self.unshare.wait();
    }
}

fn now_millis() -> i64 {
    use std::time::UNIX_EPOCH;
    #[expect(clippy::disallowed_methods, reason = "the fake clocks are laid on the real one")]
    let now = std::time::SystemTime::now();
    i64::try_from(now.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// Starts cron with these lines; its clock begins at `start` (`None`: now) in the zone `tz`.
pub(crate) fn begin(
    sandbox: &Sandbox,
    library: &Path,
    start: Option<(&str, i64)>,
    tz: &str,
    lines: &[String],
) -> Night {
    let began = now_millis();
    let start_millis = start.map_or(began, |(_, millis)| millis);
    // Cron rebuilds the environment, and each process would start the fake clock anew; so the guard's
    // own clock is set for each tick from how long the night has lasted.
    let tick = sandbox.write(
        "bin/tick",
        format!(
            "#!/bin/sh\nelapsed=$(( $(date +%s%3N) - {began} ))\n\
             export AGENT_PLUMBING_CLOCK=@$(( {start_millis} + elapsed * {SPEED} ))\nexec \"$@\"\n"
        ),
    );
    std::fs::set_permissions(&tick, std::fs::Permissions::from_mode(0o755)).unwrap();
    let guard = Path::new(env!("CARGO_BIN_EXE_cron-guard")).parent().unwrap();
    let home = sandbox.home().display();
    let mut crontab = format!(
        "HOME={home}\nPATH={home}/bin:{}:/usr/bin:/bin\nMAILTO=\"\"\nTZ={tz}\n",
        guard.display()
    );
    if let Some((name, url)) = sandbox.server() {
        crontab.extend([name, "=", url, "\n"]);
    }
    for line in lines {
        crontab.push_str(line);
        crontab.push('\n');
    }
    let crontab = sandbox.write("cron.d/night", crontab);
    std::fs::set_permissions(&crontab, std::fs::Permissions::from_mode(0o644)).unwrap();
    let clock =
        start.map_or_else(|| format!("+0 x{SPEED}"), |(local, _)| format!("@{local} x{SPEED}"));
    let script = format!(
        "mount -t tmpfs none /run && mkdir -p /var/spool/cron && mount -t tmpfs none /var/spool/cron && \
         mkdir -p /var/spool/cron/crontabs /etc/cron.d && mount --bind {} /etc/cron.d && \
         {{ [ ! -e /etc/crontab ] || mount --bind /dev/null /etc/crontab; }} && \
         {{ [ ! -e {} ] || install -m 600 {} /var/spool/cron/crontabs/root; }} && \
         TZ={tz} LD_PRELOAD={} FAKETIME='{clock}' exec cron -f",
        crontab.parent().unwrap().display(),
        sandbox.path("tab").display(),
        sandbox.path("tab").display(),
        library.display()
    );
    let unshare = Command::new("unshare")
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
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    Night { unshare, began, start: start_millis }
}

/// `event job` of each alert, sorted.
pub(crate) fn told(sandbox: &Sandbox) -> Vec<String> {
    let mut told: Vec<String> = sandbox
        .alerts()
        .iter()
        .map(|alert| {
            let job = alert["job"].as_str().unwrap_or_default();
            format!("{} {job}", alert["event"].as_str().unwrap_or_default()).trim().to_owned()
        })
        .collect();
    told.sort();
    told
}

#[track_caller]
pub(crate) fn wait_for(
    what: &str,
    limit: Duration,
    sandbox: &Sandbox,
    mut condition: impl FnMut() -> bool,
) {
    let until = Instant::now() + limit;
    while !condition() {
        assert!(Instant::now() < until, "waited for {what}; told: {:?}", told(sandbox));
        std::thread::sleep(Duration::from_millis(50));
    }
}

pub(crate) fn n_runs(sandbox: &Sandbox, job: &str) -> i64 {
    let count = "SELECT count(*) FROM runs WHERE job = ?1";
    sandbox.fleet().read("count", |c| c.query_row(count, [job], |row| row.get(0))).unwrap()
}
