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

CREATE TRIGGER runs_counted_in AFTER INSERT ON runs BEGIN
    UPDATE run_counts SET n_runs = n_runs + 1 WHERE status = NEW.status;
END;

CREATE TRIGGER runs_counted_over AFTER UPDATE OF status ON runs WHEN OLD.status <> NEW.status BEGIN
    UPDATE run_counts SET n_runs = n_runs - 1 WHERE status = OLD.status;
    UPDATE run_counts SET n_runs = n_runs + 1 WHERE status = NEW.status;
END;

CREATE TRIGGER runs_counted_out AFTER DELETE ON runs BEGIN
    UPDATE run_counts SET n_runs = n_runs - 1 WHERE status = OLD.status;
END;
