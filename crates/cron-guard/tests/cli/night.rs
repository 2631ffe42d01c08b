//! A night with a real cron daemon, five minutes of which pass in a second.
//!
//! Debian's cron runs in mount and pid namespaces of its own under libfaketime; nothing of the machine
//! is touched. It needs root, cron and libfaketime, and says so where they are missing; in CI they
//! must be there.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::sandbox::Sandbox;

/// Seconds of the night in one real second.
const SPEED: u64 = 300;

/// What the night needs, or `None` with a word about what is missing.
fn faketime() -> Option<PathBuf> {
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
struct Night(Child);

impl Drop for Night {
    fn drop(&mut self) {
        let _ = kill_process_group(Pid::from_child(&self.0), Signal::KILL);
        let _ = self.0.wait();
    }
}

fn now_millis() -> i64 {
    use std::time::UNIX_EPOCH;
    #[expect(clippy::disallowed_methods, reason = "the fake clocks are laid on the real one")]
    let now = std::time::SystemTime::now();
    i64::try_from(now.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// Starts cron with these lines; its clock begins at `start` (`None`: now) in the zone `tz`.
fn begin(
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
    let cron = Command::new("unshare")
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
    Night(cron)
}

/// `event job` of each alert, sorted.
fn told(sandbox: &Sandbox) -> Vec<String> {
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
fn wait_for(what: &str, limit: Duration, sandbox: &Sandbox, mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + limit;
    while !condition() {
        assert!(Instant::now() < until, "waited for {what}; told: {:?}", told(sandbox));
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn n_runs(sandbox: &Sandbox, job: &str) -> i64 {
    let db = sandbox.path(".local/state/agent-state/state.db");
    let Ok(connection) = rusqlite::Connection::open(db) else { return 0 };
    connection
        .query_row("SELECT count(*) FROM runs WHERE job = ?1", [job], |row| row.get(0))
        .unwrap_or(0)
}

#[test]
fn a_night_with_twenty_jobs_ends_with_exactly_the_alerts_that_should_be_there() {
    let Some(library) = faketime() else { return };
    let sandbox = Sandbox::new();
    let mut settings = String::from("[defaults]\nallow_unattended_resume = true\ngrace = \"9m\"\n");
    let mut lines = Vec::new();
    for n in 1..=16 {
        let _ = write!(settings, "[job.fine-{n}]\nschedule = \"*/10 * * * *\"\ntz = \"UTC\"\n");
        lines.push(format!("*/10 * * * * root tick cron-guard exec fine-{n} -- true"));
    }
    settings.push_str(
        "[job.broken]\nevery = \"10m\"\n[job.hanging]\nevery = \"10m\"\n\
         [job.late]\nevery = \"10m\"\n[job.spender]\nevery = \"10m\"\nbudget = [\"runs=5/24h\"]\n",
    );
    sandbox.settings(&settings);
    sandbox.write("broken", "");
    lines.push(
        "*/10 * * * * root tick cron-guard exec broken -- sh -c '[ ! -e broken ]'".to_owned(),
    );
    lines.push(
        "*/10 * * * * root tick cron-guard exec hanging --timeout 0.5 -- sleep 300".to_owned(),
    );
    lines.push("*/10 * * * * root tick cron-guard exec spender -- true".to_owned());
    lines.push("*/5 * * * * root tick cron-guard".to_owned());
    // It ran in the evening, and its line has been lost since.
    sandbox.exec("late", "true").silent(0);
    let mut night = begin(&sandbox, &library, None, "UTC", &lines);
    let wrong =
        ["budget spender", "budget_warning spender", "late late", "trip broken", "trip hanging"];
    wait_for("the night's alerts", Duration::from_secs(60), &sandbox, || {
        told(&sandbox).len() >= wrong.len() || night.0.try_wait().is_ok_and(|end| end.is_some())
    });
    assert_eq!(told(&sandbox), wrong);
    // In the morning somebody repairs the one and resumes it.
    std::fs::remove_file(sandbox.path("broken")).unwrap();
    sandbox.guard("resume broken --reason repaired").silent(0);
    wait_for("the recovery", Duration::from_secs(60), &sandbox, || {
        told(&sandbox).len() > wrong.len()
    });
    let before = n_runs(&sandbox, "fine-1");
    wait_for("two more ticks", Duration::from_secs(60), &sandbox, || {
        n_runs(&sandbox, "fine-1") >= before + 2
    });
    drop(night);
    let mut all: Vec<&str> = wrong.to_vec();
    all.insert(3, "recovered broken");
    assert_eq!(told(&sandbox), all, "and nothing else, however often the blocked ticks came");
    assert!(n_runs(&sandbox, "fine-16") >= 4);
}

#[test]
fn on_the_day_that_lacks_an_hour_the_nightly_job_runs_once_and_is_not_late() {
    let Some(library) = faketime() else { return };
    let sandbox = Sandbox::new();
    sandbox.settings(
        "[job.nightly]\nschedule = \"30 2 * * *\"\ntz = \"Europe/Berlin\"\ngrace = \"10m\"\n",
    );
    let lines = [
        "30 2 * * * root tick cron-guard exec nightly -- true".to_owned(),
        "*/5 * * * * root tick cron-guard exec minutely -- true".to_owned(),
        "1-59/5 * * * * root tick cron-guard".to_owned(),
    ];
    // 01:40 of 29 March 2026 in Berlin, 20 minutes before the clocks go forward.
    let start = 1_774_744_800_000;
    let _night =
        begin(&sandbox, &library, Some(("2026-03-29 01:40:00", start)), "Europe/Berlin", &lines);
    wait_for("an hour of ticks", Duration::from_secs(60), &sandbox, || {
        n_runs(&sandbox, "minutely") >= 12
    });
    assert_eq!(n_runs(&sandbox, "nightly"), 1);
    assert!(told(&sandbox).is_empty(), "{:?}", told(&sandbox));
}

#[test]
fn a_wrapped_crontab_does_under_real_cron_what_it_did_and_every_line_is_on_record() {
    let Some(library) = faketime() else { return };
    let sandbox = Sandbox::new();
    let home = sandbox.home().display().to_string();
    let text = format!(
        "# What people have.\nHOME={home}\nMAILTO=\"\"\n\
         * * * * * cat > input%first%second\n\
         * * * * * echo \"it's $((1+1))\" | tr a-z A-Z > piped; exit 3\n\
         * * * * * /bin/date +\\%Y > percent\n\
         @hourly true\n"
    );
    sandbox.write("tab", &text);
    let installed = sandbox.guard("crontab --install --file tab").code(0);
    assert!(installed.stdout.contains("Wrapped: 4"), "{installed:?}");
    let _night = begin(&sandbox, &library, None, "UTC", &[]);
    for job in ["cat", "echo", "date"] {
        wait_for(job, Duration::from_secs(60), &sandbox, || n_runs(&sandbox, job) >= 1);
    }
    let read = |name: &str| std::fs::read_to_string(sandbox.path(name)).unwrap_or_default();
    wait_for("what the lines write", Duration::from_secs(60), &sandbox, || {
        read("input").starts_with("first\nsecond")
            && read("piped") == "IT'S 2\n"
            && read("percent").len() == 5
    });
    wait_for("the exit code of a list", Duration::from_secs(60), &sandbox, || {
        sandbox.job("echo")["streak"].as_i64() >= Some(1)
    });
    assert_eq!(sandbox.guard("crontab --uninstall --file tab").code(0).stdout, "Unwrapped: 4\n");
    assert_eq!(read("tab"), text);
}
