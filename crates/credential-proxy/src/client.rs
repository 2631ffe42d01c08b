//! The side that asks: finds the daemon, starts one when none answers, speaks the wire protocol.
//!
//! Before it writes a byte it checks that the socket is ours and closed to others, and that the
//! process behind it runs as this user.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use chrono::DateTime;
use common::clock::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::credential::Credential;
use crate::error::{Candidate, Error};
use crate::home::{AtSocket, Home, check_socket};
use crate::launch;
use crate::protocol::{Mode, VERSION};
use crate::reference::Wanted;
use crate::secret::Secret;

/// How long an answer may take; a vault of 100,000 rows is read again in less.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long an answer may take that waits for a key command, or that a job cannot do without.
pub(crate) const LONG_PATIENCE: Duration = Duration::from_secs(30);

/// How long somebody waits to be told how the daemon is.
pub(crate) const SHORT_PATIENCE: Duration = Duration::from_secs(3);

/// The longest answer that is read: a list of very many names.
const MAX_ANSWER: u64 = 256 * 1024 * 1024;

/// Who asks, as the daemon writes it into its audit trail.
#[derive(Default)]
pub(crate) struct Caller {
    pub(crate) token: Option<Secret>,
    pub(crate) run: Option<String>,
}

/// A connection to the daemon.
pub(crate) struct Client {
    stream: BufReader<UnixStream>,
    socket: PathBuf,
    caller: Caller,
}

impl Client {
    /// Connects to the daemon of `home`; `None` when none is listening.
    ///
    /// Who named no socket takes the one that the daemon noted, wherever it is.
    pub(crate) fn connect(home: &Home, caller: Caller) -> Result<Option<Self>, Error> {
        let socket = home.socket();
        if check_socket(&socket)? == AtSocket::Nothing && home.named_socket().is_none() {
            return Self::connect_noted(home, caller);
        }
        Self::connect_to(socket, caller)
    }

    /// Connects to the daemon of `home` where it noted its socket. A daemon that was killed leaves the
    /// note behind, and then the daemon of another home may listen there.
    pub(crate) fn connect_noted(home: &Home, caller: Caller) -> Result<Option<Self>, Error> {
        let Some(holder) = launch::holder(home) else { return Ok(None) };
        let client = Self::connect_to(home.noted_socket(), caller)?;
        Ok(client.filter(|client| {
            let pid = client.daemon_pid().unwrap_or_default();
            // Where a number is not known, as in a container, the note is believed.
            holder == 0 || pid == 0 || pid == holder
        }))
    }

    /// Connects to the daemon that listens on `socket`; `None` when none does.
    fn connect_to(socket: PathBuf, caller: Caller) -> Result<Option<Self>, Error> {
        if check_socket(&socket)? == AtSocket::Nothing {
            return Ok(None);
        }
        let failed = |source| Error::Talk { socket: socket.clone(), source };
        let stream = match UnixStream::connect(&socket) {
            Ok(stream) => stream,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound
                ) =>
            {
                return Ok(None);
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                return Err(Error::SocketPath { socket });
            }
            Err(error) => return Err(failed(error)),
        };
        let (uid, _) = common::daemon::peer(&stream).map_err(failed)?;
        if uid != 0 && uid != rustix::process::geteuid().as_raw() {
            return Err(Error::Unsafe {
                path: socket,
                problem: crate::error::Unsafe::AnotherUsers { uid },
            });
        }
        stream
            .set_read_timeout(Some(PATIENCE))
            .and_then(|()| stream.set_write_timeout(Some(PATIENCE)))
            .map_err(failed)?;
        Ok(Some(Self { stream: BufReader::new(stream), socket, caller }))
    }

    /// The same connection, on which an answer may take no longer than this.
    pub(crate) fn with_patience(self, patience: Duration) -> Self {
        // It fails for a duration of zero alone.
        let _ = self.stream.get_ref().set_read_timeout(Some(patience));
        self
    }

    /// Sends one request and reads its answer; an error in the answer is returned as an error.
    pub(crate) fn ask(&mut self, request: Value) -> Result<Value, Error> {
        let line = self.exchange(request)?;
        let answer: Value = serde_json::from_str(line.trim_end()).map_err(|_| Error::Protocol)?;
        match answer.get("error") {
            None => Ok(answer),
            Some(_) => Err(error_of(&answer)),
        }
    }

    /// Asks for one credential without its secrets, and whether it has a note.
    pub(crate) fn show(&mut self, wanted: &Wanted) -> Result<(Credential, bool), Error> {
        let answer = self.ask(get_request(wanted, Mode::Show))?;
        let has_note = answer.get("has_note").and_then(Value::as_bool).unwrap_or_default();
        let answer = Answer::deserialize(answer).map_err(|_| Error::Protocol)?;
        Ok((answer.into_credential(), has_note))
    }

    /// Asks for one credential.
    pub(crate) fn get(&mut self, wanted: &Wanted, mode: Mode) -> Result<Credential, Error> {
        let line = self.exchange(get_request(wanted, mode))?;
        // Only the daemon had to be able to read who we are; from here on we hold a secret.
        crate::guard::hide();
        if let Ok(answer) = serde_json::from_str::<Answer>(line.trim_end()) {
            Ok(answer.into_credential())
        } else {
            let answer: Value =
                serde_json::from_str(line.trim_end()).map_err(|_| Error::Protocol)?;
            Err(error_of(&answer))
        }
    }

    /// Asks for a token with the rights of this caller; it ends with this connection.
    pub(crate) fn lend(&mut self) -> Result<Secret, Error> {
        let answer = self.ask(json!({ "action": "lend" }))?;
        answer.get("token").and_then(Value::as_str).map(Secret::new).ok_or(Error::Protocol)
    }

    fn exchange(&mut self, mut request: Value) -> Result<Zeroizing<String>, Error> {
        if let Some(map) = request.as_object_mut() {
            self.introduce(map);
        }
        let mut text = Zeroizing::new(request.to_string());
        text.push('\n');
        let pid = self.daemon_pid().unwrap_or_default();
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Error::Silent { pid },
            _ => Error::Talk { socket: self.socket.clone(), source },
        };
        self.stream.get_mut().write_all(text.as_bytes()).map_err(failed)?;
        let mut line = Zeroizing::new(String::with_capacity(1024));
        (&mut self.stream).take(MAX_ANSWER).read_line(&mut line).map_err(failed)?;
        if line.ends_with('\n') {
            Ok(line)
        } else {
            Err(failed(io::ErrorKind::UnexpectedEof.into()))
        }
    }

    fn introduce(&self, request: &mut Map<String, Value>) {
        request.insert("version".to_owned(), VERSION.into());
        if let Some(token) = &self.caller.token {
            request.insert("token".to_owned(), token.expose().into());
        }
        if let Some(run) = &self.caller.run {
            request.insert("run".to_owned(), run.as_str().into());
        }
    }

    /// The process that listens, where the system tells.
    pub(crate) fn daemon_pid(&self) -> Option<u32> {
        common::daemon::peer(self.stream.get_ref()).ok().and_then(|(_, pid)| pid)
    }
}

