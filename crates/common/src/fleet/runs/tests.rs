//! Runs are finished once, slots are taken once, and what is gone is found.

use std::time::Duration;

use super::*;
use crate::fleet::Database;
use crate::fleet::agents::Registration;
use crate::fleet::open_for_test;

const LEASE: Duration = Duration::from_secs(60);

struct Journal {
    fleet: Database,
    agent: AgentId,
    _folder: tempfile::TempDir,
}

fn journal() -> Journal {
    let folder = tempfile::tempdir().unwrap();
    let mut fleet = open_for_test(folder.path()).unwrap();
    let (agent, _) = fleet
        .write("register", |tx| {
            agents::register(tx, "reviewer", &Registration::default(), Timestamp(0))
        })
        .unwrap();
    Journal { fleet, agent: agent.agent_id, _folder: folder }
}

impl Journal {
    fn open(&mut self, slot: Option<&str>, holder: Option<&Holder>, at: i64) -> Opened {
        let agent = self.agent.clone();
        let new = NewRun {
            agent: Some(&agent),
            job: Some("k6"),
            slot,
            lease: LEASE,
            holder,
            output_path: None,
        };
        self.fleet.write("open", |tx| open(tx, &new, Timestamp(at))).unwrap()
    }

    fn open_new(&mut self, holder: Option<&Holder>, at: i64) -> RunId {
        match self.open(None, holder, at) {
            Opened::New(run) => run,
            Opened::SlotTaken(run) => panic!("slot taken by {run:?}"),
        }
    }

    fn finish(&mut self, run: &RunId, outcome: &Outcome, at: i64) -> Finished {
        self.fleet.write("finish", |tx| finish(tx, run, outcome, Timestamp(at))).unwrap()
    }

    fn get(&self, run: &RunId) -> Run {
        self.fleet.read("read", |c| get(c, run.as_str())).unwrap().unwrap()
    }
}

#[test]
fn a_run_is_finished_once_and_a_second_finish_changes_nothing() {
    let mut journal = journal();
    let run = journal.open_new(None, 10);
    let failed = Outcome { exit_code: Some(3), ..Outcome::default() };
    assert!(matches!(journal.finish(&run, &failed, 20), Finished::Done(Status::Failed)));
    let second = Outcome { status: Some(Status::Completed), ..Outcome::default() };
    assert!(matches!(journal.finish(&run, &second, 30), Finished::Already(_)));
    let row = journal.get(&run);
    assert_eq!(
        (row.status, row.exit_code, row.finished_at),
        (Status::Failed, Some(3), Some(Timestamp(20)))
    );
    assert!(matches!(
        journal.finish(&RunId::from("nope".to_owned()), &second, 30),
        Finished::Unknown
    ));
}

#[test]
fn the_outer_exec_has_the_last_word_but_for_what_somebody_said_of_the_result() {
    let mut journal = journal();
    let code = |code| Outcome { exit_code: Some(code), ..Outcome::default() };
    let said = |status| Outcome { status: Some(status), ..Outcome::default() };
    let bad = Outcome { verdict: Some(Verdict::Bad), ..code(0) };
    let summed_up = Outcome { summary: Some("no key".into()), ..code(1) };
    let stopped =
        Outcome { status: Some(Status::Interrupted), reason: Some("stopped".into()), ..code(143) };
    let gone = Outcome { reason: Some("lease expired".into()), ..said(Status::Interrupted) };
    for (inner, outer, expect) in [
        (code(0), code(5), Status::Failed),
        (code(1), code(0), Status::Completed),
        (code(0), stopped.clone(), Status::Interrupted),
        (code(143), stopped.clone(), Status::Interrupted),
        (stopped, code(0), Status::Completed),
        (gone, code(0), Status::Completed),
        (bad.clone(), code(0), Status::Failed),
        (bad, code(5), Status::Failed),
        (said(Status::Failed), code(0), Status::Failed),
        (summed_up, code(0), Status::Failed),
        (said(Status::Interrupted), code(0), Status::Interrupted),
        (said(Status::Completed), code(5), Status::Failed),
    ] {
        let run = journal.open_new(None, 10);
        journal.finish(&run, &inner, 20);
        journal.fleet.write("finish", |tx| conclude(tx, &run, &outer, Timestamp(30))).unwrap();
        let row = journal.get(&run);
        assert_eq!(row.status, expect, "{inner:?} and then {outer:?}");
        if inner.resolved() != expect {
            assert_eq!((row.exit_code, row.finished_at), (outer.exit_code, Some(Timestamp(30))));
        }
        assert_eq!(row.verdict, inner.verdict);
    }
}

