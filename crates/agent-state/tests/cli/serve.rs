//! The socket: whose it is, who may speak on it, how a server begins and ends.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::rpc::line;
use super::sandbox::{Sandbox, collect, kill, wait_until};
use super::server::{Client, Server};

#[test]
fn a_server_says_when_it_is_ready_and_ends_cleanly_on_term_and_on_int() {
    for signal in [Signal::TERM, Signal::INT] {
        let sandbox = Sandbox::with_agents(["a"]);
        let mut server = Server::start(&sandbox);
        assert_eq!(server.socket, sandbox.database().with_file_name("agent-state.sock"));
        let mut idle = server.client();
        idle.works();
        server.signal(signal);
        assert_eq!(server.wait(), (Some(0), String::new()));
        assert!(idle.answer().is_none());
        assert!(!server.socket.exists());
        assert_eq!(sandbox.damage(), [""; 0]);
    }
}

/// The next message; a machine that was stopped and goes on has interrupted the waiting for it.
fn hear(ears: &UnixDatagram) -> String {
    let mut heard = [0_u8; 64];
    loop {
        match ears.recv(&mut heard) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            n_bytes => return String::from_utf8_lossy(&heard[..n_bytes.unwrap()]).into_owned(),
        }
    }
}

#[test]
fn systemd_is_told_and_scripts_can_have_the_socket_as_json() {
    let sandbox = Sandbox::new();
    let ears = UnixDatagram::bind(sandbox.path("notify")).unwrap();
    ears.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut child = sandbox
        .command()
        .env("NOTIFY_SOCKET", sandbox.path("notify"))
        .args(["serve", "--json", "--socket", "deep/er/s"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    assert!(hear(&ears).starts_with("READY=1"));
    let mut ready = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut ready).unwrap();
    let ready: Value = serde_json::from_str(&ready).unwrap();
    assert_eq!(ready["pid"], child.id());
    let socket = Path::new(ready["socket"].as_str().unwrap());
    assert_eq!(socket.canonicalize().unwrap(), sandbox.path("deep/er/s").canonicalize().unwrap());
    assert_eq!(sandbox.path("deep").metadata().unwrap().mode() & 0o777, 0o700);
    kill(child.id(), Signal::TERM);
    collect(child).code(0);
    assert_eq!(hear(&ears), "STOPPING=1");
}

#[test]
fn a_second_server_says_so_and_leaves_the_first_alone() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox);
    let said = sandbox.run(["serve"]).no();
    assert!(said.contains(&format!("process {} serves", server.child.id())), "{said}");
    let said = sandbox.run(["serve", "--json"]).code(1).stderr;
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["error"]["code"], "already_running");
    server.client().works();
}

#[test]
fn of_many_servers_started_at_once_one_serves() {
    let sandbox = Sandbox::new();
    let children: Vec<Child> = (0..8).map(|_| sandbox.start(["serve"])).collect();
    let mut children: Vec<Option<Child>> = children.into_iter().map(Some).collect();
    wait_until(|| {
        let gone = |child: &mut Option<Child>| {
            child.as_mut().is_none_or(|child| child.try_wait().unwrap().is_some())
        };
        children.iter_mut().filter_map(|child| gone(child).then_some(())).count() == 7
    });
    for child in &mut children {
        if child.as_mut().unwrap().try_wait().unwrap().is_some() {
            collect(child.take().unwrap()).no();
        }
    }
    let last = children.into_iter().flatten().next().unwrap();
    let socket = sandbox.database().with_file_name("agent-state.sock");
    wait_until(|| UnixStream::connect(&socket).is_ok());
    kill(last.id(), Signal::TERM);
    collect(last).code(0);
}

#[test]
fn a_socket_left_by_a_killed_server_is_replaced_and_a_live_or_foreign_one_is_not() {
    let sandbox = Sandbox::with_agents(["a"]);
    let mut server = Server::start(&sandbox);
    let socket = server.socket.clone();
    server.signal(Signal::KILL);
    server.child.wait().unwrap();
    assert!(socket.symlink_metadata().unwrap().file_type().is_socket());
    let server = Server::start(&sandbox);
    server.client().works();
    assert_eq!(server.end(), (Some(0), String::new()));

    // Another program that answers there keeps its socket, and so does a file its place.
    let other = UnixListener::bind(&socket).unwrap();
    let said = sandbox.run(["serve"]).code(3).stderr;
    assert!(said.contains("another program answers on it"), "{said}");
    drop(other);
    std::fs::remove_file(&socket).unwrap();
    drop(std::fs::File::create(&socket).unwrap());
    let said = sandbox.run(["serve"]).code(3).stderr;
    assert!(said.contains("something else is there"), "{said}");
    let too_long = sandbox.path(&"x".repeat(150));
    let said = sandbox.run(["serve", "--socket", too_long.to_str().unwrap()]).code(3).stderr;
    assert!(said.contains("too long"), "{said}");
}

