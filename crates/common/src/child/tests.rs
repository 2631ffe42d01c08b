//! Real children of sh: exact exit codes, whole trees killed, streams that arrive whole.

use super::*;
use crate::turn;
use std::process::Stdio;

pub(super) fn sh(script: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]).stdin(Stdio::null());
    command
}

pub(super) fn run(supervisor: Supervisor<'_>, command: Command) -> Fate {
    supervisor.start(command).unwrap().wait().unwrap()
}

#[test]
fn the_exit_code_and_the_signal_of_a_child_are_passed_on_exactly() {
    let _turn = turn::alone();
    assert_eq!(run(Supervisor::new(), sh("exit 0")).exit(), Exit::Code(0));
    assert_eq!(run(Supervisor::new(), sh("exit 75")).exit(), Exit::Code(75));
    assert_eq!(run(Supervisor::new(), sh("kill -9 $$")).exit(), Exit::Signal(9));
}

#[test]
fn a_command_that_is_absent_or_not_executable_has_its_own_code() {
    use crate::report::Explain as _;
    let _turn = turn::alone();
    for (command, exit) in
        [("/nonexistent/command", Exit::NotFound), ("/etc/passwd", Exit::NotExecutable)]
    {
        let error = Supervisor::new().start(Command::new(command)).err().unwrap();
        assert_eq!(error.exit(), exit);
    }
}

#[test]
fn on_timeout_the_whole_tree_dies_daemons_and_term_ignorers_included() {
    let _turn = turn::alone();
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    // The file is complete before the time runs out, or the assertion on its lines fails.
    let script = format!(
        "trap '' TERM; (setsid sh -c 'echo $$; exec sleep 300' >> {0}) & (sh -c 'echo $$; exec sleep 300' >> {0}) & echo $$ >> {0}; wait; sleep 300",
        pids.display()
    );
    let fate = run(
        Supervisor::new()
            .with_timeout(Some(Duration::from_secs(3)))
            .with_grace(Duration::from_millis(200)),
        sh(&script),
    );
    assert_eq!(fate.exit(), Exit::TimedOut);
    let pids = std::fs::read_to_string(pids).unwrap();
    assert_eq!(pids.lines().count(), 3);
    for pid in pids.lines() {
        let pid = Pid::from_raw(pid.parse().unwrap()).unwrap();
        assert!(rustix::process::test_kill_process(pid).is_err(), "{pid:?} is alive");
    }
}

#[test]
fn what_the_child_writes_arrives_whole_and_the_tail_keeps_the_end() {
    let _turn = turn::alone();
    let mut tail = Tail::new(8);
    let mut n_bytes = 0;
    let mut command =
        sh("i=0; while [ $i -lt 3000 ]; do echo line-$i; i=$((i+1)); done; echo the-end >&2");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = Supervisor::new().start(command).unwrap();
    let stdout = running.child.stdout.take().unwrap();
    let stderr = running.child.stderr.take().unwrap();
    running.read(Stream::new(stdout, None, |piece| n_bytes += piece.len()));
    running.read(Stream::new(stderr, None, |piece| tail.push(piece)));
    assert_eq!(running.wait().unwrap().exit(), Exit::Code(0));
    assert_eq!(n_bytes, 10 * 7 + 90 * 8 + 900 * 9 + 2000 * 10);
    assert_eq!(tail.text(), "the-end\n");
}

#[test]
fn a_grandchild_that_keeps_the_pipe_open_does_not_hold_us() {
    let _turn = turn::alone();
    let mut command = sh("sleep 30 & echo done");
    command.stdout(Stdio::piped());
    let started = Instant::now();
    let mut seen = Vec::new();
    let mut running = Supervisor::new().start(command).unwrap();
    let group = Pid::from_child(&running.child);
    let stdout = running.child.stdout.take().unwrap();
    running.read(Stream::new(stdout, None, |piece| seen.extend_from_slice(piece)));
    assert_eq!(running.wait().unwrap().exit(), Exit::Code(0));
    assert_eq!(seen, b"done\n");
    assert!(started.elapsed() < Duration::from_secs(20));
    let _ = kill_process_group(group, Signal::KILL);
}

#[test]
fn a_watch_can_end_the_child() {
    let _turn = turn::alone();
    let fate = run(
        Supervisor::new().with_watch(Duration::from_millis(20), || Watch::Stop),
        sh("sleep 300"),
    );
    assert!(fate.stopped && !fate.timed_out);
    assert_eq!(fate.exit(), Exit::Signal(libc::SIGTERM));
}

#[test]
fn a_filter_sees_every_piece_and_the_end_and_a_slow_reader_loses_nothing() {
    let _turn = turn::alone();
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command = sh("seq 1 60000");
    command.stdout(Stdio::piped());
    let slow = std::thread::spawn(move || {
        // Longer than the child lives: its last output waits in its pipe.
        std::thread::sleep(Duration::from_millis(300));
        let mut text = String::new();
        std::io::Read::read_to_string(&mut &reader, &mut text).unwrap();
        text
    });
    let mut running = Supervisor::new().start(command).unwrap();
    let stdout = running.child.stdout.take().unwrap();
    let filter = |piece: Option<&[u8]>| piece.map_or_else(|| b"the-end".to_vec(), <[u8]>::to_vec);
    running.read(
        Stream::new(stdout, Some(std::os::fd::AsFd::as_fd(&writer)), |_| ()).with_filter(filter),
    );
    assert_eq!(running.wait().unwrap().exit(), Exit::Code(0));
    drop(writer);
    let text = slow.join().unwrap();
    assert_eq!(text.lines().count(), 60_001);
    assert!(text.ends_with("60000\nthe-end"));
}
