-- Agents, runs and events: what agent-state and cron-guard both read and write.
-- Moments are Unix milliseconds in UTC, ids are UUIDv7 text.

CREATE TABLE agents (
    id           TEXT    NOT NULL PRIMARY KEY,
    name         TEXT    NOT NULL UNIQUE,
    type         TEXT    NOT NULL CHECK (type IN ('cron', 'interactive', 'delegated')),
    cron_job_id  TEXT,
    metadata     TEXT, -- JSON
    created_at   INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    retired_at   INTEGER
) STRICT;

CREATE TABLE runs (
    id           TEXT    NOT NULL PRIMARY KEY,
    agent_id     TEXT    REFERENCES agents (id), -- NULL while a guard's run has no agent
    job          TEXT,
    slot         TEXT,
    status       TEXT    NOT NULL CHECK (status IN ('running', 'completed', 'failed', 'interrupted')),
    reason       TEXT, -- why it ended, when that is more than its exit code
    started_at   INTEGER NOT NULL,
    finished_at  INTEGER,
    heartbeat_at INTEGER NOT NULL,
    lease_ms     INTEGER NOT NULL,
    lease_until  INTEGER NOT NULL,
    progress     TEXT,
    exit_code    INTEGER,
    signal       INTEGER,
    summary      TEXT,
    token_usage  INTEGER,
    cost_usd     REAL,
    verdict      TEXT    CHECK (verdict IN ('ok', 'bad')),
    output_path  TEXT,
    stderr_tail  TEXT,
    host         TEXT, -- the live process that the run belongs to, if it belongs to one
    boot_id      TEXT,
    pid_space    TEXT,
    pid          INTEGER,
    pid_started  INTEGER
) STRICT;

-- A job runs once for each scheduled slot, whoever starts it.
CREATE UNIQUE INDEX runs_by_slot ON runs (job, slot) WHERE slot IS NOT NULL;
CREATE INDEX runs_by_job ON runs (job, id);
CREATE INDEX runs_by_agent ON runs (agent_id, id);
CREATE INDEX runs_by_status ON runs (status, id);
CREATE INDEX runs_by_start ON runs (started_at);

-- Append-only: one row for every change, written in the transaction of the change.
CREATE TABLE events (
    id       INTEGER NOT NULL PRIMARY KEY,
    at       INTEGER NOT NULL,
    kind     TEXT    NOT NULL, -- noun.verb, as run.finish
    subject  TEXT    NOT NULL, -- what changed: an id, a resource, a key
    agent_id TEXT,
    run_id   TEXT,
    detail   TEXT -- JSON
) STRICT;

CREATE INDEX events_by_time ON events (at);
