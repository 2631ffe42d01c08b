//! The same requests over a Unix socket, from many clients, good and bad.

use std::io::Write as _;
use std::net::Shutdown;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use super::rpc::line;
use super::sandbox::{Sandbox, wait_until};
use super::server::{Client, Server, n_waiting};

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
    assert_eq!(sandbox.damage(), [""; 0]);
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
    let server = Server::of(sandbox.command().args(["serve", "--idle", "2s"]));
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
    assert_eq!(sandbox.damage(), [""; 0]);
    let server = Server::start(&sandbox);
    let kept = server.client().ask("state.get", &json!({ "agent": "a", "key": "k" }));
    assert!(kept["result"]["version"].as_i64().unwrap() >= promised);
}
