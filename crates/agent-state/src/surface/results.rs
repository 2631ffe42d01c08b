//! The keys of what every method answers with. A test asks every method, and finds these and no others.

/// Keys that stand beside each other.
type Keys = &'static [&'static str];

/// Where keys stand: "" is the document itself, a name is what it holds under that name, one object or a
/// list of them.
type Part = (&'static str, Keys);

/// An intended deed.
const ACTION: Keys = &[
    "agent",
    "agent_id",
    "attempts",
    "begun_at",
    "ended_at",
    "error",
    "fingerprint",
    "holder",
    "irreversible",
    "key",
    "lease_until",
    "reason",
    "result",
    "run_id",
    "state",
    "tier",
];

/// An agent.
const AGENT: Keys = &[
    "agent_id",
    "created_at",
    "cron_job_id",
    "last_seen_at",
    "metadata",
    "name",
    "retired_at",
    "type",
];

/// A run.
const RUN: Keys = &[
    "agent",
    "agent_id",
    "cost_usd",
    "exit_code",
    "finished_at",
    "heartbeat_at",
    "holder",
    "job",
    "lease_until",
    "output_path",
    "progress",
    "reason",
    "run_id",
    "signal",
    "slot",
    "started_at",
    "status",
    "stderr_tail",
    "summary",
    "token_usage",
    "verdict",
];

/// A lock that somebody holds.
const GRANT: Keys = &[
    "acquired_at",
    "agent",
    "agent_id",
    "expires_at",
    "grant_id",
    "holder",
    "path",
    "reason",
    "resource",
    "run_id",
    "shared",
    "token",
];

/// What an agent told the others.
const POST: Keys = &[
    "action",
    "agent",
    "agent_id",
    "detail",
    "ended_at",
    "expires_at",
    "post_id",
    "posted_at",
    "resource",
    "run_id",
];

/// A value with its version.
const VALUE: Keys = &["agent", "agent_id", "key", "run_id", "updated_at", "value", "version"];

/// Where a value was written.
const WRITTEN: Keys = &["agent", "agent_id", "key", "version"];

/// A task.
const TASK: Keys = &[
    "changed_at",
    "ended_at",
    "goal",
    "n_nodes",
    "name",
    "reason",
    "run_id",
    "state",
    "submitted_at",
    "task_id",
];

/// How many nodes stand so.
const COUNTS: Keys = &["blocked", "completed", "failed", "pending", "running"];

/// A node of a task.
const NODE: Keys = &[
    "agent",
    "agent_id",
    "attempts",
    "blocked_by",
    "ended_at",
    "error",
    "holder",
    "id",
    "lease_id",
    "lease_until",
    "leased_at",
    "max_attempts",
    "node_id",
    "reason",
    "run_id",
    "state",
    "task_id",
    "waiting_for",
];

/// An event.
const EVENT: Keys = &["agent", "agent_id", "at", "detail", "event_id", "kind", "run_id", "subject"];

/// What a node comes after.
const DEPENDENCY: Keys = &["id", "node_id", "result"];

/// The results by their methods.
const RESULTS: &[(&str, &[Part])] = &[
    ("init", &[("", &["path"])]),
    ("agent.register", &[("", AGENT)]),
    ("agent.list", &[("", AGENT)]),
    ("agent.show", &[("", AGENT)]),
    ("agent.heartbeat", &[("", &["agent"])]),
    ("agent.retire", &[("", AGENT)]),
    ("run.start", &[("", RUN)]),
    ("run.heartbeat", &[("", RUN)]),
    ("run.finish", &[("", RUN)]),
    ("run.list", &[("", RUN)]),
    ("run.show", &[("", RUN)]),
    ("run.reap", &[("", &["agent", "job", "reason", "run_id"])]),
    ("state.get", &[("", VALUE)]),
    ("state.set", &[("", WRITTEN)]),
    ("state.list", &[("", VALUE)]),
    ("state.delete", &[("", WRITTEN)]),
    ("state.history", &[("", VALUE)]),
    ("state.restore", &[("", WRITTEN)]),
    ("lock.acquire", &[("", GRANT)]),
    ("lock.release", &[("", &["resource", "status", "token"])]),
    ("lock.renew", &[("", GRANT)]),
    (
        "lock.check",
        &[
            ("", &["agent", "agent_id", "expires_at", "resource", "run_id", "status", "token"]),
            ("holders", GRANT),
        ],
    ),
    ("lock.list", &[("", GRANT)]),
    ("lock.verify", &[("", GRANT)]),
    ("lock.break", &[("", &["resource", "status", "token"]), ("holder", GRANT)]),
    ("file.get", &[("", &["content", "content_hex", "n_bytes", "path", "version"])]),
    ("file.put", &[("", &["path", "version"])]),
    (
        "file.log",
        &[(
            "",
            &["agent", "agent_id", "n_bytes", "noted_at", "origin", "path", "run_id", "version"],
        )],
    ),
    ("file.restore", &[("", &["path", "version"])]),
    ("file.diff", &[("", &["diff", "from", "path", "to"])]),
    ("action.begin", &[("", &["answer"]), ("action", ACTION)]),
    ("action.done", &[("", ACTION)]),
    ("action.fail", &[("", ACTION)]),
    ("action.show", &[("", ACTION)]),
    ("action.list", &[("", ACTION)]),
    ("action.resolve", &[("", ACTION)]),
    ("action.approve", &[("", &["key", "status"])]),
    ("coord.working_on", &[("", POST)]),
    ("coord.completed", &[("", POST)]),
    ("coord.blocked_by", &[("", POST)]),
    ("coord.note", &[("", POST)]),
    ("coord.check", &[("", &["resource"]), ("working_on", POST)]),
    ("coord.recent", &[("", POST)]),
    ("coord.bulletin", &[("", &["board", "markdown", "recent"])]),
    ("journal.add", &[("", &["agent", "category", "entry_id"])]),
    (
        "journal.list",
        &[("", &["agent", "agent_id", "category", "entry", "entry_id", "run_id", "written_at"])],
    ),
    ("task.submit", &[("", TASK), ("counts", COUNTS)]),
    (
        "task.next",
        &[
            ("", NODE),
            ("", &["context", "goal", "payload", "task"]),
            ("dependencies", DEPENDENCY),
            ("events", EVENT),
        ],
    ),
    ("task.heartbeat", &[("", NODE)]),
    ("task.done", &[("", NODE), ("", &["changed"])]),
    ("task.fail", &[("", NODE), ("", &["changed"])]),
    ("task.status", &[("", TASK), ("counts", COUNTS), ("nodes", NODE), ("nodes", &["after"])]),
    ("task.list", &[("", TASK), ("counts", COUNTS)]),
    (
        "task.show",
        &[("", NODE), ("", &["payload", "result", "task"]), ("dependencies", DEPENDENCY)],
    ),
    ("task.cancel", &[("", TASK), ("counts", COUNTS)]),
    (
        "board",
        &[(
            "",
            &[
                "blocked",
                "failed",
                "locks",
                "running",
                "tasks",
                "unknown_actions",
                "waiting",
                "working_on",
            ],
        )],
    ),
    ("events", &[("", EVENT)]),
    (
        "stats",
        &[(
            "",
            &[
                "active_locks",
                "agents",
                "open_tasks",
                "runs_active",
                "runs_completed",
                "runs_failed",
                "runs_interrupted",
            ],
        )],
    ),
    ("doctor", &[("", &["engine", "path", "sqlite"]), ("findings", &["check", "hint", "message"])]),
    ("backup", &[("", &["n_bytes", "path"])]),
    (
        "prune",
        &[("", &["dry_run"]), ("pruned", &["actions", "coordination", "events", "runs", "tasks"])],
    ),
    ("import", &[("", &["tables"])]),
    ("capabilities", &[("", &["errors", "exit_codes", "methods", "requests", "tool", "version"])]),
];

/// The keys of a method's result in order, those within others behind a dot; none where it answers none.
pub(super) fn of(method: &str) -> Option<Vec<String>> {
    let (_, parts) = RESULTS.iter().find(|(known, _)| *known == method)?;
    let mut keys = Vec::new();
    for (within, names) in *parts {
        if within.is_empty() {
            keys.extend(names.iter().map(|name| (*name).to_owned()));
        } else {
            keys.push((*within).to_owned());
            keys.extend(names.iter().map(|name| format!("{within}.{name}")));
        }
    }
    keys.sort_unstable();
    keys.dedup();
    Some(keys)
}

#[cfg(test)]
mod tests {
    use super::super::METHODS;
    use super::*;

    #[test]
    fn every_method_that_can_be_asked_says_what_it_answers_and_no_other_does() {
        let listed: Vec<&str> = RESULTS.iter().map(|(method, _)| *method).collect();
        let askable = METHODS.iter().filter(|(_, facts)| facts.is_callable());
        assert_eq!(listed, askable.map(|(method, _)| *method).collect::<Vec<_>>());
    }

    #[test]
    fn keys_within_others_stand_behind_a_dot() {
        let keys = of("doctor").unwrap();
        assert!(
            keys.contains(&"findings".to_owned()) && keys.contains(&"findings.hint".to_owned())
        );
        assert_eq!(of("serve"), None);
    }
}
