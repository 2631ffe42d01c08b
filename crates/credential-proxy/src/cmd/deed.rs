//! What a command that opens the vault itself asks for first, and the record that it leaves behind.
//!
//! The owner's shell has no token. A job that has one is held to it here, too: it may store through
//! a helper where its token covers the service, and it may not manage the vault. That raises the cost
//! and leaves traces; who can read the key file needs none of these commands.

use std::time::{Duration, Instant};

use common::environment;
use common::report;
use serde_json::{Value, json};

use super::{Context, token_of_caller};
use crate::audit::{Access, Decision, Deed, Trail};
use crate::client::Caller;
use crate::error::Error;
use crate::grant::{self, Denial, Grant};
use crate::launch;
use crate::protocol::Mode;
use crate::secret::Secret;
use crate::store::Vault;

/// How long another writer of the trail is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is told about an access.
pub(super) struct Note<'a> {
    pub(super) deed: Deed,
    /// Empty for what concerns the whole vault.
    pub(super) service: &'a str,
    pub(super) username: &'a str,
    pub(super) token: Option<&'a str>,
    pub(super) decision: Decision,
}

impl<'a> Note<'a> {
    fn new(deed: Deed, service: &'a str, decision: Decision) -> Self {
        Self { deed, service, username: "", token: None, decision }
    }
}

impl Context {
    /// Opens the vault for a command of its owner; a caller with a token is refused once there are tokens.
    pub(super) fn vault_for(&self, deed: Deed, service: &str) -> Result<Vault, Error> {
        let vault = self.vault()?;
        let Some(token) = token_of_caller()? else { return Ok(vault) };
        let grants = vault.grants(Grant::from_plain)?;
        if grants.rows.is_empty() && grants.broken.is_empty() {
            return Ok(vault);
        }
        let known = grant::find(&grants.rows, token.expose()).map(|grant| grant.name.clone());
        let note = Note { token: known.as_deref(), ..Note::new(deed, service, Decision::Denied) };
        // The daemon knows the tokens that `exec` lent.
        let told = self.note(&vault, &note).unwrap_or_default();
        let denial = match known.or(told) {
            Some(name) => Denial::NotAllowed {
                name,
                service: if service.is_empty() { "the vault" } else { service }.to_owned(),
                mode: deed.word(),
            },
            None => Denial::UnknownToken,
        };
        Err(Error::Denied { message: denial.to_string() })
    }

    /// Opens the vault for a helper that changes what it is told; once there are tokens the caller's
    /// has to allow the service to helpers.
    pub(super) fn vault_for_helper(&self, deed: Deed, service: &str) -> Result<Vault, Error> {
        let vault = self.vault()?;
        let grants = vault.grants(Grant::from_plain)?;
        if !(grants.rows.is_empty() && grants.broken.is_empty()) {
            self.client()?.ask(json!({
                "action": "check",
                "service": service,
                "mode": Mode::Helper.word(),
                "deed": deed.word(),
            }))?;
        }
        Ok(vault)
    }

    /// Records what was done. It is done, so a trail that cannot be written is told and no more.
    pub(super) fn done(&self, vault: &Vault, deed: Deed, service: &str, username: &str) {
        self.note_after(vault, &Note { username, ..Note::new(deed, service, Decision::Allowed) });
    }

    /// Records that git called a credential rejected, which stays all the same; `report` shows it.
    pub(super) fn kept(&self, vault: &Vault, service: &str, username: &str) {
        let note = Note { username, ..Note::new(Deed::Erase, service, Decision::Kept) };
        self.note_after(vault, &note);
    }

    fn note_after(&self, vault: &Vault, note: &Note<'_>) {
        if let Err(error) = self.note(vault, note) {
            report::warn(crate::TOOL, &format!("this is not in the audit trail: {error}"));
        }
    }

    /// Writes a record into the trail, or has the daemon write it while that is its writer. The name of
    /// the caller's token, when the daemon knows it.
    pub(super) fn note(&self, vault: &Vault, note: &Note<'_>) -> Result<Option<String>, Error> {
        let now = Self::now();
        let (place, key) = (self.home.audit(), vault.audit_key()?);
        let run = environment::text("AGENT_STATE_RUN_ID");
        let began = Instant::now();
        loop {
            if let Some(mut trail) = Trail::open_or_begin(&place, &key, now)? {
                let exe = std::env::current_exe().ok();
                let exe = exe.as_deref().map(std::path::Path::to_string_lossy);
                let access = Access {
                    at: now,
                    token: note.token,
                    service: note.service,
                    username: note.username,
                    mode: note.deed.word(),
                    decision: note.decision,
                    uid: rustix::process::geteuid().as_raw(),
                    pid: Some(std::process::id()),
                    exe: exe.as_deref(),
                    run: run.as_deref(),
                };
                return trail.write(&access).map(|()| None).map_err(|source| {
                    common::error::file("write the audit trail in", place.folder())(source).into()
                });
            }
            let token = token_of_caller()?;
            let caller =
                || Caller { token: token.as_ref().map(Secret::duplicate), run: run.clone() };
            if let Some(mut client) = launch::running(&self.home, &caller)? {
                let answer = client.ask(json!({
                    "action": "note",
                    "service": note.service,
                    "username": note.username,
                    "deed": note.deed.word(),
                    "decision": note.decision.word(),
                }))?;
                return Ok(answer.get("token").and_then(Value::as_str).map(str::to_owned));
            }
            // Another command writes its record at this moment.
            if began.elapsed() > PATIENCE {
                let problem = "another process writes it".to_owned();
                return Err(Error::Audit { path: place.folder().to_path_buf(), problem });
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
