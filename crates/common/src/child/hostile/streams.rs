//! Readers that are slow, gone, or do not read at all, and writers that never stop.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::thread;

use super::super::tests::sh;
use super::super::*;
use super::{Watchdog, pseudo_terminal};
use crate::turn;

/// A pipe that is full, and whose reader does not read.
fn full_pipe() -> (std::io::PipeReader, std::io::PipeWriter) {
    let (reader, writer) = std::io::pipe().unwrap();
    rustix::io::ioctl_fionbio(&writer, true).unwrap();
    while rustix::io::write(&writer, &[b'.'; 4096]).is_ok() {}
    rustix::io::ioctl_fionbio(&writer, false).unwrap();
    (reader, writer)
}

/// Starts `script` with its stdout as a pipe, and gives that.
fn start<'a>(supervisor: Supervisor<'a>, script: &str) -> (Running<'a>, OwnedFd) {
    let mut command = sh(script);
    command.stdout(Stdio::piped());
    let mut running = supervisor.start(command).unwrap();
    let stdout = running.child.stdout.take().unwrap().into();
    (running, stdout)
}

/// A supervisor with a time limit.
fn limited<'a>(limit: Duration) -> Supervisor<'a> {
    Supervisor::new().with_timeout(Some(limit)).with_grace(Duration::from_millis(100))
}

/// A time limit for a child that does not end before it.
const SHORT: Duration = Duration::from_millis(300);

/// Runs `script` under a time limit with its stdout passed on to `target`.
fn run_limited(limit: Duration, script: &str, target: BorrowedFd<'_>) -> Exit {
    let (mut running, stdout) = start(limited(limit), script);
    running.read(Stream::new(stdout, Some(target), |_| ()));
    running.wait().unwrap().exit()
}

#[test]
fn a_grandchild_that_never_stops_writing_does_not_hold_us() {
    let (_turn, _dog) = (turn::alone(), Watchdog::new());
    let folder = tempfile::tempdir().unwrap();
    let ending = folder.path().join("ending");
    let script = format!("yes & sleep 0.1; : > {}; exit 3", ending.display());
    let (mut running, stdout) = start(Supervisor::new(), &script);
    let mut n_bytes = 0;
    // Slower than the writer, so that there is always more.
    running.read(Stream::new(stdout, None, |piece| {
        n_bytes += if ending.exists() { piece.len() } else { 0 };
        thread::sleep(Duration::from_millis(1));
    }));
    assert_eq!(running.wait().unwrap().exit(), Exit::Code(3));
    assert!(n_bytes < 8 << 20, "{n_bytes} bytes were waited for");
}

#[test]
fn what_a_background_job_says_after_the_end_of_the_child_arrives_and_does_not_hold_us() {
    let (_turn, _dog) = (turn::alone(), Watchdog::new());
    let folder = tempfile::tempdir().unwrap();
    let go = folder.path().join("go");
    let (mut reader, writer) = std::io::pipe().unwrap();
    let script = format!(
        "(while [ ! -e {} ]; do sleep 0.05; done; seq 1 20000; echo late) & echo now",
        go.display()
    );
    let (mut running, stdout) = start(Supervisor::new(), &script);
    running.read(Stream::new(stdout, Some(writer.as_fd()), |_| ()));
    assert_eq!(running.wait().unwrap().exit(), Exit::Code(0));
    drop(writer);
    fs::File::create(&go).unwrap();
    let mut said = String::new();
    // This ends only because the one who copies holds nothing but the two ends, and goes with the job.
    reader.read_to_string(&mut said).unwrap();
    assert_eq!(said.lines().count(), 20_002);
    assert!(said.starts_with("now\n1\n") && said.ends_with("20000\nlate\n"));
}

