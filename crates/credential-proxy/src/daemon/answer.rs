//! From a request to its answer.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::session::Peer;
use super::snapshot::{Found, Snapshot};
use super::state::State;
use crate::protocol::{Mode, Request};

/// What goes back to the client.
pub(crate) enum Reply {
    /// One JSON value.
    Line(Value),
    /// The credential at a place of the snapshot, whose line is ready.
    Credential { snapshot: Arc<Snapshot>, place: usize },
    /// One JSON value, and then the end of the daemon.
    Stop(Value),
}

/// What one connection knows about its client.
pub(crate) struct Session {
    peer: Peer,
}

impl Session {
    pub(crate) fn new(peer: Peer) -> Self {
        Self { peer }
    }

    pub(crate) fn answer(&mut self, request: &Request, state: &State) -> Reply {
        match request.action() {
            "ping" => Reply::Line(ping(state)),
            "get" => self.get(request, state),
            "list" => Reply::Line(self.list(request, state)),
            "status" => Reply::Line(status(state)),
            "reload" => Reply::Line(done(state.reload())),
            "lock" => {
                state.lock();
                Reply::Line(json!({ "status": "locked" }))
            }
            "unlock" => Reply::Line(done(state.unlock())),
            "stop" => Reply::Stop(json!({ "status": "stopping", "pid": std::process::id() })),
            _ => Reply::Line(request.unknown()),
        }
    }

    fn get(&mut self, request: &Request, state: &State) -> Reply {
        let service = match request.service() {
            Ok(service) => service,
            Err(answer) => return Reply::Line(answer),
        };
        let Some(snapshot) = state.snapshot() else { return Reply::Line(locked()) };
        match snapshot.find(service, request.username(), request.id()) {
            Found::One(place) if request.mode() == Mode::Show => {
                Reply::Line(without_secrets(snapshot.answer(place)))
            }
            Found::One(place) => Reply::Credential { snapshot, place },
            Found::Ambiguous(candidates) => Reply::Line(json!({
                "error": "ambiguous",
                "service": service,
                "candidates": candidates
                    .iter()
                    .map(|one| json!({ "id": one.id, "username": one.username }))
                    .collect::<Vec<_>>(),
            })),
            Found::Nothing => {
                let mut answer = json!({ "error": "not_found", "service": service });
                if snapshot.n_broken() > 0
                    && let Some(map) = answer.as_object_mut()
                {
                    map.insert("undecryptable".to_owned(), snapshot.n_broken().into());
                }
                Reply::Line(answer)
            }
        }
    }

    fn list(&mut self, request: &Request, state: &State) -> Value {
        let Some(snapshot) = state.snapshot() else { return locked() };
        let places = snapshot.with_prefix(request.prefix());
        if request.detail.as_bool() == Some(true) {
            let credentials: Vec<Value> = places
                .map(|place| {
                    json!({
                        "id": snapshot.id(place),
                        "service": snapshot.service(place),
                        "username": snapshot.username(place),
                        "expires_at": snapshot.expires_at(place),
                    })
                })
                .collect();
            let count = credentials.len();
            return json!({ "credentials": credentials, "count": count });
        }
        let mut services: Vec<&str> = places.map(|place| snapshot.service(place)).collect();
        services.dedup();
        let count = services.len();
        json!({ "services": services, "count": count })
    }
}

/// The answer line of a credential with every secret taken out of it.
fn without_secrets(line: &[u8]) -> Value {
    let mut answer: Value = serde_json::from_slice(line).unwrap_or_default();
    if let Some(map) = answer.as_object_mut() {
        let has_note = map.get("note").and_then(Value::as_str).is_some_and(|note| !note.is_empty());
        map.insert("password".to_owned(), "".into());
        map.insert("note".to_owned(), "".into());
        map.insert("has_note".to_owned(), has_note.into());
        if let Some(fields) = map.get_mut("fields").and_then(Value::as_object_mut) {
            for value in fields.values_mut() {
                *value = "".into();
            }
        }
    }
    answer
}

fn ping(state: &State) -> Value {
    match state.snapshot() {
        Some(snapshot) => json!({ "status": "ok", "credentials": snapshot.len() }),
        None => json!({ "status": "locked", "credentials": 0 }),
    }
}

fn status(state: &State) -> Value {
    let snapshot = state.snapshot();
    json!({
        "status": if snapshot.is_some() { "ok" } else { "locked" },
        "credentials": snapshot.as_ref().map_or(0, |snapshot| snapshot.len()),
        "undecryptable": snapshot.as_ref().map_or(0, |snapshot| snapshot.n_broken()),
        "pid": std::process::id(),
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": state.uptime().as_secs(),
        "locked": snapshot.is_none(),
        "memory_locked": snapshot.as_ref().is_some_and(|snapshot| snapshot.is_locked_in_memory()),
        "problem": state.problem(),
        "socket": state.home.socket().display().to_string(),
        "vault": state.home.vault().display().to_string(),
    })
}

fn locked() -> Value {
    json!({ "error": "locked" })
}

fn done(result: Result<(), crate::error::Error>) -> Value {
    match result {
        Ok(()) => json!({ "status": "ok" }),
        Err(crate::error::Error::Locked) => locked(),
        Err(error) => json!({ "error": error.to_string() }),
    }
}

impl State {
    /// Asks the daemon to end.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        let _ =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM);
    }
}
