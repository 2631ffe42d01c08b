//! The same requests over a Unix socket, from many clients, good and bad.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::rpc::line;
use super::sandbox::{Sandbox, collect, kill, wait_until};

/// A server that is ready, and ends with the test.
pub(crate) struct Server {
    child: Child,
    pub(crate) socket: PathBuf,
}

impl Server {
    pub(crate) fn start(sandbox: &Sandbox) -> Self {
        Self::of(sandbox.command().arg("serve"))
    }

    fn of(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut ready).unwrap();
        assert!(ready.ends_with('\n'), "{:?}", collect(child));
        Self { child, socket: PathBuf::from(ready.trim_end()) }
    }

    fn client(&self) -> Client {
        Client::of(UnixStream::connect(&self.socket).unwrap())
    }

    fn signal(&self, signal: Signal) {
        kill(self.child.id(), signal);
    }

    /// Ends it with TERM; its exit code and what it said on stderr.
    fn end(mut self) -> (Option<i32>, String) {
        self.signal(Signal::TERM);
        self.wait()
    }

    fn wait(&mut self) -> (Option<i32>, String) {
        wait_until(|| self.child.try_wait().unwrap().is_some());
        let mut said = String::new();
        self.child.stderr.as_mut().unwrap().read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Client {
    stream: UnixStream,
    answers: BufReader<UnixStream>,
}

impl Client {
    fn of(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let answers = BufReader::new(stream.try_clone().unwrap());
        Self { stream, answers }
    }

    fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    fn request(&mut self, method: &str, params: &Value) {
        self.send(line(&json!(1), method, params).as_bytes());
    }

    /// The next answer; `None` when the connection was closed.
    fn answer(&mut self) -> Option<Value> {
        let mut answer = String::new();
        match self.answers.read_line(&mut answer) {
            Ok(0) => None,
            Ok(_) => Some(serde_json::from_str(&answer).unwrap()),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("{error}"),
        }
    }

    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.request(method, params);
        self.answer().unwrap()
    }

    #[track_caller]
    fn works(&mut self) {
        assert!(self.ask("stats", &json!({}))["result"].is_object());
    }
}

fn n_waiting(sandbox: &Sandbox) -> usize {
    sandbox.run(["board", "--json"]).json()["waiting"].as_array().unwrap().len()
}

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
        assert_eq!(sandbox.integrity(), "ok");
    }
}

#[test]
fn systemd_is_told_and_scripts_can_have_the_socket_as_json() {
    let sandbox = Sandbox::new();
    let ears = UnixDatagram::bind(sandbox.path("notify")).unwrap();
    ears.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut child = sandbox
        .command()
        .env("NOTIFY_SOCKET", sandbox.path("notify"))
        .args(["serve", "--json", "--socket", "deep/er/s"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut heard = [0_u8; 64];
    let n_bytes = ears.recv(&mut heard).unwrap();
    assert!(heard[..n_bytes].starts_with(b"READY=1"));
    let mut ready = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut ready).unwrap();
    let ready: Value = serde_json::from_str(&ready).unwrap();
    assert_eq!(ready["pid"], child.id());
    let socket = Path::new(ready["socket"].as_str().unwrap());
    assert_eq!(socket.canonicalize().unwrap(), sandbox.path("deep/er/s").canonicalize().unwrap());
    assert_eq!(sandbox.path("deep").metadata().unwrap().mode() & 0o777, 0o700);
    kill(child.id(), Signal::TERM);
    collect(child).code(0);
    let n_bytes = ears.recv(&mut heard).unwrap();
    assert_eq!(&heard[..n_bytes], b"STOPPING=1");
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
fn two_hundred_and_fifty_six_clients_are_served_at_once_and_one_more_is_told_so() {
    let sandbox = Sandbox::with_agents(["a"]);
    let server = Server::start(&sandbox);
    let mut clients: Vec<Client> = (0..256).map(|_| server.client()).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        client.request("state.set", &json!({ "agent": "a", "key": format!("k{n}"), "value": n }));
    }
    for client in &mut clients {
        assert_eq!(client.answer().unwrap()["result"]["version"], 1);
    }
    let mut one_more = server.client();
    let _ = one_more.stream.write_all(line(&json!(1), "stats", &json!({})).as_bytes());
    assert_eq!(one_more.answer().unwrap()["error"]["code"], "too_many_clients");
    assert!(one_more.answer().is_none());
    for client in &mut clients {
        client.works();
    }
    clients.truncate(200);
    wait_until(|| {
        let mut client = server.client();
        client.request("stats", &json!({}));
        client.answer().is_some_and(|answer| answer["result"].is_object())
    });
    assert_eq!(server.end(), (Some(0), String::new()));
    assert_eq!(sandbox.run(["state", "list", "a", "--json"]).lines().len(), 256);
    assert_eq!(sandbox.integrity(), "ok");
}

#[test]
fn simultaneous_writers_over_the_socket_lose_nothing() {
    let sandbox = Sandbox::with_agents(["a"]);
    let server = Server::start(&sandbox);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            let mut client = server.client();
            scope.spawn(move || {
                for n in 0..20 {
                    let set =
                        client.ask("state.set", &json!({ "agent": "a", "key": "k", "value": n }));
                    assert!(set["result"]["version"].is_number(), "{set}");
                }
            });
        }
    });
    let kept = sandbox.run(["state", "get", "a", "k", "--json"]).json();
    assert_eq!(kept["version"], 320);
}

