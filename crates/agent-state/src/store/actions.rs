//! Actions on record, and approvals that wait for theirs.

use std::time::Duration;

use common::clock::Timestamp;
use common::duration;
use common::fleet::agents::AgentId;
use common::fleet::events::Event;
use common::fleet::liveness::{Here, Holder};
use common::fleet::runs::RunId;
use common::sql::{self, Connection, OptionalExtension as _, Row, params};
use serde_json::{Value, json};

use super::{Stop, holder_from_row, is_running, must_go_on};
use crate::action::{Action, State, Tier, Verdict, Wanted, decide};
use crate::error::Error;
use crate::value::Json;

/// Who begins an action, and for how long it counts.
#[derive(Debug, Clone)]
pub(crate) struct Beginning {
    pub(crate) agent: AgentId,
    pub(crate) run: Option<RunId>,
    pub(crate) holder: Option<Holder>,
    pub(crate) lease: Duration,
    /// How long a finished action stands in the way of the next under its key.
    pub(crate) window: Duration,
}

const SELECT: &str =
    "SELECT x.key, x.state, x.tier, x.irreversible, x.fingerprint, x.attempts, x.agent_id, a.name,
        x.run_id, x.begun_at, x.lease_until, x.window_ms, x.ended_at, x.result, x.error, x.reason,
        x.host, x.boot_id, x.pid_space, x.pid, x.pid_started
   FROM actions x LEFT JOIN agents a ON a.id = x.agent_id";

fn from_row(row: &Row<'_>) -> sql::Result<Action> {
    let window_ms: i64 = row.get(11)?;
    Ok(Action {
        key: row.get(0)?,
        state: row.get(1)?,
        tier: row.get(2)?,
        irreversible: row.get(3)?,
        fingerprint: row.get(4)?,
        attempts: row.get(5)?,
        agent_id: row.get(6)?,
        agent: row.get(7)?,
        run_id: row.get(8)?,
        begun_at: row.get(9)?,
        lease_until: row.get(10)?,
        window: Duration::from_millis(u64::try_from(window_ms).unwrap_or(0)),
        ended_at: row.get(12)?,
        result: row.get::<Option<String>>(13)?.map(Json::from),
        error: row.get(14)?,
        reason: row.get(15)?,
        holder: holder_from_row(row, 16)?,
    })
}

fn get(connection: &Connection, key: &str) -> sql::Result<Option<Action>> {
    connection.query_row(&format!("{SELECT} WHERE x.key = ?1"), [key], from_row).optional()
}

fn is_left_behind(
    connection: &Connection,
    action: &Action,
    here: &Here,
    now: Timestamp,
) -> sql::Result<bool> {
    let run_is_running = is_running(connection, action.run_id.as_ref(), here, now)?;
    Ok(action.is_left_behind(run_is_running, here, now))
}

/// The action as a reader sees it: one that was left behind in the middle of a change is unknown.
pub(crate) fn seen(
    connection: &Connection,
    key: &str,
    here: &Here,
    now: Timestamp,
) -> Result<Action, Stop> {
    let action =
        get(connection, key)?.ok_or_else(|| Stop::from(Error::NoAction { key: key.to_owned() }))?;
    Ok(as_seen(connection, action, here, now)?)
}

fn as_seen(
    connection: &Connection,
    mut action: Action,
    here: &Here,
    now: Timestamp,
) -> sql::Result<Action> {
    if action.tier == Tier::Mutate && is_left_behind(connection, &action, here, now)? {
        action.state = State::Unknown;
    }
    Ok(action)
}

