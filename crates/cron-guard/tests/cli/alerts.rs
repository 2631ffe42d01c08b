//! Alerts: one for each incident however many guards run, tried again when a channel fails.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::exec::wait_until;
use crate::sandbox::Sandbox;

pub(crate) const ALLOW: &str = "[defaults]\nallow_unattended_resume = true\n";

/// Writes a program into the home.
fn program(sandbox: &Sandbox, name: &str, script: &str) -> String {
    let path = sandbox.write(name, format!("#!/bin/sh\n{script}\n"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

pub(crate) fn with_command(script: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let notify = program(&sandbox, "notify", script);
    sandbox.settings(&format!("{ALLOW}[alerts.command]\nargv = [\"{notify}\"]\n"));
    sandbox
}

pub(crate) fn sent(sandbox: &Sandbox) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(sandbox.path("sent")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_command_gets_one_json_object_and_variables() {
    let sandbox =
        with_command("cat >> $HOME/sent; echo \"$CRON_GUARD_EVENT $CRON_GUARD_JOB\" >> $HOME/said");
    for _ in 0..3 {
        sandbox.exec("my job", "echo 'no \u{1b}[31mdisk' >&2; exit 3").code(3);
    }
    sandbox.exec("my job", "true").silent(75);
    let sent = sent(&sandbox);
    assert_eq!(sent.len(), 1);
    let alert = &sent[0];
    for key in [
        "event",
        "job",
        "reason",
        "streak",
        "run_ids",
        "first_failure",
        "last_failure",
        "stderr_tail",
        "resume",
    ] {
        assert!(!alert[key].is_null(), "{key}: {alert}");
    }
    assert_eq!(alert["stderr_tail"], "no disk");
    assert_eq!(alert["signature"], "exit 3: no disk");
    // A database that is not where everybody looks is named.
    let named = sandbox.server().map_or_else(String::new, |(_, url)| format!(" --db {url}"));
    let resume = format!("cron-guard resume{named} 'my job' --reason 'what was repaired'");
    assert_eq!(alert["resume"], resume);
    assert_eq!(std::fs::read_to_string(sandbox.path("said")).unwrap(), "trip my job\n");
}

#[test]
fn secrets_that_a_job_wrote_stay_out_of_alerts_and_of_the_journal() {
    let sandbox = with_command("cat >> $HOME/sent");
    let token = format!("gh{}_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8", "p");
    let script = format!("echo 'push {token} to postgres://app:hunter22@db/x failed' >&2; exit 1");
    for _ in 0..3 {
        sandbox.exec("j", &script).code(1);
    }
    let said = "push [redacted:github-token] to postgres://app:[redacted:password]@db/x failed";
    assert_eq!(sent(&sandbox)[0]["stderr_tail"], said);
    let history = sandbox.guard("history j --json").code(0).stdout;
    assert!(history.contains("[redacted:github-token]") && !history.contains(&token), "{history}");
}

#[test]
fn another_error_of_the_same_incident_is_told_once_and_voids_the_ack() {
    let mut sandbox = with_command("cat >> $HOME/sent");
    sandbox.write(
        ".config/cron-guard/guard.toml",
        format!(
            "{ALLOW}[alerts.command]\nargv = [\"{}\"]\n[job.j]\npolicy = \"probe\"\ncooldown = \"1h\"\n",
            sandbox.path("notify").display()
        ),
    );
    let probe = |sandbox: &mut Sandbox, hours: u32, script: &str| {
        sandbox.clock(&format!("+{hours}h"));
        sandbox.exec("j", script).code(1);
    };
    for _ in 0..3 {
        sandbox.exec("j", "echo connection 17 refused >&2; exit 1").code(1);
    }
    sandbox.guard("ack j").silent(0);
    probe(&mut sandbox, 2, "echo connection 18 refused >&2; exit 1");
    assert_eq!(sandbox.job("j")["acknowledged"], true);
    probe(&mut sandbox, 6, "echo permission denied >&2; exit 1");
    assert_eq!(sandbox.job("j")["acknowledged"], false);
    assert_eq!(sandbox.job("j")["signature"], "exit 1: permission denied");
    probe(&mut sandbox, 16, "echo permission denied >&2; exit 1");
    let told: Vec<_> = sent(&sandbox).iter().map(|alert| alert["event"].clone()).collect();
    assert_eq!(told, ["trip", "changed"]);
}

#[test]
fn an_alert_that_fails_changes_no_exit_code_shows_in_status_and_is_tried_again() {
    let mut sandbox =
        with_command("[ -e $HOME/up ] || { echo down >&2; exit 1; }; cat >> $HOME/sent");
    sandbox.fail("j", 3);
    sandbox.guard("check j").silent(75);
    assert!(sent(&sandbox).is_empty());
    assert!(sandbox.guard("status").code(0).stdout.contains("1 undelivered alerts"));
    assert!(sandbox.guard("alert list").code(0).stdout.contains("down"));
    sandbox.write("up", "");
    // Not before its time, and then by any command that comes along.
    sandbox.guard("check j").silent(75);
    assert!(sent(&sandbox).is_empty());
    sandbox.clock("+3m");
    sandbox.guard("check j").silent(75);
    wait_until(|| sent(&sandbox).len() == 1);
    sandbox.clock("+2h");
    sandbox.guard("check j").silent(75);
    assert_eq!(sent(&sandbox).len(), 1, "delivered once");
    assert!(!sandbox.guard("status").code(0).stdout.contains("undelivered"));
}

#[test]
fn retry_sends_again_at_once() {
    let sandbox = with_command("[ -e $HOME/up ] || exit 1; cat >> $HOME/sent");
    sandbox.fail("j", 3);
    sandbox.guard("alert retry").code(1);
    sandbox.write("up", "");
    assert_eq!(sandbox.guard("alert retry").code(0).stdout, "1 delivered, 0 failed\n");
    assert_eq!(sandbox.guard("alert retry").code(0).stdout, "");
    assert_eq!(sent(&sandbox).len(), 1);
}

#[test]
fn many_guards_at_once_tell_of_one_incident_once() {
    let sandbox = with_command("sleep 0.2; cat >> $HOME/sent");
    // Started elsewhere, so that every check meets the same news.
    sandbox.fail("j", 2);
    let children: Vec<_> =
        (0..12).map(|_| sandbox.command(["exec", "j", "--", "false"]).spawn().unwrap()).collect();
    for mut child in children {
        assert!([1, 75].contains(&child.wait().unwrap().code().unwrap()));
    }
    let children: Vec<_> =
        (0..12).map(|_| sandbox.command(["check", "j"]).spawn().unwrap()).collect();
    for mut child in children {
        assert_eq!(child.wait().unwrap().code(), Some(75));
    }
    assert_eq!(sent(&sandbox).len(), 1);
}

#[test]
fn a_guard_that_is_killed_while_it_alerts_leaves_the_alert_to_the_next() {
    let sandbox =
        with_command("[ -e $HOME/up ] || { touch $HOME/asked; sleep 60; }; cat >> $HOME/sent");
    sandbox.fail("j", 2);
    let mut child = sandbox.command(["exec", "j", "--", "false"]).spawn().unwrap();
    wait_until(|| sandbox.path("asked").exists());
    child.kill().unwrap();
    child.wait().unwrap();
    sandbox.write("up", "");
    sandbox.guard("check j").silent(75);
    wait_until(|| sent(&sandbox).len() == 1);
}

#[test]
fn a_channel_that_hangs_keeps_no_gate_waiting_and_gets_its_alert_all_the_same() {
    let mut sandbox = with_command(
        "[ -e $HOME/up ] || exit 1; echo >> $HOME/asked; until [ -e $HOME/go ]; do sleep 0.02; done; cat >> $HOME/sent",
    );
    sandbox.fail("j", 3);
    sandbox.write("up", "");
    sandbox.clock("+3m");
    // Were it delivered here, it would take the ten seconds of a channel, and fail.
    sandbox.guard("check other").silent(0);
    sandbox.guard("check j").silent(75);
    sandbox.exec("j", "true").silent(75);
    sandbox.exec("other", "exit 0").silent(0);
    wait_until(|| sandbox.path("asked").exists());
    sandbox.write("go", "");
    wait_until(|| sent(&sandbox).len() == 1);
    assert_eq!(std::fs::read_to_string(sandbox.path("asked")).unwrap(), "\n", "asked once");
}

#[test]
fn a_command_that_never_ends_is_ended() {
    let sandbox = Sandbox::new();
    let notify = program(&sandbox, "notify", "sleep 300");
    sandbox.settings(&format!(
        "{ALLOW}[alerts.command]\nargv = [\"{notify}\"]\ntimeout = \"200ms\"\n"
    ));
    sandbox.fail("j", 3);
    assert!(sandbox.guard("alert list").code(0).stdout.contains("did not end within 200ms"));
}

/// A server that answers each request with the next of these answers.
fn server(answers: &'static [&'static str]) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/secret-token", listener.local_addr().unwrap());
    let (sender, requests) = channel();
    std::thread::spawn(move || {
        let mut hung = Vec::new();
        for (stream, answer) in listener.incoming().zip(answers.iter().cycle()) {
            let mut stream = stream.unwrap();
            let request = read_request(&mut stream);
            if sender.send(request).is_err() {
                return;
            }
            if *answer == HANGS {
                hung.push(stream);
            } else {
                let _ = stream.write_all(answer.as_bytes());
            }
        }
    });
    (address, requests)
}

fn read_request(stream: &mut TcpStream) -> String {
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut request = String::new();
    let mut piece = [0_u8; 4096];
    loop {
        let n_bytes = match stream.read(&mut piece) {
            // A machine that was stopped and goes on.
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            read => read.unwrap_or(0),
        };
        request.push_str(&String::from_utf8_lossy(&piece[..n_bytes]));
        let Some((head, body)) = request.split_once("\r\n\r\n") else {
            if n_bytes == 0 {
                return request;
            }
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| {
                line.to_ascii_lowercase()
                    .strip_prefix("content-length:")?
                    .trim()
                    .parse::<usize>()
                    .ok()
            })
            .unwrap_or(0);
        if body.len() >= length || n_bytes == 0 {
            return request;
        }
    }
}

/// No answer at all.
const HANGS: &str = "";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
const ERROR: &str = "HTTP/1.1 500 Oops\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
const AGAIN: &str =
    "HTTP/1.1 302 Found\r\nlocation: /again\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// A guard that tells a server. Whoever answers has as long as a busy machine may take.
fn with_webhook(answers: &'static [&'static str], more: &str) -> (Sandbox, Receiver<String>) {
    let sandbox = Sandbox::new();
    let (url, requests) = server(answers);
    let timeout = if answers.contains(&HANGS) { "500ms" } else { "30s" };
    sandbox.settings(&format!(
        "{ALLOW}[alerts.webhook]\nurl = \"{url}\"\ntimeout = \"{timeout}\"\n{more}"
    ));
    (sandbox, requests)
}

#[test]
fn a_webhook_gets_the_alert_in_the_form_that_it_understands() {
    for (template, parts) in [
        ("json", &["\"event\":\"trip\"", "content-type: application/json"][..]),
        ("slack", &["{\"text\":\"a&amp;b is blocked"]),
        ("ntfy", &["title: a&b is blocked", "priority: high", "\r\n\r\na&b is blocked: 3"]),
    ] {
        let (sandbox, requests) = with_webhook(&[OK], &format!("template = \"{template}\"\n"));
        sandbox.fail("a&b", 3);
        let request = requests.recv_timeout(Duration::from_secs(30)).unwrap();
        for part in parts {
            assert!(request.contains(part), "{template}: {part} in {request}");
        }
        assert!(sandbox.guard("alert list").code(0).stdout.contains("webhook delivered"));
    }
}

#[test]
fn a_webhook_that_fails_hangs_or_redirects_for_ever_is_told_and_its_address_never() {
    for (answers, told) in [
        (&[ERROR][..], "answered 500"),
        (&[HANGS], "did not answer in time"),
        (&[AGAIN], "redirects"),
    ] {
        let (sandbox, _requests) = with_webhook(answers, "");
        sandbox.fail("j", 3);
        let list = sandbox.guard("alert list").code(0).stdout;
        assert!(list.contains(told), "{told}: {list}");
        assert!(!list.contains("secret-token"), "{list}");
    }
}

#[test]
fn mail_goes_through_sendmail_and_the_desktop_through_its_program() {
    let sandbox = Sandbox::new();
    let sendmail = program(&sandbox, "sendmail", "echo \"$@\" > $HOME/mail; cat >> $HOME/mail");
    let notify = program(&sandbox, "notify-send", "printf '%s\\n' \"$@\" > $HOME/shown");
    sandbox.settings(&format!(
        "{ALLOW}[alerts.mail]\nto = \"ops@example.org\"\nsendmail = \"{sendmail}\"\n[alerts.desktop]\nprogram = \"{notify}\"\n"
    ));
    sandbox.fail("j", 3);
    let mail = std::fs::read_to_string(sandbox.path("mail")).unwrap();
    assert!(
        mail.starts_with("-t -i\nTo: ops@example.org\nSubject: cron-guard: j is blocked\n"),
        "{mail}"
    );
    let shown = std::fs::read_to_string(sandbox.path("shown")).unwrap();
    assert!(shown.contains("critical\n--\nj is blocked\n"), "{shown}");
}

#[test]
fn alert_test_proves_each_channel() {
    let sandbox = with_command("cat > $HOME/sent");
    assert_eq!(sandbox.guard("alert test").code(0).stdout, "command: delivered\n");
    assert_eq!(sent(&sandbox)[0]["event"], "test");
    let failed = sandbox.guard("alert test --channel mail").code(1);
    assert!(failed.stdout.starts_with("mail: "), "{failed:?}");
    sandbox.guard("alert test --channel pigeon").code(2);
}