#[test]
fn a_bad_verdict_fails_a_run_that_exited_zero() {
    for (outcome, expect) in [
        (Outcome::default(), Status::Completed),
        (Outcome { exit_code: Some(0), ..Outcome::default() }, Status::Completed),
        (
            Outcome { exit_code: Some(0), verdict: Some(Verdict::Bad), ..Outcome::default() },
            Status::Failed,
        ),
        (Outcome { signal: Some(9), ..Outcome::default() }, Status::Failed),
        (
            Outcome { exit_code: Some(1), status: Some(Status::Completed), ..Outcome::default() },
            Status::Completed,
        ),
    ] {
        assert_eq!(outcome.resolved(), expect);
    }
}

#[test]
fn the_second_start_of_a_slot_names_the_first() {
    let mut journal = journal();
    let Opened::New(first) = journal.open(Some("12:00"), None, 10) else { panic!("taken") };
    let Opened::SlotTaken(found) = journal.open(Some("12:00"), None, 20) else {
        panic!("given twice")
    };
    assert_eq!(found.run_id, first);
    assert!(matches!(journal.open(Some("13:00"), None, 30), Opened::New(_)));
}

#[test]
fn a_slot_that_was_left_is_free_again() {
    let mut journal = journal();
    let Opened::New(first) = journal.open(Some("12:00"), None, 10) else { panic!("taken") };
    journal.fleet.write("leave", |tx| leave_slot(tx, &first)).unwrap();
    assert_eq!(journal.get(&first).slot, None);
    assert!(matches!(journal.open(Some("12:00"), None, 20), Opened::New(_)));
}

#[test]
fn a_run_opened_without_a_slot_takes_one_that_is_free() {
    let mut journal = journal();
    let Opened::New(first) = journal.open(Some("12:00"), None, 10) else { panic!("taken") };
    let second = journal.open_new(None, 20);
    let run = journal.get(&second);
    let mut take =
        |slot: &str| journal.fleet.write("take", |tx| take_slot(tx, &run, slot)).unwrap();
    assert_eq!(take("12:00").map(|taken| taken.run_id), Some(first));
    assert!(take("13:00").is_none());
    assert_eq!(journal.get(&second).slot.as_deref(), Some("13:00"));
}

#[test]
fn a_run_whose_process_is_gone_is_interrupted_and_a_live_one_is_left_alone() {
    let mut journal = journal();
    let here = Here::now();
    let alive = Holder::this_process(&here).unwrap();
    let gone = Holder { pid_started: alive.pid_started - 1, ..alive.clone() };
    let live_run = journal.open_new(Some(&alive), 10);
    let dead_run = journal.open_new(Some(&gone), 10);
    let now = Timestamp(10).plus(LEASE * 100);
    let seen = journal.get(&dead_run).as_seen(&here, now);
    assert_eq!((seen.status, seen.reason.as_deref()), (Status::Interrupted, Some("process gone")));
    assert_eq!(journal.get(&dead_run).status, Status::Running, "a reader writes nothing");
    let reaped = journal.fleet.write("reap", |tx| reap(tx, &here, now)).unwrap();
    assert_eq!(reaped.len(), 1);
    assert_eq!(journal.get(&dead_run).status, Status::Interrupted);
    assert_eq!(journal.get(&live_run).status, Status::Running);
}

#[test]
fn a_heartbeat_renews_the_lease_never_shortens_it_and_revives_nothing() {
    let mut journal = journal();
    let run = journal.open_new(None, 1_000);
    let beat = |journal: &mut Journal, at| {
        journal.fleet.write("beat", |tx| heartbeat(tx, &run, Some("half"), Timestamp(at))).unwrap()
    };
    assert!(beat(&mut journal, 5_000));
    assert_eq!(journal.get(&run).lease_until, Timestamp(65_000));
    assert!(beat(&mut journal, 100), "the clock went back");
    assert_eq!(journal.get(&run).lease_until, Timestamp(65_000));
    journal.finish(&run, &Outcome::default(), 6_000);
    assert!(!beat(&mut journal, 7_000));
}