/// Actions that stand so, newest first.
pub(crate) fn list(
    connection: &Connection,
    state: Option<State>,
    limit: u32,
    here: &Here,
    now: Timestamp,
) -> sql::Result<Vec<Action>> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    // What is unknown in truth can still stand as intended.
    let clause = match state {
        None => "1 = 1".to_owned(),
        Some(State::Unknown) => "x.state IN ('unknown', 'intended')".to_owned(),
        Some(state) => format!("x.state = '{}'", state.as_str()),
    };
    let mut statement =
        connection.prepare(&format!("{SELECT} WHERE {clause} ORDER BY x.begun_at DESC, x.key"))?;
    let mut rows = statement.query([])?;
    let mut actions = Vec::new();
    while let Some(row) = rows.next()? {
        let action = as_seen(connection, from_row(&row)?, here, now)?;
        if state.is_none_or(|state| state == action.state) {
            actions.push(action);
        }
        if actions.len() == limit {
            break;
        }
    }
    Ok(actions)
}

/// Writes the intention, or says why not. The action is as it stands afterwards.
pub(crate) fn begin(
    tx: &Connection,
    key: &str,
    mut wanted: Wanted,
    beginning: &Beginning,
    here: &Here,
    now: Timestamp,
) -> Result<(Verdict, Action), Stop> {
    must_go_on(tx, beginning.run.as_ref(), here, now)?;
    wanted.is_approved = tx
        .query_row("SELECT 1 FROM action_approvals WHERE key = ?1", [key], |_| Ok(()))
        .optional()?
        .is_some();
    let known = get(tx, key)?;
    let left_behind = match &known {
        Some(known) => is_left_behind(tx, known, here, now)?,
        None => false,
    };
    let verdict = decide(known.as_ref(), left_behind, &wanted, now);
    match verdict {
        Verdict::Fresh => {
            let first = Intention {
                wanted: &wanted,
                attempts: 1,
                fingerprint: wanted.fingerprint.as_deref(),
            };
            first.write(tx, key, beginning, now)?;
        }
        Verdict::Retry => {
            let again = Intention {
                attempts: known.as_ref().map_or(0, |known| known.attempts) + 1,
                fingerprint: known
                    .as_ref()
                    .and_then(|known| known.fingerprint.as_deref())
                    .or(wanted.fingerprint.as_deref()),
                wanted: &Wanted {
                    tier: known
                        .as_ref()
                        .map_or(wanted.tier, |known| stricter(known.tier, wanted.tier)),
                    irreversible: wanted.irreversible
                        || known.as_ref().is_some_and(|known| known.irreversible),
                    ..wanted.clone()
                },
            };
            again.write(tx, key, beginning, now)?;
        }
        Verdict::Approval if known.is_none() => {
            let waiting = Intention {
                wanted: &wanted,
                attempts: 0,
                fingerprint: wanted.fingerprint.as_deref(),
            };
            waiting.write(tx, key, beginning, now)?;
        }
        Verdict::Unknown if left_behind => {
            tx.send("UPDATE actions SET state = 'unknown' WHERE key = ?1", [key])?;
            event(tx, "action.unknown", key, known.as_ref(), &Value::Null, now)?;
        }
        _ => {}
    }
    let action =
        get(tx, key)?.ok_or_else(|| Stop::from(Error::NoAction { key: key.to_owned() }))?;
    Ok((verdict, action))
}

/// The tier that asks for more care.
fn stricter(one: Tier, other: Tier) -> Tier {
    let care = |tier| match tier {
        Tier::Read => 0,
        Tier::Append => 1,
        Tier::Mutate => 2,
    };
    if care(one) >= care(other) { one } else { other }
}

/// An intention about to be written.
struct Intention<'a> {
    wanted: &'a Wanted,
    attempts: i64,
    fingerprint: Option<&'a str>,
}