fn get_request(wanted: &Wanted, mode: Mode) -> Value {
    let mut request = json!({ "action": "get", "service": wanted.service, "mode": mode.word() });
    if let Some(map) = request.as_object_mut() {
        if let Some(username) = &wanted.username {
            map.insert("username".to_owned(), username.as_str().into());
        }
        if let Some(id) = wanted.id {
            map.insert("id".to_owned(), id.into());
        }
    }
    request
}

/// The answer to a successful `get`.
#[derive(Deserialize)]
struct Answer {
    id: i64,
    service: String,
    url: String,
    username: String,
    note: String,
    created_at: String,
    updated_at: String,
    password: String,
    #[serde(default)]
    urls: Vec<String>,
    #[serde(default)]
    fields: Map<String, Value>,
    expires_at: Option<String>,
}

impl Answer {
    fn into_credential(self) -> Credential {
        let urls = match (self.urls.is_empty(), self.url.is_empty()) {
            (false, _) => self.urls,
            (true, false) => vec![self.url],
            (true, true) => Vec::new(),
        };
        Credential {
            id: self.id,
            service: self.service,
            username: self.username,
            urls,
            password: Secret::new(self.password),
            note: Secret::new(self.note),
            fields: self
                .fields
                .into_iter()
                .filter_map(|(name, value)| match value {
                    Value::String(value) => Some((name, Secret::new(value))),
                    _ => None,
                })
                .collect(),
            expires_at: self.expires_at.as_deref().map(moment),
            created_at: moment(&self.created_at),
            updated_at: moment(&self.updated_at),
        }
    }
}

pub(crate) fn moment(text: &str) -> Timestamp {
    Timestamp(DateTime::parse_from_rfc3339(text).map_or(0, |at| at.timestamp_millis()))
}

/// What an answer with an `error` means.
fn error_of(answer: &Value) -> Error {
    let text = |key: &str| answer.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    match text("error").as_str() {
        "locked" => Error::Locked,
        "not_found" => match answer.get("undecryptable").and_then(Value::as_u64) {
            Some(n_broken) => Error::PerhapsBroken {
                service: text("service"),
                n_broken: usize::try_from(n_broken).unwrap_or(usize::MAX),
            },
            None => Error::NotFound { names: vec![text("service")] },
        },
        "ambiguous" => Error::Ambiguous {
            service: text("service"),
            candidates: answer
                .get("candidates")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .map(|one| Candidate {
                    id: one.get("id").and_then(Value::as_i64).unwrap_or_default(),
                    username: one
                        .get("username")
                        .and_then(Value::as_str)
                        .unwrap_or_default()
                        .to_owned(),
                })
                .collect(),
        },
        "denied" => Error::Denied { message: text("message") },
        "" => Error::Protocol,
        other => Error::Daemon { answer: other.to_owned() },
    }
}