#[test]
fn the_socket_is_private_from_its_first_moment_whatever_the_umask_is() {
    let sandbox = Sandbox::new();
    sandbox.run(["init"]).ok();
    let socket = sandbox.database().with_file_name("agent-state.sock");
    let staging = sandbox.database().with_file_name("agent-state.sock.new");
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut modes = std::collections::BTreeSet::new();
            while !stop.load(std::sync::atomic::Ordering::SeqCst) {
                for path in [&socket, &staging] {
                    if let Ok(found) = path.symlink_metadata() {
                        modes.insert(found.permissions().mode() & 0o777);
                    }
                }
            }
            modes
        });
        for _ in 0..5 {
            let binary = env!("CARGO_BIN_EXE_agent-state");
            let mut shell = Command::new("/bin/sh");
            shell
                .args(["-c", "umask 000; exec \"$0\" serve", binary])
                .env_clear()
                .env("HOME", sandbox.path(""));
            let server = Server::of(&mut shell);
            assert_eq!(server.socket.metadata().unwrap().mode() & 0o777, 0o600);
            server.end();
        }
        stop.store(true, std::sync::atomic::Ordering::SeqCst);
        let modes = watcher.join().unwrap();
        assert!(modes.iter().all(|mode| *mode == 0o600), "{modes:?}");
    });
    let lock = sandbox.database().with_file_name("agent-state.sock.lock");
    assert_eq!(lock.metadata().unwrap().mode() & 0o777, 0o600);
}

#[test]
fn a_folder_in_which_others_can_write_is_warned_about() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("open")).unwrap();
    std::fs::set_permissions(sandbox.path("open"), std::fs::Permissions::from_mode(0o777)).unwrap();
    let server = Server::of(sandbox.command().args(["serve", "--socket", "open/s"]));
    let (code, said) = server.end();
    assert_eq!(code, Some(0));
    assert!(said.contains("others can replace the socket"), "{said}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_client_of_another_user_is_not_answered() {
    if !rustix::process::geteuid().is_root() {
        let _ = writeln!(std::io::stderr(), "skipped: only root can be another user");
        return;
    }
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox);
    // What keeps others out first is the file system; the server does not rely on it.
    let world = std::fs::Permissions::from_mode(0o777);
    for place in ["", ".local", ".local/state", ".local/state/agent-state"] {
        std::fs::set_permissions(sandbox.path(place), world.clone()).unwrap();
    }
    std::fs::set_permissions(&server.socket, world).unwrap();
    let socket = server.socket.clone();
    let stranger = std::thread::spawn(move || {
        // On Linux a thread has a user of its own.
        let nobody = rustix::process::Uid::from_raw(65534);
        rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
        let mut client = Client::of(UnixStream::connect(socket).unwrap());
        let _ = client.stream.write_all(line(&json!(1), "stats", &json!({})).as_bytes());
        client.answer()
    });
    assert_eq!(stranger.join().unwrap(), None);
    server.client().works();
}

#[test]
fn a_server_of_few_open_files_serves_as_many_as_it_can_and_tells_the_others() {
    let sandbox = Sandbox::new();
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", "ulimit -n 64 && exec \"$0\" serve", env!("CARGO_BIN_EXE_agent-state")])
        .env_clear()
        .env("HOME", sandbox.path(""));
    let server = Server::of(&mut command);
    let mut clients: Vec<Client> = (0..30).map(|_| server.client()).collect();
    let mut n_served = 0;
    for client in &mut clients {
        // Who is refused is told before it says anything.
        let _ = client.stream.write_all(line(&json!(1), "stats", &json!({})).as_bytes());
        match client.answer() {
            // Where it says nothing, the request met a connection that was closed already.
            None => {}
            Some(answer) if answer["error"]["code"] == "too_many_clients" => {}
            Some(answer) => {
                assert!(answer["result"].is_object(), "{answer}");
                n_served += 1;
            }
        }
    }
    assert!((5..30).contains(&n_served), "{n_served} were served");
    drop(clients);
    wait_until(|| {
        let mut client = server.client();
        let _ = client.stream.write_all(line(&json!(1), "stats", &json!({})).as_bytes());
        client.answer().is_some_and(|answer| answer["result"].is_object())
    });
}
