-- The tables of cron-guard alone.

-- One row a job: everything that its verdict depends on, so that pruned runs change no verdict.
CREATE TABLE guard_jobs (
    job              TEXT    NOT NULL PRIMARY KEY,
    state            TEXT    NOT NULL CHECK (state IN ('closed', 'open', 'half_open')),
    epoch            INTEGER NOT NULL, -- grows with each resume; older runs never count again
    streak           INTEGER NOT NULL, -- failures in a row in this epoch
    successes        INTEGER NOT NULL, -- successes in a row while half-open
    trips            INTEGER NOT NULL, -- trips since it last closed: the step of the backoff
    manual           INTEGER NOT NULL, -- 1: only a person may resume it, whatever the policy says
    probation        INTEGER NOT NULL, -- 1: resumed, and one failure opens it again
    resumes          INTEGER NOT NULL, -- resumes without a success since
    neutrals         INTEGER NOT NULL, -- neutral outcomes in a row
    flapping         INTEGER NOT NULL,
    broken           INTEGER NOT NULL, -- 1: open for so long that it was reported as broken
    recent           TEXT    NOT NULL, -- the last outcomes, one letter each, newest last
    reason           TEXT, -- why it is open
    incident         INTEGER NOT NULL, -- counts trips that are news; the identity of an alert
    opened_at        INTEGER,
    next_probe_at    INTEGER,
    lease            TEXT, -- JSON: the one probe that may run
    failed_runs      TEXT    NOT NULL, -- JSON: the runs of the streak, oldest first
    first_failure_at INTEGER, -- of the streak
    last_failure_at  INTEGER, -- of all time: a success does not erase it
    last_success_at  INTEGER,
    last_started_at  INTEGER,
    last_run         TEXT,
    last_tick_at     INTEGER, -- when it last started or was kept from starting
    watermark        TEXT    NOT NULL, -- the newest run that was looked at
    pending          TEXT    NOT NULL, -- JSON: the runs up to there that had not ended
    skipped          INTEGER NOT NULL, -- ticks that did not run since skipped_since
    skipped_since    INTEGER,
    declared_at      INTEGER, -- when its declaration was first seen
    late_slot        INTEGER, -- the slot for which it was reported late
    acked_incident   INTEGER,
    signature        TEXT -- the form of the error for which it is open
) STRICT;

-- Every transition, for people and for audits; the same facts are in events.
CREATE TABLE guard_transitions (
    id     INTEGER NOT NULL PRIMARY KEY,
    job    TEXT    NOT NULL,
    at     INTEGER NOT NULL,
    kind   TEXT    NOT NULL,
    before TEXT    NOT NULL,
    after  TEXT    NOT NULL,
    epoch  INTEGER NOT NULL,
    actor  TEXT    NOT NULL,
    reason TEXT,
    run_id TEXT
) STRICT;

CREATE INDEX guard_transitions_by_job ON guard_transitions (job, id);
CREATE INDEX guard_transitions_by_time ON guard_transitions (at);

-- Pauses by a person (or by the guard after resumes in vain): of a job, of a label, of all.
CREATE TABLE guard_holds (
    scope    TEXT    NOT NULL PRIMARY KEY, -- job:NAME, label:NAME or all
    reason   TEXT    NOT NULL,
    actor    TEXT    NOT NULL,
    attended INTEGER NOT NULL, -- 1: a person at a terminal, or the guard; only a person ends it
    at       INTEGER NOT NULL
) STRICT;

-- Ticks that did not run, counted by the hour: blocked, overlap, spacing, budget, held.
CREATE TABLE guard_skips (
    job   TEXT    NOT NULL,
    kind  TEXT    NOT NULL,
    hour  INTEGER NOT NULL, -- Unix milliseconds of its start
    count INTEGER NOT NULL,
    PRIMARY KEY (job, kind, hour)
) STRICT;

-- The last start in each group of jobs that keep their distance.
CREATE TABLE guard_spacing (
    name       TEXT    NOT NULL PRIMARY KEY,
    job        TEXT    NOT NULL,
    started_at INTEGER NOT NULL
) STRICT;

-- The outbox: written with the transition, sent after it.
CREATE TABLE guard_alerts (
    id         TEXT    NOT NULL PRIMARY KEY,
    at         INTEGER NOT NULL,
    event      TEXT    NOT NULL,
    identity   TEXT    NOT NULL UNIQUE, -- what it is about: a second alert about the same is refused
    job        TEXT,
    labels     TEXT    NOT NULL, -- JSON
    grouped_in TEXT, -- the alert that speaks for this one
    hold_until INTEGER NOT NULL, -- not sent before, so that alerts of one cause can be grouped
    body       TEXT    NOT NULL -- JSON
) STRICT;

CREATE INDEX guard_alerts_by_event ON guard_alerts (event, at);

-- One row for each alert and channel.
CREATE TABLE guard_deliveries (
    alert_id     TEXT    NOT NULL REFERENCES guard_alerts (id) ON DELETE CASCADE,
    channel      TEXT    NOT NULL,
    attempts     INTEGER NOT NULL,
    due_at       INTEGER, -- NULL: nothing is left to do
    claim        TEXT, -- JSON: the process that is sending it
    delivered_at INTEGER,
    error        TEXT,
    PRIMARY KEY (alert_id, channel)
) STRICT;

CREATE INDEX guard_deliveries_due ON guard_deliveries (due_at) WHERE due_at IS NOT NULL;

-- Small facts: when the digest was last sent, when the sweep last ran, how long the machine slept.
CREATE TABLE guard_facts (
    name  TEXT    NOT NULL PRIMARY KEY,
    value TEXT    NOT NULL,
    at    INTEGER NOT NULL
) STRICT;
