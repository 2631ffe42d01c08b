//! Starts a daemon in the background and waits until it answers.
//!
//! The daemon is this very program, in a session of its own, with a clean environment. Its stdout
//! is a pipe to us until it says that it is ready, or why it is not.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _};
#[cfg(target_os = "linux")]
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::exit::Exit;
use common::{environment, place};
use rustix::fs::FlockOperation;
use rustix::process::{Pid, Signal};
use serde_json::Value;

use crate::client::{Caller, Client};
use crate::error::Error;
use crate::home::{Home, check_private, open_private};
use crate::sys;

/// How long a daemon that somebody else starts may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a daemon that somebody else starts is waited for before another one is started.
const ANOTHER: Duration = Duration::from_millis(500);

/// How long a daemon whose socket is gone may take to notice it.
const COMING_BACK: Duration = Duration::from_millis(1500);

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
        return running(home, &caller)?.ok_or_else(|| absent(home));
    }
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        start(home, key_command)?;
        // The one that was there already may be about to end, and then nobody answers.
        if let Some(client) = wait_for(home, &caller, ANOTHER)? {
            return Ok(client);
        }
        refuse_elsewhere(home)?;
    }
    Err(absent(home))
}

/// Connects to a daemon that is there; `None` without one.
pub(crate) fn running(home: &Home, caller: &impl Fn() -> Caller) -> Result<Option<Client>, Error> {
    match Client::connect(home, caller())? {
        Some(client) => Ok(Some(client)),
        None if holder(home).is_none() => Ok(None),
        // One that is starting, or one whose socket was removed and who is about to notice.
        None => wait_for(home, caller, COMING_BACK),
    }
}

/// Why nobody answers: there is no daemon, or one that does not listen here.
pub(crate) fn absent(home: &Home) -> Error {
    if let Err(error) = refuse_elsewhere(home) {
        return error;
    }
    match holder(home) {
        Some(pid) => Error::NotListening { pid, socket: home.socket() },
        None => Error::NoDaemon { socket: home.socket() },
    }
}

/// An error when the daemon of this home listens on another socket than the one that was named.
fn refuse_elsewhere(home: &Home) -> Result<(), Error> {
    let listens_on = home.noted_socket();
    if listens_on == home.socket() {
        return Ok(());
    }
    match Client::connect_noted(home, Caller::default()) {
        Ok(Some(client)) => {
            let pid = client.daemon_pid().unwrap_or_default();
            Err(Error::ListensElsewhere { pid, socket: home.socket(), listens_on })
        }
        _ => Ok(()),
    }
}

/// The process that holds the lock of a daemon of this home; 0 where the file does not tell which.
pub(crate) fn holder(home: &Home) -> Option<u32> {
    let mut file = open_private(&home.lock(), false).ok()?;
    if rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared).is_ok() {
        let _ = rustix::fs::flock(&file, FlockOperation::Unlock);
        return None;
    }
    let mut text = String::new();
    // A holder that is just starting has not written its number yet.
    let _ = file.read_to_string(&mut text);
    Some(text.trim().parse().unwrap_or_default())
}

/// Asks the daemon that holds the lock to end, when it is sure that this process does.
pub(crate) fn end(home: &Home, pid: u32) -> Result<(), Error> {
    let not_ours = || Error::NotListening { pid, socket: home.socket() };
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or_else(not_ours)?;
    if !holds_lock(home, pid) {
        return Err(not_ours());
    }
    match rustix::process::kill_process(process, Signal::TERM) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(_) => Err(not_ours()),
    }
}

/// Whether the kernel knows the process as the holder of the lock: its number in the file may be one
/// that a killed daemon left there. Where the kernel does not tell, the file is believed.
fn holds_lock(home: &Home, pid: u32) -> bool {
    let Ok(locks) = std::fs::read_to_string("/proc/locks") else { return true };
    let Ok(found) = home.lock().metadata() else { return false };
    locks.lines().any(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let inode = words.get(5).and_then(|place| place.rsplit(':').next()?.parse().ok());
        words.get(1) == Some(&"FLOCK")
            && words.get(4).and_then(|word| word.parse().ok()) == Some(pid)
            && inode == Some(found.ino())
    })
}

/// Starts a daemon. Another one that is there already, or is just starting, is no error.
fn start(home: &Home, key_command: Option<&str>) -> Result<(), Error> {
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
        command.env("CREDENTIAL_PROXY_SOCKET", socket);
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
fn wait_for(
    home: &Home,
    caller: &impl Fn() -> Caller,
    patience: Duration,
) -> Result<Option<Client>, Error> {
    let began = Instant::now();
    while began.elapsed() < patience {
        if let Some(client) = Client::connect(home, caller())? {
            return Ok(Some(client));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(None)
}
