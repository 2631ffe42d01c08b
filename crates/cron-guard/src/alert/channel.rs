//! The channels. Each takes one alert and says whether it arrived; none of them hangs.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::out::sanitize;
use common::place;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::TOOL;
use crate::settings::{Alerts, CommandTable, DesktopTable, MailTable};
use crate::store::alerts::Alert;

/// How long a channel may take.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);

/// What takes a mail where the settings name nothing else.
pub(crate) const SENDMAIL: &str = "/usr/sbin/sendmail";
/// What shows a notification where the settings name nothing else.
pub(crate) const NOTIFY: &str = "notify-send";

/// Sends `alert` on `channel`; the error is one line for `status` and never holds a secret.
pub(crate) fn send(channel: &str, settings: &Alerts, alert: &Alert) -> Result<(), String> {
    match channel {
        "command" => match &settings.command {
            Some(table) => command(table, alert),
            None => Err(gone(channel)),
        },
        "webhook" => match &settings.webhook {
            Some(table) => super::webhook::send(table, alert),
            None => Err(gone(channel)),
        },
        "mail" => match &settings.mail {
            Some(table) => mail(table, alert),
            None => Err(gone(channel)),
        },
        "file" => file(&file_path(settings)?, alert),
        "desktop" => match &settings.desktop {
            Some(table) => desktop(table, alert),
            None => Err(gone(channel)),
        },
        other => Err(gone(other)),
    }
}

fn gone(channel: &str) -> String {
    format!("the channel {channel} is no longer in the settings")
}

/// Where the file channel writes.
pub(crate) fn file_path(settings: &Alerts) -> Result<PathBuf, String> {
    match &settings.file {
        Some(table) => Ok(expand_home(&table.path)),
        None => place::in_home(".local/state/cron-guard/alerts.jsonl")
            .map_err(|error| error.to_string()),
    }
}

/// `~/` at the front of a path in the settings means the home directory, as people expect.
pub(crate) fn expand_home(path: &Path) -> PathBuf {
    match path.strip_prefix("~") {
        Ok(rest) => place::in_home("").map_or_else(|_| path.to_path_buf(), |home| home.join(rest)),
        Err(_) => path.to_path_buf(),
    }
}

/// Appends the alert as one line, once: a line with its id may be there already from a process that
/// was killed before it could say so.
fn file(path: &Path, alert: &Alert) -> Result<(), String> {
    let append = || -> std::io::Result<()> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            place::private_dir(folder).map_err(std::io::Error::other)?;
        }
        let mut file =
            OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
        file.lock()?;
        if tail_holds(&mut file, &alert.id)? {
            return Ok(());
        }
        file.write_all(format!("{}\n", alert.body).as_bytes())?;
        file.sync_data()
    };
    append().map_err(|error| format!("cannot write {}: {error}", path.display()))
}

fn tail_holds(file: &mut std::fs::File, id: &str) -> std::io::Result<bool> {
    const TAIL: u64 = 256 * 1024;
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut tail = Vec::new();
    file.take(TAIL).read_to_end(&mut tail)?;
    Ok(String::from_utf8_lossy(&tail).contains(id))
}

/// Runs a program with the alert on stdin, in a process group of its own, for ten seconds at most.
fn command(table: &CommandTable, alert: &Alert) -> Result<(), String> {
    let Some((program, arguments)) = table.argv.split_first() else {
        return Err("alerts.command.argv is empty".to_owned());
    };
    let program = expand_home(Path::new(program));
    let mut command = Command::new(&program);
    command.args(arguments);
    for (variable, key) in [
        ("CRON_GUARD_ALERT_ID", "alert_id"),
        ("CRON_GUARD_EVENT", "event"),
        ("CRON_GUARD_JOB", "job"),
        ("CRON_GUARD_REASON", "reason"),
        ("CRON_GUARD_STREAK", "streak"),
        ("CRON_GUARD_TITLE", "title"),
        ("CRON_GUARD_TEXT", "text"),
        ("CRON_GUARD_RESUME", "resume"),
    ] {
        let value = match alert.body.get(key) {
            Some(serde_json::Value::String(text)) => text.replace('\0', ""),
            Some(serde_json::Value::Null) | None => continue,
            Some(other) => other.to_string(),
        };
        command.env(variable, value);
    }
    let timeout = table.timeout.map_or(TIMEOUT, |timeout| timeout.0);
    run_with_input(command, format!("{}\n", alert.body).as_bytes(), timeout)
        .map_err(|error| format!("{}: {error}", program.display()))
}

