//! Children, signals and moments that a supervisor does not choose: each must end, and end rightly.
//!
//! Some cases need a supervisor that is a process of its own. The test binary is then run again with
//! `SCRIPT` set, and [`role`] runs that script as a tool would instead of testing anything.

mod streams;

use std::fs;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::thread;

use super::tests::{run, sh};
use super::*;
use crate::{environment, stat, sys, turn};

const SCRIPT: &str = "COMMON_TEST_CHILD";

/// Ends the whole test process when the test takes too long: a hang must not hang the suite.
struct Watchdog(mpsc::Sender<()>);

impl Watchdog {
    fn new() -> Self {
        let (done, is_done) = mpsc::channel();
        let test = thread::current().name().unwrap_or_default().to_owned();
        thread::spawn(move || {
            let answer = is_done.recv_timeout(Duration::from_secs(180));
            if answer == Err(mpsc::RecvTimeoutError::Timeout) {
                let _ = writeln!(std::io::stderr(), "a supervisor hangs in {test}");
                std::process::abort();
            }
        });
        Self(done)
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

/// A supervisor in a process of its own, which runs `script` and leaves as a tool would.
fn supervisor_process(script: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "child::hostile::role", "--nocapture"])
        .env(SCRIPT, script)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    sys::start_with_default_signals(&mut command);
    command
}

/// Not a test: what the processes of the other tests do.
#[test]
#[expect(clippy::disallowed_methods, clippy::exit, reason = "the role ends like a tool")]
fn role() {
    let Some(script) = environment::text(SCRIPT) else { return };
    let fate = run(Supervisor::new(), sh(&script));
    if let Exit::Signal(signal) = fate.exit() {
        sys::die_of(signal);
    }
    std::process::exit(fate.exit().code().into());
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < until, "{what} did not come true");
        thread::sleep(Duration::from_millis(2));
    }
}

fn send(child: &Child, signal: Signal) {
    rustix::process::kill_process(Pid::from_child(child), signal).unwrap();
}

/// The state of a process as one letter; `None` when there is none.
fn state_of(pid: &str) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).ok()?;
    stat::fields(&stat)?.next()?.chars().next()
}

fn pseudo_terminal() -> (OwnedFd, OwnedFd) {
    use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let outer = openpt(flags).unwrap();
    grantpt(&outer).unwrap();
    unlockpt(&outer).unwrap();
    let inner = ioctl_tiocgptpeer(&outer, flags).unwrap();
    (outer, inner)
}

#[test]
fn after_term_everybody_in_the_group_has_the_grace_time_not_only_the_first() {
    let (_turn, _dog) = (turn::alone(), Watchdog::new());
    let folder = tempfile::tempdir().unwrap();
    let (ready, saved) = (folder.path().join("ready"), folder.path().join("saved"));
    // The shell in front dies of TERM at once; the one behind it cleans up.
    let script = format!(
        "sh -c 'trap \"sleep 0.3; echo saved > {}; exit 0\" TERM; : > {}; while :; do sleep 0.05; done'; true",
        saved.display(),
        ready.display()
    );
    let look = || if ready.exists() { Watch::Stop } else { Watch::GoOn };
    let fate = run(
        Supervisor::new()
            .with_watch(Duration::from_millis(10), look)
            .with_grace(Duration::from_secs(15)),
        sh(&script),
    );
    assert!(fate.stopped);
    assert_eq!(fs::read_to_string(&saved).unwrap(), "saved\n");
}

#[test]
fn a_child_that_somebody_else_collected_is_an_error_and_not_a_hang() {
    let (_turn, _dog) = (turn::alone(), Watchdog::new());
    let mut running = Supervisor::new().start(sh("exit 3")).unwrap();
    running.child.wait().unwrap();
    assert!(running.wait().is_err());
}

#[test]
fn the_longest_and_the_shortest_durations_are_accepted() {
    let (_turn, _dog) = (turn::alone(), Watchdog::new());
    let fate = run(
        Supervisor::new()
            .with_timeout(Some(Duration::MAX))
            .with_grace(Duration::MAX)
            .with_watch(Duration::MAX, || Watch::Stop),
        sh("exit 4"),
    );
    assert_eq!(fate.exit(), Exit::Code(4));
    let fate = run(
        Supervisor::new().with_timeout(Some(Duration::ZERO)).with_grace(Duration::MAX),
        sh("sleep 60"),
    );
    assert_eq!(fate.exit(), Exit::TimedOut);
}

#[test]
fn a_supervisor_that_was_started_with_sigchld_blocked_sees_the_end_of_its_child() {
    let (_turn, _dog) = (turn::beside_others(), Watchdog::new());
    let mut command = supervisor_process("sleep 0.1; exit 9");
    sys::start_with_blocked(&mut command, libc::SIGCHLD);
    assert_eq!(command.spawn().unwrap().wait().unwrap().code(), Some(9));
}

