//! Starts a daemon in the background and waits until it answers.
//!
//! The daemon is this very program, in a session of its own, with a clean environment. Its stdout
//! is a pipe to us until it says that it is ready, or why it is not.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader};
#[cfg(target_os = "linux")]
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::exit::Exit;
use common::{environment, place};
use serde_json::Value;

use crate::client::{Caller, Client};
use crate::error::Error;
use crate::home::{Home, check_private};
use crate::sys;

/// How long a daemon that somebody else starts may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a daemon that somebody else starts is waited for before another one is started.
const ANOTHER: Duration = Duration::from_millis(500);

/// A log that has grown beyond this begins anew.
const MAX_LOG: u64 = 1024 * 1024;

/// Connects to the daemon, which is started when none answers and `may_start` allows it.
pub(crate) fn connect(
    home: &Home,
    key_command: Option<&str>,
    caller: impl Fn() -> Caller,
    may_start: bool,
) -> Result<Client, Error> {
    home.check()?;
    if let Some(client) = Client::connect(home, caller())? {
        return Ok(client);
    }
    if !may_start {
        return Err(Error::NoDaemon { socket: home.socket() });
    }
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        start(home, key_command)?;
        // The one that was there already may be about to end, and then nobody answers.
        if let Some(client) = wait_for(home, &caller)? {
            return Ok(client);
        }
    }
    Err(Error::NoDaemon { socket: home.socket() })
}

/// Starts a daemon. Another one that is there already, or is just starting, is no error.
pub(crate) fn start(home: &Home, key_command: Option<&str>) -> Result<(), Error> {
    let mut daemon =
        command(home, key_command)?.spawn().map_err(|source| failed(source.to_string()))?;
    let mut line = String::new();
    if let Some(stdout) = daemon.stdout.take() {
        // The daemon says one line and closes the pipe; a dead one closes it without a line.
        let _ = BufReader::new(stdout).read_line(&mut line);
    }
    let answer: Value = serde_json::from_str(&line).unwrap_or_default();
    if answer.get("ready").is_some() {
        return Ok(());
    }
    let error = answer.get("error").cloned().unwrap_or_default();
    let text = |key: &str| error.get(key).and_then(Value::as_str).map(str::to_owned);
    if text("code").as_deref() == Some("already_running") {
        return Ok(());
    }
    let can_work_later =
        error.get("exit").and_then(Value::as_u64) == Some(Exit::Again.code().into());
    Err(Error::StartFailed {
        message: text("message").unwrap_or_else(|| "it ended without a word".to_owned()),
        hint: text("hint").or_else(|| {
            Some(format!("its last words may be in {}", place::for_people(&home.log())))
        }),
        exit: if can_work_later { Exit::Again } else { Exit::Failed },
    })
}

/// The daemon as a command: in a session of its own, with little in its environment.
fn command(home: &Home, key_command: Option<&str>) -> Result<Command, Error> {
    let mut command = Command::new(this_program()?);
    command
        .arg("serve")
        .arg("--background")
        .arg("--home")
        .arg(&home.dir)
        .current_dir("/")
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(open_log(home)?);
    if let Some(key_command) = key_command {
        // Not as an argument: everybody can read those.
        command.env("CREDENTIAL_PROXY_KEY_COMMAND", key_command);
    }
    if let Some(socket) = home.named_socket() {
        command.env(
            "CREDENTIAL_PROXY_SOCKET",
            std::path::absolute(socket).unwrap_or_else(|_| socket.to_path_buf()),
        );
    }
    for name in ["PATH", "CREDENTIALS_DIRECTORY", "AGENT_PLUMBING_CLOCK"] {
        if let Some(value) = environment::os(name) {
            command.env(name, value);
        }
    }
    if let Ok(user_home) = place::home() {
        command.env("HOME", user_home);
    }
    sys::detach(&mut command);
    Ok(command)
}

/// The file of this program; where there is no /proc, the path by which the kernel was asked for it.
fn this_program() -> Result<PathBuf, Error> {
    std::env::current_exe()
        .or_else(|error| {
            #[cfg(target_os = "linux")]
            {
                let name = std::ffi::OsStr::from_bytes(rustix::param::linux_execfn().to_bytes());
                if !name.is_empty() {
                    return std::path::Path::new(name).canonicalize();
                }
            }
            Err(error)
        })
        .map_err(|source| failed(format!("cannot find this program: {source}")))
}

/// The log of the daemon, checked like every private file.
fn open_log(home: &Home) -> Result<File, Error> {
    let path = home.log();
    let open = || {
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&path)
            .map_err(|source| common::error::file("open the log", &path)(source).into())
    };
    if check_private(&path)? {
        // What a daemon says in its life is a few lines; more is of no use to anybody.
        let file = open()?;
        if file.metadata().is_ok_and(|found| found.len() > MAX_LOG) {
            let _ = file.set_len(0);
        }
        return Ok(file);
    }
    open()
}

fn failed(message: String) -> Error {
    Error::StartFailed { message, hint: None, exit: Exit::Failed }
}

/// Waits for a daemon that is on its way; `None` when none came.
fn wait_for(home: &Home, caller: impl Fn() -> Caller) -> Result<Option<Client>, Error> {
    let began = Instant::now();
    while began.elapsed() < ANOTHER {
        if let Some(client) = Client::connect(home, caller())? {
            return Ok(Some(client));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(None)
}