/// A message for sendmail, which reads the addresses from its head.
fn mail(table: &MailTable, alert: &Alert) -> Result<(), String> {
    let sendmail = table.sendmail.clone().unwrap_or_else(|| PathBuf::from(SENDMAIL));
    let mut command = Command::new(&sendmail);
    // `-i`: a line with a single dot is text, and does not end the message.
    command.args(["-t", "-i"]);
    run_with_input(command, message(table, alert).as_bytes(), TIMEOUT)
        .map_err(|error| format!("{}: {error}", sendmail.display()))
}

/// The message: no line break of ours or of a job can add a header.
fn message(table: &MailTable, alert: &Alert) -> String {
    let header = |text: &str| text.chars().filter(|c| !c.is_control()).collect::<String>();
    let mut message = String::new();
    if let Some(from) = &table.from {
        let _ = writeln!(message, "From: {}", header(from));
    }
    let _ = writeln!(message, "To: {}", header(&table.to));
    let _ = writeln!(message, "Subject: cron-guard: {}", header(&alert.text("title")));
    let _ = writeln!(message, "Message-ID: <{}@cron-guard>", alert.id);
    message.push_str("Auto-Submitted: auto-generated\nContent-Type: text/plain; charset=utf-8\n\n");
    message.push_str(&alert.text("text"));
    message
}

fn desktop(table: &DesktopTable, alert: &Alert) -> Result<(), String> {
    let program = table.program.clone().unwrap_or_else(|| PathBuf::from(NOTIFY));
    let mut command = Command::new(&program);
    command.args(["--app-name", TOOL, "--urgency"]);
    command.arg(if alert.is_bad_news() { "critical" } else { "normal" });
    command.args(["--", &alert.text("title"), &alert.text("text")]);
    // Cron knows nothing of the session; its bus has a fixed place on systems with systemd.
    if common::environment::os("DBUS_SESSION_BUS_ADDRESS").is_none() {
        let uid = rustix::process::getuid().as_raw();
        command.env("DBUS_SESSION_BUS_ADDRESS", format!("unix:path=/run/user/{uid}/bus"));
    }
    run_with_input(command, b"", TIMEOUT).map_err(|error| format!("{}: {error}", program.display()))
}

/// Runs a program with this input; ends its whole group when the time is over.
pub(crate) fn run_with_input(
    mut command: Command,
    input: &[u8],
    timeout: Duration,
) -> Result<(), String> {
    // The input is a file, so that a program that never reads it cannot block us.
    let mut stdin = tempfile::tempfile().map_err(|error| error.to_string())?;
    let mut stderr = tempfile::tempfile().map_err(|error| error.to_string())?;
    stdin
        .write_all(input)
        .and_then(|()| stdin.seek(SeekFrom::Start(0)).map(|_| ()))
        .map_err(|error| error.to_string())?;
    let errors = stderr.try_clone().map_err(|error| error.to_string())?;
    command.stdin(stdin).stdout(Stdio::null()).stderr(errors).process_group(0);
    let mut child = command.spawn().map_err(|error| format!("cannot run it: {error}"))?;
    let group = Pid::from_child(&child);
    let until = Instant::now() + timeout;
    let mut pause = Duration::from_millis(1);
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < until => {
                std::thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(50));
            }
            Ok(None) => {
                let _ = kill_process_group(group, Signal::KILL);
                let _ = child.wait();
                let limit = common::duration::human(timeout);
                return Err(format!("it did not end within {limit} and was killed"));
            }
            Err(error) => return Err(error.to_string()),
        }
    };
    if status.success() {
        return Ok(());
    }
    let mut said = String::new();
    let _ = stderr.seek(SeekFrom::Start(0));
    let _ = stderr.take(400).read_to_string(&mut said);
    let said = sanitize(said.trim()).into_owned();
    Err(if said.is_empty() { status.to_string() } else { format!("{status}: {said}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_job_cannot_write_headers_of_the_mail() {
        let table = MailTable { to: "a@b\nBcc: x".into(), from: None, sendmail: None };
        let alert = Alert {
            id: "1".into(),
            at: common::clock::Timestamp(0),
            event: "trip".into(),
            job: None,
            labels: Vec::new(),
            grouped_in: None,
            body: json!({ "title": "j\r\nBcc: evil is blocked", "text": "body\n" }),
        };
        let message = message(&table, &alert);
        let (head, body) = message.split_once("\n\n").unwrap();
        assert!(head.lines().all(|line| !line.starts_with("Bcc")), "{head}");
        assert_eq!(body, "body\n");
    }

    #[test]
    fn a_program_that_never_ends_is_ended_with_its_children() {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "sleep 300 & sleep 300"]);
        let error = run_with_input(command, b"", Duration::from_millis(100)).unwrap_err();
        assert!(error.contains("within 100ms"), "{error}");
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "cat >/dev/null; echo refused >&2; exit 3"]);
        let error = run_with_input(command, b"x", TIMEOUT).unwrap_err();
        assert!(error.ends_with("refused"), "{error}");
    }
}