#[test]
fn an_adopted_run_gets_its_agent_and_a_finished_one_is_not_adopted() {
    let mut journal = journal();
    let new = NewRun {
        agent: None,
        job: Some("k6"),
        slot: None,
        lease: LEASE,
        holder: None,
        output_path: None,
    };
    let Opened::New(run) = journal.fleet.write("open", |tx| open(tx, &new, Timestamp(1))).unwrap()
    else {
        panic!("taken")
    };
    let agent = journal.agent.clone();
    let adopted =
        journal.fleet.write("adopt", |tx| adopt(tx, &run, &agent, Timestamp(2))).unwrap().unwrap();
    assert_eq!(adopted.agent.as_deref(), Some("reviewer"));
    assert_eq!(adopted.job.as_deref(), Some("k6"));
    let other = journal
        .fleet
        .write("register", |tx| {
            agents::register(tx, "other", &Registration::default(), Timestamp(2))
        })
        .unwrap()
        .0
        .agent_id;
    let mut by = |agent: &AgentId| {
        journal.fleet.write("adopt", |tx| adopt(tx, &run, agent, Timestamp(2))).unwrap()
    };
    assert!(by(&other).is_none(), "the run of another agent is not taken over");
    assert_eq!(by(&agent).unwrap().agent.as_deref(), Some("reviewer"));
    journal.finish(&run, &Outcome::default(), 3);
    assert!(
        journal.fleet.write("adopt", |tx| adopt(tx, &run, &agent, Timestamp(4))).unwrap().is_none()
    );
}

#[test]
fn ids_of_runs_only_grow_and_a_reader_continues_where_it_stopped() {
    let mut journal = journal();
    let Opened::New(first) = journal.open(None, None, 1) else { panic!("no slot") };
    // A run from a clock that stood a thousand years ahead.
    let ahead = "1e000000-0000-7000-8000-000000000000";
    journal
        .fleet
        .write("test", |tx| {
            tx.execute("UPDATE runs SET id = ?1 WHERE id = ?2", [ahead, first.as_str()])
        })
        .unwrap();
    let Opened::New(second) = journal.open(None, None, 2) else { panic!("no slot") };
    let Opened::New(third) = journal.open(None, None, 3) else { panic!("no slot") };
    assert_eq!(second.as_str(), "1e000000-0000-7000-8000-000000000001");
    assert!(third > second);
    let after = |after: &str, limit| -> Vec<RunId> {
        let runs = journal.fleet.read("read", |c| of_job_after(c, "k6", after, limit)).unwrap();
        runs.into_iter().map(|run| run.run_id).collect()
    };
    assert_eq!(after(ahead, 10), [second.clone(), third.clone()]);
    assert_eq!(after("", 2), [second, third.clone()]);
    assert_eq!(after(third.as_str(), 10), []);
}

#[test]
fn of_many_that_finish_and_reap_at_once_one_is_told_done_and_one_event_is_written() {
    let mut journal = journal();
    let here = Here::now();
    let alive = Holder::this_process(&here).unwrap();
    let gone = Holder { pid_started: alive.pid_started - 1, ..alive };
    let place = journal.fleet.place().clone();
    for at in 0..5 {
        let run = journal.open_new(Some(&gone), 10 + at);
        let n_told = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for n in 0..8_i64 {
                let (place, run, here, n_told) = (&place, &run, &here, &n_told);
                scope.spawn(move || {
                    let mut fleet =
                        Database::open(place.clone(), crate::sqlite::BUSY_TIMEOUT).unwrap();
                    let is_told = if n % 2 == 0 {
                        let reaped = fleet.write("reap", |tx| reap(tx, here, Timestamp(20)));
                        !reaped.unwrap().is_empty()
                    } else {
                        let outcome = Outcome { exit_code: Some(n), ..Outcome::default() };
                        let finished =
                            fleet.write("finish", |tx| finish(tx, run, &outcome, Timestamp(20)));
                        matches!(finished.unwrap(), Finished::Done(_))
                    };
                    n_told.fetch_add(usize::from(is_told), std::sync::atomic::Ordering::SeqCst);
                });
            }
        });
        assert_eq!(n_told.into_inner(), 1);
        let n_events: i64 = journal
            .fleet
            .read("read", |c| {
                c.query_row(
                    "SELECT count(*) FROM events WHERE kind = 'run.finish' AND subject = ?1",
                    [&run],
                    |row| row.get(0),
                )
            })
            .unwrap();
        assert_eq!(n_events, 1);
    }
}