#[test]
fn garbage_half_lines_and_silence_cost_their_own_connection_only() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox);
    let mut good = server.client();
    good.works();

    let mut garbage = server.client();
    garbage.send(b"\0\0\n\xff\n[]\n");
    for _ in 0..3 {
        assert_eq!(garbage.answer().unwrap()["error"]["code"], "bad_request");
    }
    garbage.works();

    let mut large = server.client();
    let flood = vec![b'x'; 5 << 20];
    let _ = large.stream.write_all(&flood);
    assert_eq!(large.answer().unwrap()["error"]["code"], "too_large");
    assert!(large.answer().is_none());

    // Half a line, and then nothing more: it is answered for what it is.
    let mut half = server.client();
    half.send(b"{\"id\":1,\"method\":\"st");
    half.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(half.answer().unwrap()["error"]["code"], "bad_request");
    assert!(half.answer().is_none());
    // A whole request without its newline is a request.
    let mut last = server.client();
    last.send(line(&json!(1), "stats", &json!({})).trim_end().as_bytes());
    last.stream.shutdown(Shutdown::Write).unwrap();
    assert!(last.answer().unwrap()["result"].is_object());

    let mut gone = server.client();
    gone.send(b"{\"id\":1,");
    drop(gone);
    good.works();
}

#[test]
fn a_line_that_is_not_ended_is_given_up_after_ten_seconds_and_nobody_else_waits() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox);
    let mut slow = server.client();
    let began = Instant::now();
    slow.send(b"{");
    let mut other = server.client();
    while began.elapsed() < Duration::from_secs(8) {
        // One byte now and then does not make it fast.
        slow.send(b" ");
        other.works();
        std::thread::sleep(Duration::from_millis(400));
    }
    assert_eq!(slow.answer().unwrap()["error"]["code"], "slow");
    assert!(began.elapsed() >= Duration::from_secs(10));
    assert!(slow.answer().is_none());
    other.works();
}

#[test]
fn a_silent_client_is_dropped_after_the_time_that_was_chosen() {
    let sandbox = Sandbox::new();
    let server = Server::of(sandbox.command().args(["serve", "--idle", "300ms"]));
    let mut client = server.client();
    client.works();
    assert!(client.answer().is_none());
    server.client().works();
}

#[test]
fn a_client_that_does_not_read_holds_nobody_and_is_given_up() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox);
    let mut deaf = server.client();
    deaf.stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let requests = line(&json!(1), "capabilities", &json!({})).repeat(64);
    while deaf.stream.write_all(requests.as_bytes()).is_ok() {}
    server.client().works();
    // The end of the server does not wait for it either.
    let began = Instant::now();
    assert_eq!(server.end(), (Some(0), String::new()));
    assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
}

#[test]
fn many_requests_sent_at_once_are_answered_in_their_order() {
    let sandbox = Sandbox::with_agents(["a"]);
    let server = Server::start(&sandbox);
    let mut client = server.client();
    let lines: String = (0..500)
        .map(|n| match n % 3 {
            0 => line(&json!(n), "state.set", &json!({ "agent": "a", "key": "k", "value": n })),
            1 => line(&json!(n), "state.get", &json!({ "agent": "a", "key": "k" })),
            _ => line(&json!(n), "nope", &json!({})),
        })
        .collect();
    let mut writer = client.stream.try_clone().unwrap();
    let sent = std::thread::spawn(move || writer.write_all(lines.as_bytes()).unwrap());
    for n in 0..500 {
        let answer = client.answer().unwrap();
        assert_eq!(answer["id"], n);
        if n % 3 == 1 {
            assert_eq!(answer["result"]["value"], n - 1);
        }
    }
    sent.join().unwrap();
}