impl Intention<'_> {
    fn write(
        &self,
        tx: &Connection,
        key: &str,
        beginning: &Beginning,
        now: Timestamp,
    ) -> sql::Result<()> {
        let holder = beginning.holder.as_ref();
        tx.send("DELETE FROM actions WHERE key = ?1", [key])?;
        tx.send(
            "INSERT INTO actions (key, state, tier, irreversible, fingerprint, attempts, agent_id, run_id, begun_at,
                                  lease_until, window_ms, host, boot_id, pid_space, pid, pid_started)
             VALUES (?1, 'intended', ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
            params![
                key,
                self.wanted.tier,
                self.wanted.irreversible,
                self.fingerprint,
                self.attempts,
                beginning.agent,
                beginning.run,
                now,
                now.plus(beginning.lease),
                duration::millis(beginning.window),
                holder.map(|holder| &holder.host),
                holder.map(|holder| &holder.boot_id),
                holder.map(|holder| &holder.pid_space),
                holder.map(|holder| holder.pid),
                holder.map(|holder| holder.pid_started),
            ],
        )?;
        if self.attempts > 0 {
            tx.send("DELETE FROM action_approvals WHERE key = ?1", [key])?;
        }
        let kind = if self.attempts > 0 { "action.begin" } else { "action.ask" };
        Event { agent: Some(&beginning.agent), run: beginning.run.as_ref(), ..Event::of(kind, key) }
            .append(tx, &json!({ "tier": self.wanted.tier, "attempt": self.attempts }), now)
    }
}

fn event(
    tx: &Connection,
    kind: &'static str,
    key: &str,
    action: Option<&Action>,
    detail: &Value,
    now: Timestamp,
) -> sql::Result<()> {
    Event {
        agent: action.and_then(|action| action.agent_id.as_ref()),
        run: action.and_then(|action| action.run_id.as_ref()),
        ..Event::of(kind, key)
    }
    .append(tx, detail, now)
}

/// How an action ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ending<'a> {
    Done(Option<&'a Json>),
    Failed(Option<&'a str>),
    /// The process that acted ended in a way that says nothing about the deed.
    Unknown(&'a str),
}

/// Records how an action that somebody is at has ended.
pub(crate) fn end(
    tx: &Connection,
    key: &str,
    ending: Ending<'_>,
    here: &Here,
    now: Timestamp,
) -> Result<Action, Stop> {
    let action = seen(tx, key, here, now)?;
    if action.state != State::Intended || action.attempts == 0 {
        return Err(Error::ActionNotBegun { action: Box::new(action) }.into());
    }
    let (state, kind, result, error) = match ending {
        Ending::Done(result) => (State::Done, "action.done", result, None),
        Ending::Failed(error) => (State::Failed, "action.fail", None, error),
        Ending::Unknown(error) => (State::Unknown, "action.unknown", None, Some(error)),
    };
    tx.send(
        "UPDATE actions SET state = ?2, ended_at = CASE WHEN begun_at > ?3 THEN begun_at ELSE ?3 END, result = ?4, error = ?5 WHERE key = ?1",
        params![key, state, now, result.map(Json::as_str), error],
    )?;
    event(tx, kind, key, Some(&action), &json!({ "result": result, "error": error }), now)?;
    seen(tx, key, here, now)
}

/// What a person found out about an unknown action.
pub(crate) fn resolve(
    tx: &Connection,
    key: &str,
    is_done: bool,
    reason: &str,
    here: &Here,
    now: Timestamp,
) -> Result<Action, Stop> {
    let action = seen(tx, key, here, now)?;
    if action.state != State::Unknown {
        return Err(Error::ActionNotUnknown { action: Box::new(action) }.into());
    }
    let state = if is_done { State::Done } else { State::Failed };
    tx.send(
        "UPDATE actions SET state = ?2, ended_at = CASE WHEN begun_at > ?3 THEN begun_at ELSE ?3 END, reason = ?4 WHERE key = ?1",
        params![key, state, now, reason],
    )?;
    let detail = json!({ "state": state, "reason": reason });
    event(tx, "action.resolve", key, Some(&action), &detail, now)?;
    seen(tx, key, here, now)
}

/// Allows one attempt of an irreversible action, begun or not.
pub(crate) fn approve(tx: &Connection, key: &str, now: Timestamp) -> sql::Result<()> {
    tx.send(
        "INSERT INTO action_approvals (key, approved_at) VALUES (?1, ?2)
         ON CONFLICT (key) DO UPDATE SET approved_at = ?2",
        params![key, now],
    )?;
    event(tx, "action.approve", key, get(tx, key)?.as_ref(), &Value::Null, now)
}
