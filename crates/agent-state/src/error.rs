//! What only agent-state can say: its honest "no"s and its refusals, each with its code.

use std::path::PathBuf;
use std::time::Duration;

use common::clock::Timestamp;
use common::duration;
use common::exit::Exit;
use common::fleet::runs::Run;
use common::report::Explain;
use serde_json::{Value, json};

use crate::action::{Action, Verdict};
use crate::store::locks::{Blocked, Grant};
use crate::task::graph::GraphError;
use crate::task::{Node, State, Task};

/// An answer other than yes.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("no agent is named `{name}`")]
    NoAgent { name: String },
    #[error("no run has the id `{run_id}`")]
    NoRun { run_id: String },
    #[error("run {} has ended already: {}{}", .run.run_id, .run.status.as_str(), ended_when(.run))]
    RunEnded { run: Box<Run> },
    #[error("slot `{}` has its run already: {} ({})", .run.slot.as_deref().unwrap_or_default(), .run.run_id, .run.status.as_str())]
    SlotTaken { run: Box<Run> },
    #[error("{agent} has no value for `{key}`")]
    NoValue { agent: String, key: String },
    #[error("{agent} has no version {version} of `{key}`")]
    NoVersion { agent: String, key: String, version: i64 },
    #[error("`{key}` of {agent} has version {current}, not {expected}")]
    VersionDiffers { agent: String, key: String, expected: i64, current: i64 },
    #[error("`{key}` of {agent} exists already, with version {current}")]
    ValueExists { agent: String, key: String, current: i64 },
    #[error("{}", held(.blocked, *.now, *.waited_ms))]
    Held { blocked: Box<Blocked>, now: Timestamp, waited_ms: Option<u64>, exit: Exit },
    #[error("`{resource}` is not locked")]
    NotLocked { resource: String },
    #[error("{agent} does not hold `{resource}`{}", .grant.as_ref().map_or_else(String::new, |grant| format!("; {}", grant.describe())))]
    NotHolder { resource: String, agent: String, grant: Option<Box<Grant>> },
    #[error("token {token} is not current for `{resource}`")]
    StaleToken { resource: String, token: i64 },
    #[error("the lock on `{resource}` was lost before the work was done; nothing was changed")]
    LockLost { resource: String },
    #[error("there is no file {}", .path.display())]
    NoFile { path: PathBuf },
    #[error("{} has changed: it has version {current}, not {expected}", .path.display())]
    FileChanged { path: PathBuf, expected: String, current: String },
    #[error("{} version of {path} begins with `{version}`", if *.is_ambiguous { "more than one" } else { "no kept" })]
    NoFileVersion { path: String, version: String, is_ambiguous: bool },
    #[error("cannot guard {}: it is {what}", .path.display())]
    NotAFile { path: PathBuf, what: &'static str },
    #[error("cannot guard {}: it has more than 1 MiB", .path.display())]
    FileTooLarge { path: PathBuf },
    #[error("no action is called `{key}`")]
    NoAction { key: String },
    #[error("{}", why_not(*.verdict, .action))]
    ActionNo { verdict: Verdict, action: Box<Action> },
    #[error("`{}` is {} already and not in progress", .action.key, .action.state.as_str())]
    ActionNotBegun { action: Box<Action> },
    #[error("`{}` is not unknown but {}", .action.key, .action.state.as_str())]
    ActionNotUnknown { action: Box<Action> },
    #[error("cannot begin `{}`: the key stands for a deed with another fingerprint", .action.key)]
    OtherFingerprint { action: Box<Action> },
    #[error("no task has the id or the name `{task}`")]
    NoTask { task: String },
    #[error("no node has the id `{node}`")]
    NoNode { node: String },
    #[error("`{}` is open already: task {}", .task.title(), .task.task_id)]
    TaskExists { task: Box<Task> },
    #[error("task `{}` has ended already: {}{}", .task.title(), .task.state.as_str(), .task.reason.as_ref().map_or_else(String::new, |reason| format!(" ({reason})")))]
    TaskEnded { task: Box<Task> },
    #[error("no node is ready{}", .task.as_ref().map_or_else(String::new, |task| format!(" in `{}`: {} running, {} waiting", task.title(), task.counts.running, task.counts.pending)))]
    NothingReady { task: Option<Box<Task>> },
    #[error("the lease is not current: {}", stands(.node))]
    StaleLease { node: Box<Node> },
    #[error("`{}` was completed with another result", .node.id)]
    OtherResult { node: Box<Node> },
    #[error("cannot submit the graph: {0}")]
    Graph(#[from] GraphError),
    #[error("cannot back up onto the database itself: {}", .path.display())]
    BackupOntoItself { path: PathBuf },
    #[error("cannot migrate the database {} onto itself", .name.display())]
    MigrateOntoItself { name: PathBuf },
    #[error("cannot back up to {}: it is {what}", .path.display())]
    BackupOntoNoFile { path: PathBuf, what: &'static str },
    #[error("cannot back up the database {}: a server keeps it", .name.display())]
    BackupOfServer { name: PathBuf },
    #[error("{} serves {} already", .pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}")), common::place::for_people(.socket))]
    AlreadyServing { socket: PathBuf, pid: Option<u32> },
    #[error("the database {} is in use: {what}", .name.display())]
    StillRunning { name: PathBuf, what: String },
    #[error("the database {} is not empty: it has rows in {table}", .name.display())]
    NotEmpty { name: PathBuf, table: &'static str },
    #[error("the copy of {table} differs from the original; nothing was kept of it")]
    CopyDiffers { table: &'static str },
    #[error("{} is no database of the Python agent-state", .path.display())]
    NotImportable { path: PathBuf },
    #[error("the database {} is damaged: {damage}", .path.display())]
    Damaged { path: PathBuf, damage: String },
    #[error("{0}")]
    Value(#[from] crate::value::ValueError),
    #[error("{0}")]
    Name(#[from] common::name::NameError),
    #[error("cannot register `{name}`: that is the id of the agent {agent}")]
    NameIsId { name: String, agent: String },
    #[error("{what} is not a JSON object: {why}")]
    NotAnObject { what: &'static str, why: String },
}

fn ended_when(run: &Run) -> String {
    let reason = run.reason.as_ref().map_or_else(String::new, |reason| format!(" ({reason})"));
    run.finished_at.map_or(reason.clone(), |at| format!(" at {at}{reason}"))
}

fn why_not(verdict: Verdict, action: &Action) -> String {
    let Action { key, begun_at, .. } = action;
    let by = action.agent.as_ref().map_or_else(String::new, |agent| format!(" by {agent}"));
    match verdict {
        Verdict::Done => {
            let at = action.ended_at.map_or_else(String::new, |at| format!(" at {at}"));
            format!("`{key}` is done already{by}{at}")
        }
        Verdict::InProgress => format!("`{key}` is in progress{by} since {begun_at}"),
        Verdict::Approval => {
            format!("`{key}` is irreversible and needs `agent-state action approve {key}` first")
        }
        _ => format!(
            "`{key}` is unknown: it was begun{by} at {begun_at} and never ended; look, then `agent-state action resolve {key} done|retry --reason TEXT`"
        ),
    }
}

/// Where a node stands, for who thought to have it.
fn stands(node: &Node) -> String {
    let Node { id, state, agent, reason, .. } = node;
    let by = agent.as_ref().map_or_else(String::new, |agent| format!(" by {agent}"));
    let why = reason.as_ref().map_or_else(String::new, |reason| format!(" ({reason})"));
    match state {
        State::Running => format!("`{id}` is being worked on{by}"),
        State::Completed => format!("`{id}` was completed{by}"),
        State::Pending | State::Failed | State::Blocked => {
            format!("`{id}` is {}{why}", state.as_str())
        }
    }
}

/// Holder, run, reason, time left, time waited.
fn held(blocked: &Blocked, now: Timestamp, waited_ms: Option<u64>) -> String {
    let resource = &blocked.resource;
    let state = match &blocked.grant {
        Some(grant) => {
            let left = duration::human(grant.expires_at.since(now));
            let held = format!("{}, {left} left", grant.describe());
            if grant.resource == *resource {
                format!("`{resource}` is {held}")
            } else {
                // A path above or below it.
                format!("`{resource}` is in the way of `{}`, which is {held}", grant.resource)
            }
        }
        None => format!("`{resource}` is free, with {} waiting for it", blocked.n_ahead),
    };
    match waited_ms.map(Duration::from_millis) {
        Some(waited) => format!("{state}; gave up after {}", duration::human(waited)),
        None => state,
    }
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Held { exit, .. } => *exit,
            Self::NoAgent { .. }
            | Self::NoRun { .. }
            | Self::RunEnded { .. }
            | Self::SlotTaken { .. }
            | Self::NoValue { .. }
            | Self::NoVersion { .. }
            | Self::VersionDiffers { .. }
            | Self::ValueExists { .. }
            | Self::NotLocked { .. }
            | Self::NotHolder { .. }
            | Self::StaleToken { .. }
            | Self::LockLost { .. }
            | Self::NoFile { .. }
            | Self::FileChanged { .. }
            | Self::NoFileVersion { .. }
            | Self::NoAction { .. }
            | Self::AlreadyServing { .. }
            | Self::ActionNo { .. }
            | Self::ActionNotBegun { .. }
            | Self::ActionNotUnknown { .. }
            | Self::NoTask { .. }
            | Self::NoNode { .. }
            | Self::TaskExists { .. }
            | Self::TaskEnded { .. }
            | Self::NothingReady { .. }
            | Self::StaleLease { .. }
            | Self::OtherResult { .. }
            | Self::StillRunning { .. }
            | Self::NotEmpty { .. } => Exit::No,
            Self::OtherFingerprint { .. }
            | Self::NotAFile { .. }
            | Self::BackupOntoNoFile { .. }
            | Self::NotImportable { .. }
            | Self::Damaged { .. }
            | Self::BackupOfServer { .. }
            | Self::CopyDiffers { .. } => Exit::Failed,
            Self::BackupOntoItself { .. }
            | Self::MigrateOntoItself { .. }
            | Self::FileTooLarge { .. }
            | Self::Graph(_)
            | Self::Value(_)
            | Self::Name(_)
            | Self::NameIsId { .. }
            | Self::NotAnObject { .. } => Exit::Usage,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NoAgent { .. } => "no_agent",
            Self::NoRun { .. } => "no_run",
            Self::RunEnded { .. } => "run_ended",
            Self::SlotTaken { .. } => "slot_taken",
            Self::NoValue { .. } | Self::NoVersion { .. } => "no_value",
            Self::VersionDiffers { .. } => "version_differs",
            Self::ValueExists { .. } => "value_exists",
            Self::Held { .. } => "held",
            Self::NotLocked { .. } => "not_locked",
            Self::NotHolder { .. } => "not_holder",
            Self::StaleToken { .. } => "stale_token",
            Self::LockLost { .. } => "lock_lost",
            Self::NoAction { .. } => "no_action",
            Self::AlreadyServing { .. } => "already_running",
            Self::ActionNo { verdict, .. } => verdict.code(),
            Self::ActionNotBegun { .. } => "not_begun",
            Self::ActionNotUnknown { .. } => "not_unknown",
            Self::OtherFingerprint { .. } => "other_fingerprint",
            Self::NoTask { .. } => "no_task",
            Self::NoNode { .. } => "no_node",
            Self::TaskExists { .. } => "task_exists",
            Self::TaskEnded { .. } => "task_ended",
            Self::NothingReady { .. } => "nothing_ready",
            Self::StaleLease { .. } => "stale_lease",
            Self::OtherResult { .. } => "other_result",
            Self::Graph(_) => "bad_graph",
            Self::NoFile { .. } => "no_file",
            Self::FileChanged { .. } => "file_changed",
            Self::NoFileVersion { .. } => "no_version",
            Self::NotAFile { .. } | Self::BackupOntoNoFile { .. } => "not_a_file",
            Self::FileTooLarge { .. } => "too_large",
            Self::BackupOntoItself { .. } | Self::MigrateOntoItself { .. } => "same_file",
            Self::NotImportable { .. } => "not_importable",
            Self::BackupOfServer { .. } => "server_database",
            Self::StillRunning { .. } => "still_running",
            Self::NotEmpty { .. } => "not_empty",
            Self::CopyDiffers { .. } => "copy_differs",
            Self::Damaged { .. } => "damaged",
            Self::Value(_) => "bad_value",
            Self::Name(_) | Self::NameIsId { .. } => "bad_name",
            Self::NotAnObject { .. } => "bad_json",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::OtherFingerprint { .. } => Some(
                "use another key for another deed, or the same fingerprint for the same one"
                    .to_owned(),
            ),
            Self::Graph(_) => {
                Some("mend the graph and submit it again; nothing of it was taken in".to_owned())
            }
            Self::BackupOfServer { .. } => Some(
                "back up the server with pg_dump, or take a file of it with agent-state migrate"
                    .to_owned(),
            ),
            Self::BackupOntoNoFile { .. } => {
                Some("name a file that does not exist yet, or a former backup".to_owned())
            }
            Self::NameIsId { .. } => {
                Some("an agent is named by its name or its id, so choose another name".to_owned())
            }
            Self::Damaged { .. } => Some("keep the file, and restore a former backup".to_owned()),
            Self::NotAFile { .. } => {
                Some("name a regular file, or one link to a regular file".to_owned())
            }
            _ => None,
        }
    }

    fn data(&self) -> Option<Value> {
        match self {
            Self::RunEnded { run } | Self::SlotTaken { run } => serde_json::to_value(run).ok(),
            Self::VersionDiffers { agent, key, expected, current } => Some(json!({
                "agent": agent, "key": key, "version": current, "expected": expected,
            })),
            Self::ValueExists { agent, key, current } => {
                Some(json!({ "agent": agent, "key": key, "version": current }))
            }
            Self::NoAgent { name } => Some(json!({ "agent": name })),
            Self::NoRun { run_id } => Some(json!({ "run_id": run_id })),
            Self::NoValue { agent, key } => Some(json!({ "agent": agent, "key": key })),
            Self::NoVersion { agent, key, version } => {
                Some(json!({ "agent": agent, "key": key, "version": version }))
            }
            Self::NotLocked { resource } | Self::LockLost { resource } => {
                Some(json!({ "resource": resource }))
            }
            Self::StaleToken { resource, token } => {
                Some(json!({ "resource": resource, "token": token }))
            }
            Self::NoFile { path } => Some(json!({ "path": path.display().to_string() })),
            Self::NoFileVersion { path, version, .. } => {
                Some(json!({ "path": path, "version": version }))
            }
            Self::NoAction { key } => Some(json!({ "key": key })),
            Self::AlreadyServing { socket, pid } => {
                Some(json!({ "socket": socket.display().to_string(), "pid": pid }))
            }
            Self::Held { blocked, waited_ms, .. } => Some(json!({
                "resource": blocked.resource,
                "holder": blocked.grant,
                "waiting": blocked.n_ahead,
                "waited_ms": waited_ms,
            })),
            Self::ActionNo { action, .. }
            | Self::ActionNotBegun { action }
            | Self::ActionNotUnknown { action }
            | Self::OtherFingerprint { action } => serde_json::to_value(action).ok(),
            Self::TaskExists { task }
            | Self::TaskEnded { task }
            | Self::NothingReady { task: Some(task) } => serde_json::to_value(task).ok(),
            Self::StaleLease { node } | Self::OtherResult { node } => {
                serde_json::to_value(node).ok()
            }
            Self::Graph(error) => error.data(),
            Self::FileChanged { path, current, expected } => Some(json!({
                "path": path.display().to_string(), "version": current, "expected": expected,
            })),
            Self::NotHolder { resource, agent, grant } => {
                Some(json!({ "resource": resource, "agent": agent, "holder": grant }))
            }
            _ => None,
        }
    }
}