#[test]
fn a_waiter_stops_when_its_client_goes_away_and_when_the_server_ends() {
    let sandbox = Sandbox::with_agents(["a", "b"]);
    sandbox.run(["lock", "acquire", "repo", "a"]).ok();
    let server = Server::start(&sandbox);
    let wait = json!({ "resource": "repo", "agent": "b", "wait": "5m" });
    let mut gone = server.client();
    gone.request("lock.acquire", &wait);
    wait_until(|| n_waiting(&sandbox) == 1);
    // Waiting holds no transaction: others write meanwhile.
    sandbox.run(["state", "set", "a", "k", "1"]).ok();
    drop(gone);
    wait_until(|| n_waiting(&sandbox) == 0);

    let mut stays = server.client();
    stays.request("lock.acquire", &wait);
    wait_until(|| n_waiting(&sandbox) == 1);
    assert_eq!(server.end(), (Some(0), String::new()));
    let answer = stays.answer().unwrap();
    assert_eq!(answer["error"]["code"], "held");
    assert!(answer["error"]["data"]["waited_ms"].is_number());
    assert_eq!(n_waiting(&sandbox), 0);
}

#[test]
fn a_waiter_gets_the_lock_when_another_client_gives_it_back() {
    let sandbox = Sandbox::with_agents(["a", "b"]);
    let server = Server::start(&sandbox);
    let (mut one, mut two) = (server.client(), server.client());
    let first = one.ask("lock.acquire", &json!({ "resource": "repo", "agent": "a" }));
    two.request("lock.acquire", &json!({ "resource": "repo", "agent": "b", "wait": 60 }));
    wait_until(|| n_waiting(&sandbox) == 1);
    one.ask("lock.release", &json!({ "resource": "repo", "agent": "a" }));
    let second = two.answer().unwrap();
    assert!(second["result"]["token"].as_i64() > first["result"]["token"].as_i64(), "{second}");
}

#[test]
fn what_a_client_holds_does_not_hang_on_the_server() {
    let sandbox = Sandbox::with_agents(["a"]);
    let mut server = Server::of(
        // What the server was started in is no business of its clients.
        sandbox.command().arg("serve").env("AGENT_STATE_RUN_ID", "x").env("AGENT_STATE_AGENT", "y"),
    );
    let mut client = server.client();
    let run = client.ask("run.start", &json!({ "agent": "a" }))["result"].clone();
    assert!(run["run_id"].is_string() && run["holder"].is_null(), "{run}");
    let run_id = run["run_id"].as_str().unwrap();
    let lock =
        client.ask("lock.acquire", &json!({ "resource": "r", "agent": "a", "run_id": run_id }));
    assert_eq!(lock["result"]["run_id"], run_id);
    assert_eq!(client.ask("run.heartbeat", &json!({}))["error"]["code"], "usage");
    let file = json!({ "path": sandbox.path("f"), "if_version": "absent", "content": "x" });
    assert!(client.ask("file.put", &file)["result"]["version"].is_string());
    let relative = client.ask("file.get", &json!({ "path": "f" }));
    assert_eq!(relative["error"]["code"], "usage");
    server.signal(Signal::KILL);
    server.child.wait().unwrap();
    assert_eq!(sandbox.run(["run", "show", run_id, "--json"]).json()["status"], "running");
    sandbox.run(["lock", "check", "r"]).code(0);
}

#[test]
fn a_server_that_is_killed_in_the_middle_leaves_a_whole_database() {
    let sandbox = Sandbox::with_agents(["a"]);
    let mut server = Server::start(&sandbox);
    let clients: Vec<Client> = (0..8).map(|_| server.client()).collect();
    let writers: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            std::thread::spawn(move || {
                let request = line(
                    &json!(1),
                    "state.set",
                    &json!({ "agent": "a", "key": "k", "value": "x".repeat(5000) }),
                );
                let mut last = 0;
                while client.stream.write_all(request.as_bytes()).is_ok() {
                    match client.answer() {
                        Some(answer) => last = answer["result"]["version"].as_i64().unwrap(),
                        None => break,
                    }
                }
                last
            })
        })
        .collect();
    wait_until(|| {
        let done = sandbox.run(["state", "get", "a", "k", "--json"]);
        done.code == Some(0) && done.json()["version"].as_i64().unwrap() > 60
    });
    server.signal(Signal::KILL);
    server.child.wait().unwrap();
    let promised = writers.into_iter().map(|writer| writer.join().unwrap()).max().unwrap();
    assert_eq!(sandbox.integrity(), "ok");
    let server = Server::start(&sandbox);
    let kept = server.client().ask("state.get", &json!({ "agent": "a", "key": "k" }));
    assert!(kept["result"]["version"].as_i64().unwrap() >= promised);
}