#[test]
fn term_ends_a_child_that_has_stopped_itself() {
    let (_turn, _dog) = (turn::beside_others(), Watchdog::new());
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    let script = format!("echo $$ > {}; kill -STOP $$; exit 1", pid.display());
    let mut supervisor = supervisor_process(&script).spawn().unwrap();
    wait_until("the stop", || {
        fs::read_to_string(&pid).is_ok_and(|pid| state_of(&pid) == Some('T'))
    });
    send(&supervisor, Signal::TERM);
    assert_eq!(supervisor.wait().unwrap().signal(), Some(libc::SIGTERM));
}

#[test]
fn the_death_of_the_supervisor_is_the_death_of_the_child() {
    let (_turn, _dog) = (turn::beside_others(), Watchdog::new());
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    let script =
        format!("trap '' TERM HUP; echo $$ > {0}.new; mv {0}.new {0}; sleep 60", pid.display());
    let mut supervisor = supervisor_process(&script).spawn().unwrap();
    wait_until("the child", || pid.exists());
    send(&supervisor, Signal::KILL);
    supervisor.wait().unwrap();
    let pid = fs::read_to_string(&pid).unwrap();
    wait_until("its death", || matches!(state_of(&pid), None | Some('Z')));
}

#[test]
fn every_signal_of_a_child_is_that_of_the_supervisor() {
    let (_turn, _dog) = (turn::beside_others(), Watchdog::new());
    let signals = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 31, 34, 64];
    let start = |script: String| supervisor_process(&script).spawn().unwrap();
    let mut killed: Vec<_> = signals.iter().map(|n| start(format!("kill -{n} $$"))).collect();
    for (signal, supervisor) in signals.iter().zip(&mut killed) {
        assert_eq!(supervisor.wait().unwrap().signal(), Some(*signal));
    }
}

#[test]
fn every_code_of_a_child_is_that_of_the_supervisor() {
    let (_turn, _dog) = (turn::alone(), Watchdog::new());
    for code in 0..=255 {
        assert_eq!(run(Supervisor::new(), sh(&format!("exit {code}"))).end, End::Code(code));
    }
}

#[test]
fn a_signal_at_any_moment_is_forwarded_or_ends_a_supervisor_that_has_no_child() {
    let (_turn, _dog) = (turn::beside_others(), Watchdog::new());
    for n_steps in 0..40_u64 {
        let mut supervisor =
            supervisor_process("exec sleep 60").stderr(Stdio::null()).spawn().unwrap();
        thread::sleep(Duration::from_micros(n_steps * 250));
        send(&supervisor, Signal::TERM);
        assert_eq!(supervisor.wait().unwrap().signal(), Some(libc::SIGTERM), "{n_steps}");
    }
}

#[test]
fn what_nohup_ignores_stays_ignored_for_the_child_too() {
    let (_turn, _dog) = (turn::beside_others(), Watchdog::new());
    let binary = std::env::current_exe().unwrap();
    let mut command = sh(&format!(
        "trap '' HUP; exec {} --exact child::hostile::role --nocapture",
        binary.display()
    ));
    command.env(SCRIPT, "kill -HUP $PPID; kill -HUP $$; exit 6").stdout(Stdio::null());
    assert_eq!(command.status().unwrap().code(), Some(6));
}

#[test]
fn a_child_that_wants_the_terminal_gets_it_although_our_stdin_is_a_pipe() {
    let (_turn, _dog) = (turn::beside_others(), Watchdog::new());
    let (outer, inner) = pseudo_terminal();
    let folder = tempfile::tempdir().unwrap();
    let heard = folder.path().join("heard");
    let script = format!("read -r word < /dev/tty; echo $word > {}; exit 5", heard.display());
    let mut command = supervisor_process(&script);
    sys::lead_session(&mut command, inner);
    let mut supervisor = command.spawn().unwrap();
    rustix::io::write(&outer, b"word\n").unwrap();
    assert_eq!(supervisor.wait().unwrap().code(), Some(5));
    assert_eq!(fs::read_to_string(&heard).unwrap(), "word\n");
}

#[test]
fn a_child_that_waits_for_the_terminal_gets_it_when_we_come_to_the_foreground() {
    let (_turn, _dog) = (turn::beside_others(), Watchdog::new());
    let (outer, inner) = pseudo_terminal();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let (pid, go, heard) = (file("pid"), file("go"), file("heard"));
    let role = supervisor_process("").get_program().to_owned();
    let mut shell = sh(&format!(
        "set -m; {} --exact child::hostile::role --nocapture & \
         until [ -e {} ]; do sleep 0.01; done; fg; exit $?",
        role.display(),
        go.display()
    ));
    shell
        .env(
            SCRIPT,
            format!(
                "echo $$ > {}; read -r word < /dev/tty; echo $word > {}; exit 5",
                pid.display(),
                heard.display()
            ),
        )
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    sys::lead_session(&mut shell, inner);
    let mut shell = shell.spawn().unwrap();
    wait_until("the stop", || {
        fs::read_to_string(&pid).is_ok_and(|pid| state_of(&pid) == Some('T'))
    });
    drop(fs::File::create(&go).unwrap());
    rustix::io::write(&outer, b"word\n").unwrap();
    assert_eq!(shell.wait().unwrap().code(), Some(5));
    assert_eq!(fs::read_to_string(&heard).unwrap(), "word\n");
}
