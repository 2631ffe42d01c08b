-- The tables of agent-state alone.

-- One row for each version of each value. The newest is the current one; a NULL value says that the
-- key was deleted then, and the versions of a key grow on over it.
CREATE TABLE state (
    agent_id   TEXT    NOT NULL REFERENCES agents (id),
    key        TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    value      TEXT, -- JSON
    run_id     TEXT,
    written_at INTEGER NOT NULL,
    PRIMARY KEY (agent_id, key, version)
) STRICT;

-- Numbers that only grow, whatever is deleted elsewhere: fencing tokens, tickets of waiters.
CREATE TABLE counters (
    name  TEXT    NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT;

-- Grants that are held now, and those whose end nobody has noticed yet.
CREATE TABLE locks (
    id          TEXT    NOT NULL PRIMARY KEY,
    resource    TEXT    NOT NULL,
    token       INTEGER NOT NULL,
    shared      INTEGER NOT NULL,
    is_path     INTEGER NOT NULL, -- conflicts with what is above and below it, too
    agent_id    TEXT    REFERENCES agents (id),
    run_id      TEXT, -- ends with this run
    reason      TEXT,
    acquired_at INTEGER NOT NULL,
    ttl_ms      INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    host        TEXT, -- the live process that the grant belongs to, if it belongs to one
    boot_id     TEXT,
    pid_space   TEXT,
    pid         INTEGER,
    pid_started INTEGER
) STRICT;

CREATE INDEX locks_by_resource ON locks (resource);
CREATE INDEX locks_by_expiry ON locks (expires_at);

-- Who waits for a lock, first come, first served: one row for each resource of a request.
CREATE TABLE lock_waiters (
    ticket      INTEGER NOT NULL,
    resource    TEXT    NOT NULL,
    shared      INTEGER NOT NULL,
    is_path     INTEGER NOT NULL,
    agent_id    TEXT    REFERENCES agents (id),
    run_id      TEXT,
    since       INTEGER NOT NULL,
    seen_at     INTEGER NOT NULL, -- a waiter that is not seen for a while is passed over
    host        TEXT,
    boot_id     TEXT,
    pid_space   TEXT,
    pid         INTEGER,
    pid_started INTEGER,
    PRIMARY KEY (ticket, resource)
) STRICT;

-- How many runs have each status, so that nobody counts a million rows.
CREATE TABLE run_counts (
    status TEXT    NOT NULL PRIMARY KEY,
    n_runs INTEGER NOT NULL
) STRICT;

INSERT INTO run_counts (status, n_runs) VALUES ('running', 0), ('completed', 0), ('failed', 0), ('interrupted', 0);

-- What guarded files held: the content before and after each replacement.
CREATE TABLE file_versions (
    id       INTEGER NOT NULL PRIMARY KEY,
    path     TEXT    NOT NULL,
    version  TEXT    NOT NULL, -- SHA-256 of the content
    content  BLOB    NOT NULL,
    origin   TEXT    NOT NULL CHECK (origin IN ('put', 'restore', 'found')),
    agent_id TEXT    REFERENCES agents (id),
    run_id   TEXT,
    noted_at INTEGER NOT NULL
) STRICT;

CREATE INDEX file_versions_by_path ON file_versions (path, id);

-- Intentions, written before the deed, so that a retry knows what became of the first try.
CREATE TABLE actions (
    key            TEXT    NOT NULL PRIMARY KEY,
    state          TEXT    NOT NULL CHECK (state IN ('intended', 'done', 'failed', 'unknown')),
    tier           TEXT    NOT NULL CHECK (tier IN ('read', 'append', 'mutate')),
    irreversible   INTEGER NOT NULL,
    fingerprint    TEXT,
    attempts       INTEGER NOT NULL, -- 0 while it awaits its approval
    agent_id       TEXT    REFERENCES agents (id),
    run_id         TEXT,
    begun_at       INTEGER NOT NULL,
    lease_until    INTEGER NOT NULL,
    window_ms      INTEGER NOT NULL, -- 0: free again as soon as it is finished
    ended_at       INTEGER,
    result         TEXT, -- JSON
    error          TEXT,
    reason         TEXT, -- of the person who resolved it
    host           TEXT, -- the live process that acts, if it is one
    boot_id        TEXT,
    pid_space      TEXT,
    pid            INTEGER,
    pid_started    INTEGER
) STRICT;

CREATE INDEX actions_by_state ON actions (state, begun_at);

-- Approvals that no attempt has used up yet.
CREATE TABLE action_approvals (
    key         TEXT    NOT NULL PRIMARY KEY,
    approved_at INTEGER NOT NULL
) STRICT;

-- What agents tell each other.
CREATE TABLE coordination (
    id         INTEGER NOT NULL PRIMARY KEY,
    agent_id   TEXT    NOT NULL REFERENCES agents (id),
    run_id     TEXT, -- what is being worked on ends with this run
    action     TEXT    NOT NULL CHECK (action IN ('working_on', 'completed', 'blocked_by', 'note')),
    resource   TEXT    NOT NULL,
    detail     TEXT,
    posted_at  INTEGER NOT NULL,
    expires_at INTEGER,
    ended_at   INTEGER
) STRICT;

CREATE INDEX coordination_by_resource ON coordination (resource, id);
CREATE INDEX coordination_by_time ON coordination (posted_at);
CREATE INDEX coordination_open ON coordination (expires_at) WHERE expires_at IS NOT NULL AND ended_at IS NULL;

-- What agents note for later: lessons, decisions, findings.
CREATE TABLE journal (
    id         INTEGER NOT NULL PRIMARY KEY,
    agent_id   TEXT    NOT NULL REFERENCES agents (id),
    run_id     TEXT,
    category   TEXT    NOT NULL,
    entry      TEXT    NOT NULL, -- JSON
    written_at INTEGER NOT NULL
) STRICT;

CREATE INDEX journal_by_agent ON journal (agent_id, id);
CREATE INDEX journal_by_category ON journal (category, id);
CREATE INDEX journal_by_time ON journal (written_at);

-- Graphs of work. Its texts stand apart: this row changes with each of its nodes.
CREATE TABLE tasks (
    id           TEXT    NOT NULL PRIMARY KEY,
    name         TEXT,
    state        TEXT    NOT NULL CHECK (state IN ('running', 'completed', 'failed')),
    reason       TEXT, -- what made it fail first
    run_id       TEXT, -- submitted in this run
    submitted_at INTEGER NOT NULL,
    changed_at   INTEGER NOT NULL,
    ended_at     INTEGER,
    n_nodes      INTEGER NOT NULL,
    n_pending    INTEGER NOT NULL,
    n_running    INTEGER NOT NULL,
    n_completed  INTEGER NOT NULL,
    n_failed     INTEGER NOT NULL,
    n_blocked    INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX tasks_by_open_name ON tasks (name) WHERE state = 'running';
CREATE INDEX tasks_by_name ON tasks (name, id);
CREATE INDEX tasks_by_state ON tasks (state, id);
CREATE INDEX tasks_by_end ON tasks (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE task_texts (
    task_id TEXT NOT NULL PRIMARY KEY REFERENCES tasks (id),
    goal    TEXT, -- JSON
    context TEXT  -- JSON
) STRICT;

CREATE TABLE task_nodes (
    seq          INTEGER NOT NULL PRIMARY KEY, -- first submitted, first served
    node_id      TEXT    NOT NULL UNIQUE,
    task_id      TEXT    NOT NULL REFERENCES tasks (id),
    id           TEXT    NOT NULL, -- as its graph calls it
    state        TEXT    NOT NULL CHECK (state IN ('pending', 'running', 'completed', 'failed', 'blocked')),
    n_waiting    INTEGER NOT NULL, -- how many of the nodes that it comes after are not completed
    attempts     INTEGER NOT NULL,
    max_attempts INTEGER NOT NULL,
    reason       TEXT, -- why it failed, or came back
    blocked_by   INTEGER, -- the failed node above it
    agent_id     TEXT    REFERENCES agents (id), -- who has it, or had it last
    run_id       TEXT, -- the lease ends with this run
    lease_id     TEXT, -- of the attempt that runs, or that ended it
    leased_at    INTEGER,
    lease_ms     INTEGER,
    lease_until  INTEGER,
    ended_at     INTEGER,
    host         TEXT, -- the live process that the lease belongs to, if it belongs to one
    boot_id      TEXT,
    pid_space    TEXT,
    pid          INTEGER,
    pid_started  INTEGER
) STRICT;

CREATE UNIQUE INDEX task_nodes_by_id ON task_nodes (task_id, id);
-- What can be given out, of all tasks and of one: the next is found at once, however many wait.
CREATE INDEX task_nodes_ready ON task_nodes (seq) WHERE state = 'pending' AND n_waiting = 0;
CREATE INDEX task_nodes_ready_of_task ON task_nodes (task_id, seq) WHERE state = 'pending' AND n_waiting = 0;
CREATE INDEX task_nodes_leased ON task_nodes (lease_until) WHERE state = 'running';

-- A node comes after other nodes of its task.
CREATE TABLE task_edges (
    node  INTEGER NOT NULL REFERENCES task_nodes (seq),
    after INTEGER NOT NULL REFERENCES task_nodes (seq),
    PRIMARY KEY (node, after)
) STRICT, WITHOUT ROWID;

CREATE INDEX task_edges_by_after ON task_edges (after, node);

-- What goes into a node and what came of it, apart from the row that changes with each heartbeat.
CREATE TABLE task_values (
    node    INTEGER NOT NULL PRIMARY KEY REFERENCES task_nodes (seq),
    error   TEXT,
    result  TEXT, -- JSON
    payload TEXT  -- JSON
) STRICT;

-- The last events of a task come with each of its nodes. Their subject is the task.
CREATE INDEX events_of_tasks ON events (subject, id) WHERE kind >= 'task.' AND kind < 'task/';