#[test]
fn a_background_job_learns_that_nobody_reads_it_any_more() {
    let (_turn, _dog) = (turn::alone(), Watchdog::new());
    let folder = tempfile::tempdir().unwrap();
    let [go, ended] = ["go", "ended"].map(|name| folder.path().join(name));
    let (reader, writer) = std::io::pipe().unwrap();
    let script = format!(
        "(while [ ! -e {} ]; do sleep 0.05; done; yes; echo $? > {}) & echo now",
        go.display(),
        ended.display()
    );
    let (mut running, stdout) = start(Supervisor::new(), &script);
    running.read(Stream::new(stdout, Some(writer.as_fd()), |_| ()));
    assert_eq!(running.wait().unwrap().exit(), Exit::Code(0));
    drop((reader, writer));
    fs::File::create(&go).unwrap();
    while !ended.exists() {
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_time_limit_holds_although_nobody_reads_our_output() {
    let (_turn, _dog) = (turn::alone(), Watchdog::new());
    let (_reader, writer) = full_pipe();
    let (mut running, stdout) = start(limited(SHORT), "seq 1 100000");
    let filter = |piece: Option<&[u8]>| piece.map_or_else(|| b"end".to_vec(), <[u8]>::to_vec);
    running.read(Stream::new(stdout, Some(writer.as_fd()), |_| ()).with_filter(filter));
    assert_eq!(running.wait().unwrap().exit(), Exit::TimedOut);
}

#[test]
fn a_time_limit_holds_when_the_child_ended_and_its_words_cannot_be_passed_on() {
    let (_turn, _dog) = (turn::alone(), Watchdog::new());
    let (_reader, writer) = full_pipe();
    // On a busy machine the child may take its time to end.
    let long = Duration::from_secs(3);
    assert_eq!(run_limited(long, "echo words; exit 7", writer.as_fd()), Exit::Code(7));
}

#[test]
fn a_supervisor_that_is_told_to_end_does_not_wait_for_a_reader_that_does_not_read() {
    let (_turn, _dog) = (turn::alone(), Watchdog::new());
    let (_reader, writer) = full_pipe();
    let script = "trap 'kill $!; exit 8' TERM; echo words; sleep 60 & kill -TERM $PPID; wait";
    let (mut running, stdout) = start(Supervisor::new(), script);
    running.read(Stream::new(stdout, Some(writer.as_fd()), |_| ()));
    assert_eq!(running.wait().unwrap().exit(), Exit::Code(8));
}

#[test]
fn a_filter_that_makes_more_of_a_piece_than_the_reader_takes_does_not_stop_the_clock() {
    let (_turn, _dog) = (turn::alone(), Watchdog::new());
    let (_reader, writer) = std::io::pipe().unwrap();
    let (mut running, stdout) = start(limited(SHORT), "echo word; sleep 60");
    let filter = |piece: Option<&[u8]>| piece.map_or_else(Vec::new, |_| vec![b'x'; 1 << 20]);
    running.read(Stream::new(stdout, Some(writer.as_fd()), |_| ()).with_filter(filter));
    assert_eq!(running.wait().unwrap().exit(), Exit::TimedOut);
}

#[test]
fn a_terminal_that_takes_no_more_does_not_stop_the_clock() {
    let (_turn, _dog) = (turn::alone(), Watchdog::new());
    let (_outer, inner) = pseudo_terminal();
    assert_eq!(run_limited(SHORT, "seq 1 100000; sleep 60", inner.as_fd()), Exit::TimedOut);
}

#[test]
fn two_writers_of_one_pipe_do_not_stop_each_others_clock() {
    let (_turn, _dog) = (turn::alone(), Watchdog::new());
    let (_reader, writer) = std::io::pipe().unwrap();
    // The rival takes each free page of the pipe as soon as it is there.
    let rival = writer.try_clone().unwrap();
    thread::spawn(move || while rustix::io::write(&rival, &[b'r'; 4096]).is_ok() {});
    assert_eq!(run_limited(SHORT, "yes; sleep 60", writer.as_fd()), Exit::TimedOut);
}

#[test]
fn an_endless_writer_learns_that_our_reader_is_gone() {
    let (_turn, _dog) = (turn::alone(), Watchdog::new());
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let (mut running, stdout) = start(Supervisor::new(), "exec yes");
    running.read(Stream::new(stdout, Some(writer.as_fd()), |_| ()));
    assert_eq!(running.wait().unwrap().exit(), Exit::Signal(libc::SIGPIPE));
}

#[test]
fn a_full_disk_behind_our_output_ends_nothing() {
    let (_turn, _dog) = (turn::alone(), Watchdog::new());
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let (mut running, stdout) = start(Supervisor::new(), "seq 1 50000; exit 2");
    let mut n_bytes = 0;
    running.read(Stream::new(stdout, Some(full.as_fd()), |piece| n_bytes += piece.len()));
    assert_eq!(running.wait().unwrap().exit(), Exit::Code(2));
    assert_eq!(n_bytes, 288_894);
}

#[test]
fn what_goes_to_a_socket_a_file_and_a_terminal_arrives_whole() {
    let (_turn, _dog) = (turn::alone(), Watchdog::new());
    let expect = (1..=20_000).fold(String::new(), |text, n| text + &n.to_string() + "\n");
    let through = |target: BorrowedFd<'_>| {
        let (mut running, stdout) = start(Supervisor::new(), "seq 1 20000");
        running.read(Stream::new(stdout, Some(target), |_| ()));
        assert_eq!(running.wait().unwrap().exit(), Exit::Code(0));
    };
    let (near, mut far) = UnixStream::pair().unwrap();
    let reader = thread::spawn(move || {
        let mut text = String::new();
        far.read_to_string(&mut text).unwrap();
        text
    });
    through(near.as_fd());
    drop(near);
    assert_eq!(reader.join().unwrap(), expect);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let mut log = fs::OpenOptions::new().append(true).create(true).open(&path).unwrap();
    log.write_all(b"before\n").unwrap();
    through(log.as_fd());
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("before\n{expect}"));

    let (outer, inner) = pseudo_terminal();
    let reader = thread::spawn(move || {
        let (mut text, mut piece) = (Vec::new(), [0_u8; 4096]);
        while let Ok(n_bytes) = rustix::io::read(&outer, &mut piece) {
            text.extend_from_slice(&piece[..n_bytes]);
        }
        String::from_utf8(text).unwrap()
    });
    through(inner.as_fd());
    drop(inner);
    assert_eq!(reader.join().unwrap().replace('\r', ""), expect);
}
