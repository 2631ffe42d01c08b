//! The daemon: private, single, alive whatever a client sends, and gone when it is told.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use crate::sandbox::{DEADLINE, Sandbox, has, is_root, seen, wait_for};

pub(crate) fn started() -> Sandbox {
    let home = Sandbox::with("github.com", "me", "top-secret-1");
    home.run(&["start"]).code(0);
    home
}

#[test]
fn the_answers_are_those_of_the_original_byte_for_byte() {
    let home = started();
    home.add("gitlab.com", "you", "two");
    assert_eq!(home.ask(r#"{"action":"ping"}"#), "{\"status\": \"ok\", \"credentials\": 2}\n");
    let answer = home.ask(r#"{"action":"get","service":"github.com"}"#);
    assert!(answer.starts_with("{\"id\": 1, \"service\": \"github.com\", \"url\": \"\", \"username\": \"me\", \"note\": \"\", \"created_at\": \"20"), "{answer}");
    assert!(answer.ends_with("+00:00\", \"password\": \"top-secret-1\"}\n"), "{answer}");
    for (request, answer) in [
        (
            r#"{"action":"get","service":"nope"}"#,
            "{\"error\": \"not_found\", \"service\": \"nope\"}\n",
        ),
        (r#"{"action":"get"}"#, "{\"error\": \"service required\"}\n"),
        (
            r#"{"action":"list"}"#,
            "{\"services\": [\"github.com\", \"gitlab.com\"], \"count\": 2}\n",
        ),
        (
            r#"{"action":"list","prefix":"gith"}"#,
            "{\"services\": [\"github.com\"], \"count\": 1}\n",
        ),
        (r#"{"action":"list","prefix":"%"}"#, "{\"services\": [], \"count\": 0}\n"),
        (r#"{"action":"zz"}"#, "{\"error\": \"unknown action: zz\"}\n"),
        ("{bad", "{\"error\": \"invalid json\"}\n"),
        ("", "{\"error\": \"invalid json\"}\n"),
        ("[]", "{\"error\": \"a request must be a json object\"}\n"),
    ] {
        assert_eq!(home.ask(request), answer, "{request}");
    }
}

#[test]
fn many_requests_on_one_connection_and_two_in_one_packet_are_answered_in_order() {
    let home = started();
    let mut stream = home.connect();
    stream
        .write_all(b"{\"action\":\"ping\"}\n{\"action\":\"get\",\"service\":\"x\"}\n{\"action\":")
        .unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("ok"));
    assert!(lines.next().unwrap().unwrap().contains("not_found"));
    stream.write_all(b"\"ping\"}\n").unwrap();
    assert!(lines.next().unwrap().unwrap().contains("ok"));
    // Without a final newline, but with an end.
    stream.write_all(b"{\"action\":\"ping\"}").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(lines.next().unwrap().unwrap().contains("ok"));
    assert!(lines.next().is_none());
}

#[test]
fn garbage_costs_only_the_one_who_sends_it() {
    let home = started();
    let valid =
        || assert!(home.ask(r#"{"action":"get","service":"github.com"}"#).contains("top-secret-1"));
    // Half a line, and then nothing.
    let mut half = home.connect();
    half.write_all(b"{\"action\":\"ge").unwrap();
    valid();
    // Ten megabytes without a newline.
    let mut long = home.connect();
    let block = vec![b'x'; 1 << 16];
    for _ in 0..160 {
        if long.write_all(&block).is_err() {
            break;
        }
    }
    let mut answer = String::new();
    let _ = long.read_to_string(&mut answer);
    assert!(answer.is_empty() || answer.contains("too long"), "{answer}");
    valid();
    for garbage in
        [&b"\0\0\0\n"[..], b"\xff\xfe\n", b"\n\n\n\n", b"{\"action\":{\"a\":[1]}}\n", b"nul\0l\n"]
    {
        let mut stream = home.connect();
        stream.write_all(garbage).unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        assert!(line.contains("error"), "{line}");
        valid();
    }
    // A client that leaves before its answer.
    for _ in 0..50 {
        home.connect().write_all(b"{\"action\":\"list\"}\n").unwrap();
    }
    valid();
    let deep = "[".repeat(60_000);
    let answer = home.ask(&deep);
    assert!(answer.contains("invalid json"), "{answer}");
    valid();
}

#[test]
fn a_thousand_silent_connections_do_not_keep_a_valid_client_out() {
    let home = started();
    let crowd: Vec<UnixStream> =
        (0..1000).filter_map(|_| UnixStream::connect(home.socket()).ok()).collect();
    assert!(crowd.len() > 900, "{}", crowd.len());
    assert!(home.ask(r#"{"action":"get","service":"github.com"}"#).contains("top-secret-1"));
    assert_eq!(home.run(&["get", "github.com"]).code(0).stdout, "top-secret-1\n");
    drop(crowd);
    let answered = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..256)
            .map(|_| {
                scope.spawn(|| {
                    home.ask(r#"{"action":"get","service":"github.com"}"#).contains("top-secret-1")
                })
            })
            .collect();
        clients
            .into_iter()
            .filter_map(|client| client.join().ok())
            .filter(|answered| *answered)
            .count()
    });
    assert_eq!(answered, 256);
}

#[test]
fn a_stopped_client_holds_nobody_up() {
    let home = started();
    let mut child = home
        .program("/bin/sh", &["-c", "kill -STOP $$"])
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(home.connect())))
        .spawn()
        .unwrap();
    assert!(home.ask(r#"{"action":"ping"}"#).contains("ok"));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn the_socket_is_private_from_its_first_moment_under_umask_000() {
    let home = Sandbox::with("a.com", "me", "secret");
    let socket = home.socket();
    let watcher = std::thread::spawn(move || {
        let (mut modes, staging) = (Vec::new(), socket.with_extension("sock.new"));
        let started = std::time::Instant::now();
        while started.elapsed() < DEADLINE {
            for path in [&staging, &socket] {
                if let Ok(found) = path.symlink_metadata() {
                    modes.push(found.mode() & 0o777);
                }
            }
            if let Ok(found) = socket.symlink_metadata() {
                modes.push(found.mode() & 0o777);
                break;
            }
        }
        modes
    });
    home.sh("umask 000; credential-proxy start").code(0);
    let modes = watcher.join().unwrap();
    assert!(!modes.is_empty() && modes.iter().all(|mode| *mode == 0o600), "{modes:?}");
    for name in ["daemon.log", "daemon.lock", "audit/audit.jsonl", "audit/head"] {
        if let Ok(found) = home.dir().join(name).metadata() {
            assert_eq!(found.mode() & 0o777, 0o600, "{name}");
        }
    }
}

#[test]
fn another_user_gets_no_word_even_when_the_modes_were_loosened() {
    if !is_root() || !std::path::Path::new("/usr/bin/python3").exists() {
        return;
    }
    let home = started();
    for path in [
        home.home().to_path_buf(),
        home.home().join(".local"),
        home.home().join(".local/share"),
        home.dir(),
    ] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    std::fs::set_permissions(home.socket(), std::fs::Permissions::from_mode(0o666)).unwrap();
    let script = "import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.settimeout(30)\ns.connect(sys.argv[1])\n\
        try:\n s.sendall(b'{\"action\":\"get\",\"service\":\"github.com\"}\\n')\n print(s.recv(100))\nexcept (BrokenPipeError, ConnectionResetError):\n print(b'')\n";
    let mut command =
        home.program("/usr/bin/python3", &["-c", script, home.socket().to_str().unwrap()]);
    command.uid(65_534).gid(65_534).current_dir("/");
    let seen = seen(command, "").code(0);
    assert_eq!(seen.stdout.trim(), "b''", "{seen:?}");
    std::fs::set_permissions(home.dir(), std::fs::Permissions::from_mode(0o700)).unwrap();
    std::fs::set_permissions(home.socket(), std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_client_does_not_write_to_a_socket_that_is_not_ours_alone() {
    let home = started();
    std::fs::set_permissions(home.socket(), std::fs::Permissions::from_mode(0o666)).unwrap();
    let seen = home.run(&["get", "github.com"]).code(3);
    assert!(seen.stderr.contains("mode 0666"), "{seen:?}");
    std::fs::set_permissions(home.socket(), std::fs::Permissions::from_mode(0o600)).unwrap();
    home.run(&["get", "github.com"]).code(0);
}

#[test]
fn many_starts_at_once_leave_one_daemon_and_all_say_yes() {
    let home = Sandbox::with("a.com", "me", "secret");
    let children: Vec<_> =
        (0..6).map(|_| home.command(&["start"]).stderr(Stdio::piped()).spawn().unwrap()).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let pid = home.pid();
    for _ in 0..5 {
        home.run(&["start"]).code(0);
        assert_eq!(home.pid(), pid);
    }
    let second = home.run(&["serve", "--foreground"]).code(1);
    assert!(second.stderr.contains(&format!("pid {pid}")), "{second:?}");
}

#[test]
fn a_killed_daemon_leaves_a_stale_socket_that_the_next_command_replaces() {
    let home = started();
    for _ in 0..3 {
        let pid = home.pid();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
        wait_for("the daemon is dead", || UnixStream::connect(home.socket()).is_err());
        assert!(home.socket().exists());
        let seen = home.run(&["--no-start", "get", "github.com"]).code(4);
        assert!(seen.stderr.contains("hint: start one"), "{seen:?}");
        assert_eq!(home.run(&["get", "github.com"]).code(0).stdout, "top-secret-1\n");
        assert_ne!(home.pid(), pid);
    }
    home.run(&["audit", "verify"]).code(0);
}

#[test]
fn a_command_that_meets_a_daemon_about_to_end_starts_the_next_one() {
    let home = Sandbox::with("a.com", "me", "secret-a");
    // What such a daemon still has is its lock; nobody listens any more.
    let lock = std::fs::File::create(home.dir().join("daemon.lock")).unwrap();
    std::fs::set_permissions(home.dir().join("daemon.lock"), PermissionsExt::from_mode(0o600))
        .unwrap();
    lock.lock().unwrap();
    let get = home.command(&["get", "a.com"]).stdout(Stdio::piped()).spawn().unwrap();
    let log = home.dir().join("daemon.log");
    wait_for("a daemon gives way", || {
        std::fs::read_to_string(&log).is_ok_and(|text| text.contains("already running"))
    });
    drop(lock);
    assert_eq!(get.wait_with_output().unwrap().stdout, b"secret-a\n");
}

#[test]
fn stop_waits_until_it_is_gone_and_signals_lock_reload_and_end() {
    let home = started();
    let pid = Pid::from_raw(home.pid()).unwrap();
    kill_process(pid, Signal::USR1).unwrap();
    wait_for("locked", || home.ask(r#"{"action":"ping"}"#).contains("locked"));
    home.run(&["get", "github.com"]).code(4);
    home.run(&["unlock"]).code(0);
    home.run(&["get", "github.com"]).code(0);
    home.run(&["lock"]).code(0);
    // A change while it is locked does not unlock it.
    home.add("b.com", "me", "secret-b");
    home.run(&["get", "b.com"]).code(4);
    home.run(&["unlock"]).code(0);
    home.run(&["get", "b.com"]).code(0);
    kill_process(pid, Signal::HUP).unwrap();
    home.run(&["get", "b.com"]).code(0);
    home.run(&["stop"]).code(0);
    assert!(!home.socket().exists());
    home.run(&["stop"]).code(1);
    home.run(&["status"]).code(4);
    home.run(&["start"]).code(0);
    let pid = Pid::from_raw(home.pid()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    wait_for("the socket is gone", || !home.socket().exists());
}

#[test]
fn the_daemon_cannot_be_dumped_inherits_nothing_and_keeps_no_environment() {
    let home = Sandbox::with("a.com", "me", "secret");
    let mut command = home.command(&["start"]);
    command.env("CANARY_VARIABLE", "canary");
    seen(command, "").code(0);
    let pid = home.pid();
    let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/limits")) else { return };
    let core = status.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().filter(|word| *word == "0").count(), 2, "{core}");
    let environ = std::fs::read_to_string(format!("/proc/{pid}/environ")).unwrap_or_default();
    assert!(!environ.contains("CANARY"), "{environ}");
    let open = || -> Vec<PathBuf> {
        let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        entries.filter_map(|entry| std::fs::read_link(entry.path()).ok()).collect()
    };
    // It lets go of the pipe by which it was started a moment after it said that it is ready.
    wait_for("it has nothing of ours", || {
        !open().iter().any(|target| target.to_string_lossy().contains("pipe:"))
    });
    assert!(open().len() < 20, "{:?}", open());
    assert_eq!(std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap(), std::path::Path::new("/"));
    let vm = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let locked: u64 = vm
        .lines()
        .find_map(|line| line.strip_prefix("VmLck:"))
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    assert!(locked > 0 || home.run(&["status"]).code(0).stdout.contains("not locked against swap"));
    if has("gdb") && !is_root() {
        let gdb = seen(home.program("gdb", &["-batch", "-p", &pid.to_string()]), "");
        assert!(gdb.stderr.contains("ptrace"), "{gdb:?}");
    }
}

#[test]
fn without_a_memory_lock_it_serves_with_a_warning() {
    let home = Sandbox::with("a.com", "me", "secret");
    let mut daemon = home.program(
        "/bin/sh",
        &["-c", "ulimit -l 0; exec \"$0\" serve --foreground", crate::sandbox::BIN],
    );
    daemon.stderr(Stdio::piped());
    if is_root() {
        daemon.stderr(Stdio::null());
    }
    let mut daemon = daemon.spawn().unwrap();
    wait_for("it answers", || UnixStream::connect(home.socket()).is_ok());
    home.run(&["get", "a.com"]).code(0);
    home.run(&["stop"]).code(0);
    daemon.wait().unwrap();
    if let Some(mut stderr) = daemon.stderr.take() {
        let mut text = String::new();
        stderr.read_to_string(&mut text).unwrap();
        assert!(text.contains("not locked against swap"), "{text}");
    }
}

#[test]
fn a_changed_file_is_seen_even_when_nobody_tells() {
    let home = started();
    let other = Sandbox::with("swapped.com", "me", "swapped-secret");
    // Another vault under the same key comes into the place of the first.
    std::fs::copy(home.dir().join("key"), other.dir().join("key")).unwrap();
    let backup = home.home().join("backup.db");
    home.run(&["backup", backup.to_str().unwrap()]).code(0);
    home.add("later.com", "me", "later-secret");
    home.run(&["get", "later.com"]).code(0);
    std::fs::rename(&backup, home.dir().join("vault.db")).unwrap();
    wait_for("the older vault is served", || {
        home.ask(r#"{"action":"get","service":"later.com"}"#).contains("not_found")
    });
}

#[test]
fn a_vault_that_breaks_under_a_running_daemon_does_not_stop_it() {
    let home = started();
    std::fs::write(home.dir().join("vault.db"), vec![1_u8; 5000]).unwrap();
    assert!(home.ask(r#"{"action":"get","service":"github.com"}"#).contains("top-secret-1"));
    wait_for("status tells", || {
        home.run(&["status", "--json"]).code(0).json()["problem"].is_string()
    });
    assert_eq!(home.run(&["get", "github.com"]).code(0).stdout, "top-secret-1\n");
}
