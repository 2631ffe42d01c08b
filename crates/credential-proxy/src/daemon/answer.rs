//! From a request to its answer: found, allowed, recorded, and only then given.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use common::clock;
use serde_json::{Value, json};

use super::program::{Kin, Program};
use super::session::Peer;
use super::snapshot::{Found, Snapshot};
use super::state::State;
use crate::audit::{Access, Decision};
use crate::error::Error;
use crate::grant::{self, Denial};
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
pub(crate) struct Session<'a> {
    peer: Peer,
    state: &'a State,
    /// The program at the other end, as far as /proc tells; asked for once.
    program: Option<Program>,
    /// The hashes of tokens that were lent over this connection and end with it.
    lent: Vec<String>,
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        for hash in &self.lent {
            self.state.rights.take_back(hash);
        }
        self.state.ledger.settle();
    }
}

impl<'a> Session<'a> {
    pub(crate) fn new(peer: Peer, state: &'a State) -> Self {
        Self { peer, state, program: None, lent: Vec::new() }
    }

    /// Whether the connection is kept open because somebody's token hangs on it.
    pub(crate) fn holds_tokens(&self) -> bool {
        !self.lent.is_empty()
    }

    pub(crate) fn answer(&mut self, request: &Request) -> Reply {
        let state = self.state;
        match request.action() {
            "get" => self.get(request),
            "ping" => Reply::Line(ping(state)),
            "list" => Reply::Line(list(request, state)),
            "lend" => Reply::Line(self.lend(request)),
            "note" => Reply::Line(self.note(request)),
            "check" => Reply::Line(self.check(request)),
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

    fn get(&mut self, request: &Request) -> Reply {
        let asked = match request.service() {
            Ok(service) => service,
            Err(answer) => return Reply::Line(answer),
        };
        let Some(snapshot) = self.state.snapshot() else {
            self.record(request, None, asked, "", Decision::Locked);
            return Reply::Line(locked());
        };
        let found = snapshot.find(asked, request.username(), request.id());
        let (service, username) = match found {
            Found::One(place) => (snapshot.service(place), snapshot.username(place)),
            Found::Ambiguous(_) | Found::Nothing => (asked, request.username().unwrap_or_default()),
        };
        // Before it is said whether there is such a credential: that, too, is for those who may.
        let token = match self.allow(request, &snapshot, service) {
            Ok(token) => token,
            Err((token, denial)) => {
                self.record(request, token.as_deref(), service, username, Decision::Denied);
                return Reply::Line(json!({ "error": "denied", "message": denial.to_string() }));
            }
        };
        let decision = match found {
            Found::One(_) => Decision::Allowed,
            Found::Ambiguous(_) => Decision::Ambiguous,
            Found::Nothing => Decision::NotFound,
        };
        self.record(request, token.as_deref(), service, username, decision);
        match found {
            Found::One(place) if request.mode() == Mode::Show => {
                Reply::Line(without_secrets(snapshot.answer(place)))
            }
            Found::One(place) => Reply::Credential { snapshot, place },
            Found::Ambiguous(candidates) => Reply::Line(json!({
                "error": "ambiguous",
                "service": asked,
                "candidates": candidates
                    .iter()
                    .map(|one| json!({ "id": one.id, "username": one.username }))
                    .collect::<Vec<_>>(),
            })),
            Found::Nothing => {
                let mut answer = json!({ "error": "not_found", "service": asked });
                if snapshot.n_broken() > 0
                    && let Some(map) = answer.as_object_mut()
                {
                    map.insert("undecryptable".to_owned(), snapshot.n_broken().into());
                }
                Reply::Line(answer)
            }
        }
    }

    /// The name of the token under which the use is allowed, or of the one under which it is not.
    fn allow(
        &mut self,
        request: &Request,
        snapshot: &Snapshot,
        service: &str,
    ) -> Result<Option<String>, (Option<String>, Denial)> {
        let holder =
            self.state.rights.holder(snapshot, request.token()).map_err(|denial| (None, denial))?;
        let name = holder.name();
        let now = clock::now();
        let mode = request.mode();
        if mode == Mode::Inject && holder.is_inject_only(service, now) {
            let (token, service) = (name.clone().unwrap_or_default(), service.to_owned());
            match self.program().kin {
                Kin::Ours => {}
                Kin::OtherInstallation => {
                    let own = self.state.own.shown();
                    return Err((name, Denial::OtherInstallation { name: token, service, own }));
                }
                Kin::Stranger => return Err((name, Denial::NotExec { name: token, service })),
            }
        }
        match self.state.rights.check(&holder, service, mode, now) {
            Ok(()) => Ok(name),
            Err(denial) => Err((name, denial)),
        }
    }

    fn lend(&mut self, request: &Request) -> Value {
        let Some(snapshot) = self.state.snapshot() else { return locked() };
        match self.state.rights.holder(&snapshot, request.token()) {
            Ok(holder) => {
                let token = self.state.rights.lend(&holder);
                self.lent.push(grant::hash(token.expose()));
                json!({ "token": token.expose() })
            }
            Err(denial) => json!({ "error": "denied", "message": denial.to_string() }),
        }
    }

    /// Whether a helper may change the service, which it then does itself.
    fn check(&mut self, request: &Request) -> Value {
        let (service, deed) = match (request.service(), request.deed()) {
            (Ok(service), Some(deed)) => (service, deed),
            (Err(answer), _) => return answer,
            (_, None) => return json!({ "error": "deed required" }),
        };
        let Some(snapshot) = self.state.snapshot() else { return locked() };
        match self.allow(request, &snapshot, service) {
            Ok(_) => json!({ "status": "ok" }),
            Err((token, denial)) => {
                let username = request.username().unwrap_or_default();
                let token = token.as_deref();
                self.write(request, token, service, username, deed.word(), Decision::Denied);
                json!({ "error": "denied", "message": denial.to_string() })
            }
        }
    }

    /// Records what a command did that opened the vault itself. Its words are ours, so that nobody
    /// passes it off as an answer of the daemon.
    fn note(&mut self, request: &Request) -> Value {
        let (Some(deed), Some(decision)) = (request.deed(), request.decision()) else {
            return json!({ "error": "deed and decision required" });
        };
        let state = self.state;
        let token = state.snapshot().and_then(|snapshot| {
            state.rights.holder(&snapshot, request.token()).ok().and_then(|holder| holder.name())
        });
        // What concerns the whole vault names no service.
        let service = request.service().unwrap_or_default();
        let username = request.username().unwrap_or_default();
        self.write(request, token.as_deref(), service, username, deed.word(), decision);
        json!({ "status": "ok", "token": token })
    }

    fn record(
        &mut self,
        request: &Request,
        token: Option<&str>,
        service: &str,
        username: &str,
        decision: Decision,
    ) {
        self.write(request, token, service, username, request.mode().word(), decision);
    }

    fn write(
        &mut self,
        request: &Request,
        token: Option<&str>,
        service: &str,
        username: &str,
        mode: &str,
        decision: Decision,
    ) {
        let peer = self.peer;
        let ledger = &self.state.ledger;
        let program = self.program();
        ledger.write(&Access {
            at: clock::now(),
            token,
            service,
            username,
            mode,
            decision,
            uid: peer.uid,
            pid: peer.pid,
            exe: program.path.as_deref(),
            run: request.run(),
        });
    }

    fn program(&mut self) -> &Program {
        let (peer, own) = (self.peer, &self.state.own);
        self.program.get_or_insert_with(|| own.look_at(peer))
    }
}

fn list(request: &Request, state: &State) -> Value {
    let Some(snapshot) = state.snapshot() else { return locked() };
    let holder = match state.rights.holder(&snapshot, request.token()) {
        Ok(holder) => holder,
        Err(denial) => return json!({ "error": "denied", "message": denial.to_string() }),
    };
    let places = snapshot
        .with_prefix(request.prefix())
        .filter(|place| holder.may_see(snapshot.service(*place)));
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
        let mut answer = json!({ "credentials": credentials, "count": count });
        if !snapshot.broken().is_empty()
            && let Some(map) = answer.as_object_mut()
        {
            map.insert("undecryptable".to_owned(), snapshot.broken().into());
        }
        return answer;
    }
    let mut services: Vec<&str> = places.map(|place| snapshot.service(place)).collect();
    services.dedup();
    let count = services.len();
    json!({ "services": services, "count": count })
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
    let counted = |count: fn(&Snapshot) -> usize| snapshot.as_deref().map_or(0, count);
    json!({
        "status": if snapshot.is_some() { "ok" } else { "locked" },
        "credentials": counted(Snapshot::len),
        "undecryptable": counted(Snapshot::n_broken),
        "tokens": counted(|snapshot| snapshot.grants().len()),
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

fn done(result: Result<(), Error>) -> Value {
    match result {
        Ok(()) => json!({ "status": "ok" }),
        Err(Error::Locked) => locked(),
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
