//! What only this tool can meet, each with its exit code and the next step. Never a secret.

use std::io;
use std::path::PathBuf;

use common::exit::Exit;
use common::place::for_people;
use common::report::Explain;
use serde_json::{Value, json};

/// Why a path is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unsafe {
    #[error("it is a symbolic link")]
    Link,
    #[error("it is no regular file")]
    NotAFile,
    #[error("it is no directory")]
    NotADirectory,
    #[error("it is no socket")]
    NotASocket,
    #[error("it has more than one name (hard links)")]
    SeveralNames,
    #[error("it belongs to the user with id {uid}")]
    AnotherUsers { uid: u32 },
    #[error("others can reach it (mode {mode:04o})")]
    Open { mode: u32 },
}

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadKey {
    #[error("it is empty")]
    Empty,
    #[error("it has {found} characters, and a Fernet key has 44")]
    Length { found: usize },
    #[error("it is not 32 bytes in base64")]
    Form,
}

/// One of several credentials that a name could mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) id: i64,
    pub(crate) username: String,
}

/// A failure of this tool.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Common(#[from] common::Error),
    #[error("there is no vault at {}", for_people(.path))]
    NoVault { path: PathBuf },
    #[error("the vault {} has lost its key {}", for_people(.vault), for_people(.key))]
    NoKey { vault: PathBuf, key: PathBuf },
    #[error("cannot use {}: {problem}", for_people(.path))]
    Unsafe { path: PathBuf, problem: Unsafe },
    #[error("cannot use the key from {source_of}: {problem}")]
    BadKey { source_of: String, problem: BadKey },
    #[error("the key command failed: {problem}")]
    KeyCommand { problem: String },
    #[error("the key does not open the vault {}", for_people(.path))]
    WrongKey { path: PathBuf },
    #[error("{} is no vault", for_people(.path))]
    Foreign { path: PathBuf },
    #[error("the vault {} has version {found}, and this program knows versions up to {known}", for_people(.path))]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("the vault {} is damaged", for_people(.path))]
    Corrupt { path: PathBuf },
    #[error("{} of the vault {} cannot be decrypted ({})", count(.ids.len(), "credential"), for_people(.path), id_list(.ids))]
    Undecryptable { path: PathBuf, ids: Vec<i64> },
    #[error("the vault {} is busy", for_people(.path))]
    Busy { path: PathBuf },
    #[error("cannot {doing} the vault {}", for_people(.path))]
    Store { doing: &'static str, path: PathBuf, source: rusqlite::Error },
    #[error("the vault {} exists already", for_people(.path))]
    VaultExists { path: PathBuf },
    #[error("no daemon is listening on {}", for_people(.socket))]
    NoDaemon { socket: PathBuf },
    #[error("no daemon is running on {}", for_people(.socket))]
    NotRunning { socket: PathBuf },
    #[error("the daemon (pid {pid}) holds the lock of this vault, but does not listen on {}", for_people(.socket))]
    NotListening { pid: u32, socket: PathBuf },
    #[error("the daemon (pid {pid}) listens on {}, and not on {}", for_people(.listens_on), for_people(.socket))]
    ListensElsewhere { pid: u32, socket: PathBuf, listens_on: PathBuf },
    #[error("the daemon (pid {pid}) does not answer")]
    Silent { pid: u32 },
    #[error("the daemon (pid {pid}) does not end")]
    StillRunning { pid: u32 },
    #[error("cannot start the daemon: {message}")]
    StartFailed { message: String, hint: Option<String>, exit: Exit },
    #[error("a daemon is already running (pid {pid})")]
    AlreadyRunning { pid: u32 },
    #[error("another program answers on {}", for_people(.socket))]
    SocketTaken { socket: PathBuf },
    #[error("the path of the socket is too long for this system: {}", for_people(.socket))]
    SocketPath { socket: PathBuf },
    #[error("cannot talk to the daemon on {}", for_people(.socket))]
    Talk { socket: PathBuf, source: io::Error },
    #[error("the daemon's answer is not understood")]
    Protocol,
    #[error("the daemon answered: {answer}")]
    Daemon { answer: String },
    #[error("the vault is locked")]
    Locked,
    #[error("no such credential: {}", .names.join(", "))]
    NotFound { names: Vec<String> },
    #[error("no such token: {name}")]
    NoToken { name: String },
    #[error("{service} is ambiguous: {}", candidate_list(.candidates))]
    Ambiguous { service: String, candidates: Vec<Candidate> },
    #[error("cannot tell whether {service} is there: {} cannot be decrypted", count(*.n_broken, "credential"))]
    PerhapsBroken { service: String, n_broken: usize },
    #[error("{service} has no field {field}")]
    NoField { service: String, field: String },
    #[error("{message}")]
    Denied { message: String },
    #[error("{service} is there already{}", for_user(.username))]
    Exists { service: String, username: String },
    #[error("{message}")]
    Usage { message: String },
    /// What was given cannot be used, and how it was written is not the reason.
    #[error("{message}")]
    Refused { message: String, hint: Option<&'static str> },
    #[error("cannot import {}: {problem}", for_people(.path))]
    Import { path: PathBuf, problem: String, hint: Option<String> },
    #[error("the child was not started: {}", .problems.join("; "))]
    NotStarted { problems: Vec<String>, hint: Option<String> },
    #[error("the audit trail {}: {problem}", for_people(.path))]
    Audit { path: PathBuf, problem: String },
}

/// A number and its noun.
pub(crate) fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

fn id_list(ids: &[i64]) -> String {
    let shown: Vec<String> = ids.iter().take(10).map(|id| format!("id {id}")).collect();
    let more = if ids.len() > 10 { ", …" } else { "" };
    format!("{}{more}", shown.join(", "))
}

fn candidate_list(candidates: &[Candidate]) -> String {
    let shown: Vec<String> = candidates
        .iter()
        .map(|one| format!("{} (id {})", display_user(&one.username), one.id))
        .collect();
    shown.join(", ")
}

fn display_user(username: &str) -> &str {
    if username.is_empty() { "no username" } else { username }
}

fn for_user(username: &str) -> String {
    if username.is_empty() { String::new() } else { format!(" for {username}") }
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Common(error) => error.exit(),
            Self::StartFailed { exit, .. } => *exit,
            Self::NotFound { .. }
            | Self::NoToken { .. }
            | Self::Ambiguous { .. }
            | Self::NoField { .. }
            | Self::Denied { .. }
            | Self::Exists { .. }
            | Self::AlreadyRunning { .. }
            | Self::NotRunning { .. }
            | Self::VaultExists { .. } => Exit::No,
            Self::Usage { .. } | Self::Refused { .. } => Exit::Usage,
            Self::Busy { .. }
            | Self::NoDaemon { .. }
            | Self::Talk { .. }
            | Self::NotListening { .. }
            | Self::Silent { .. }
            | Self::StillRunning { .. }
            | Self::Locked => Exit::Again,
            Self::NotStarted { .. } => Exit::NotStarted,
            Self::NoVault { .. }
            | Self::NoKey { .. }
            | Self::Unsafe { .. }
            | Self::BadKey { .. }
            | Self::KeyCommand { .. }
            | Self::WrongKey { .. }
            | Self::Foreign { .. }
            | Self::Newer { .. }
            | Self::Corrupt { .. }
            | Self::Undecryptable { .. }
            | Self::PerhapsBroken { .. }
            | Self::Store { .. }
            | Self::SocketTaken { .. }
            | Self::SocketPath { .. }
            | Self::ListensElsewhere { .. }
            | Self::Protocol
            | Self::Daemon { .. }
            | Self::Import { .. }
            | Self::Audit { .. } => Exit::Failed,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Common(error) => error.code(),
            Self::NoVault { .. } => "no_vault",
            Self::NoKey { .. } => "no_key",
            Self::Unsafe { .. } => "unsafe",
            Self::BadKey { .. } => "bad_key",
            Self::KeyCommand { .. } => "key_command",
            Self::WrongKey { .. } => "wrong_key",
            Self::Foreign { .. } => "foreign",
            Self::Newer { .. } => "newer_vault",
            Self::Corrupt { .. } => "corrupt",
            Self::Undecryptable { .. } | Self::PerhapsBroken { .. } => "undecryptable",
            Self::Busy { .. } => "busy",
            Self::Store { .. } => "store",
            Self::VaultExists { .. } => "vault_exists",
            Self::NoDaemon { .. } => "no_daemon",
            Self::NotRunning { .. } => "not_running",
            Self::StillRunning { .. } => "still_running",
            Self::NotListening { .. } => "not_listening",
            Self::ListensElsewhere { .. } => "listens_elsewhere",
            Self::Silent { .. } => "silent",
            Self::StartFailed { .. } => "start_failed",
            Self::AlreadyRunning { .. } => "already_running",
            Self::SocketTaken { .. } => "socket_taken",
            Self::SocketPath { .. } => "socket_path",
            Self::Talk { .. } => "talk",
            Self::Protocol => "protocol",
            Self::Daemon { .. } => "daemon",
            Self::Locked => "locked",
            Self::NotFound { .. } => "not_found",
            Self::NoToken { .. } => "no_such_token",
            Self::Ambiguous { .. } => "ambiguous",
            Self::NoField { .. } => "no_field",
            Self::Denied { .. } => "denied",
            Self::Exists { .. } => "exists",
            Self::Usage { .. } | Self::Refused { .. } => "usage",
            Self::Import { .. } => "import",
            Self::NotStarted { .. } => "not_started",
            Self::Audit { .. } => "audit",
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Common(error) => return error.hint(),
            Self::StartFailed { hint, .. }
            | Self::Import { hint, .. }
            | Self::NotStarted { hint, .. } => return hint.clone(),
            Self::NoVault { .. } => "create one with `credential-proxy init`",
            Self::NoKey { .. } => {
                "put the key file back from a backup; without it nothing in the vault can be read"
            }
            Self::Unsafe { path, problem } => return Some(unsafe_hint(path, *problem)),
            Self::BadKey { .. } => "put the right key back from a backup",
            Self::KeyCommand { .. } => {
                "run the command by hand; it must print the key and exit with 0 within 30 seconds"
            }
            Self::WrongKey { .. } => "put back the key that was made with this vault",
            Self::Foreign { .. } => "name another directory with --home, or move the file away",
            Self::Newer { .. } => "install the release that wrote it, or a later one",
            Self::Corrupt { .. } => {
                "put the vault back from a backup, as `credential-proxy backup FILE` makes them"
            }
            Self::Undecryptable { .. } | Self::PerhapsBroken { .. } => {
                "put the vault back from a backup, or delete these rows with `credential-proxy delete --id ID`"
            }
            Self::Busy { .. } => "another process is writing; run the command again",
            Self::Store { source, .. } => match source.sqlite_error_code() {
                Some(rusqlite::ErrorCode::DiskFull) => "free some space and run the command again",
                Some(rusqlite::ErrorCode::ReadOnly | rusqlite::ErrorCode::CannotOpen) => {
                    "check the owner and the mode of the directory and of the file system"
                }
                _ => return None,
            },
            Self::StillRunning { pid } => {
                return Some(format!(
                    "end it with `kill -KILL {pid}`; the kernel wipes what it held"
                ));
            }
            Self::Silent { pid } => {
                return Some(format!(
                    "it may be stopped (`kill -CONT {pid}`) or busy; run the command again, or end it with `credential-proxy stop`"
                ));
            }
            Self::NotListening { .. } => {
                "it may be just starting; run the command again, or end it with `credential-proxy stop`"
            }
            Self::ListensElsewhere { .. } => {
                "unset CREDENTIAL_PROXY_SOCKET, or end it with `credential-proxy stop`"
            }
            Self::NoDaemon { .. } => "start one with `credential-proxy start`",
            Self::SocketTaken { .. } => {
                "name another socket with CREDENTIAL_PROXY_SOCKET, or end that program"
            }
            Self::SocketPath { .. } => {
                "name a shorter path with CREDENTIAL_PROXY_SOCKET, at most 100 characters"
            }
            Self::Talk { .. } => {
                "look at `credential-proxy status` and at the daemon.log beside the vault"
            }
            Self::Protocol => {
                "restart the daemon with `credential-proxy stop` and `credential-proxy start`"
            }
            Self::Locked => "open it again with `credential-proxy unlock`",
            Self::Refused { hint, .. } => return hint.map(str::to_owned),
            Self::Usage { .. } => "see `credential-proxy help` for how it is written",
            Self::Audit { .. } => "keep the files as they are and find out who wrote to them",
            Self::NotFound { .. }
            | Self::NoToken { .. }
            | Self::Ambiguous { .. }
            | Self::NoField { .. }
            | Self::Denied { .. }
            | Self::Exists { .. }
            | Self::AlreadyRunning { .. }
            | Self::NotRunning { .. }
            | Self::VaultExists { .. }
            | Self::Daemon { .. } => return None,
        };
        Some(hint.to_owned())
    }

    fn data(&self) -> Option<Value> {
        match self {
            Self::Ambiguous { candidates, .. } => Some(json!({
                "candidates": candidates.iter().map(|one| json!({ "id": one.id, "username": one.username })).collect::<Vec<_>>()
            })),
            Self::NotFound { names } => Some(json!({ "names": names })),
            _ => None,
        }
    }
}

fn unsafe_hint(path: &std::path::Path, problem: Unsafe) -> String {
    let shown = path.display();
    match problem {
        Unsafe::Open { .. } if path.is_dir() => {
            format!("if nobody else used it, close it with `chmod 700 {shown}`")
        }
        Unsafe::Open { .. } => format!(
            "if nobody else read it, close it with `chmod 600 {shown}`; otherwise change the passwords, too"
        ),
        Unsafe::AnotherUsers { .. } => {
            "run the command as the owner, or name another place with --home".to_owned()
        }
        Unsafe::Link
        | Unsafe::NotAFile
        | Unsafe::NotADirectory
        | Unsafe::NotASocket
        | Unsafe::SeveralNames => "find out who put it there, and remove it".to_owned(),
    }
}
