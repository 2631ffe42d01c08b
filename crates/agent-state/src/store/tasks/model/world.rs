//! The rules in the plainest words, beside the database that must obey them.

use std::time::Duration;

use common::clock::Timestamp;
use common::fleet::Database;
use common::fleet::agents::{self, AgentId, Registration};
use common::fleet::liveness::{Here, Holder};
use common::fleet::open_for_test;
use proptest::prelude::*;

use super::super::{
    Node, Outcome, Taking, Task, cancel, end, heartbeat, keep_alive, next, submit, task, view,
};
use super::Op;
use crate::error::Error;
use crate::store::{read, write};
use crate::task::graph::{Graph, Plan};
use crate::task::{Counts, State, View};
use crate::value::Json;

/// A node of the model.
#[derive(Debug, Clone)]
pub(super) struct Model {
    after: Vec<usize>,
    max_attempts: i64,
    attempts: i64,
    state: State,
    lease: Option<usize>,
    result: Option<u8>,
    said_so: bool,
}

/// A lease that was given once.
#[derive(Debug, Clone)]
pub(super) struct Lease {
    id: String,
    node: usize,
    pub(super) node_id: String,
    length: i64,
    until: i64,
    dies: bool,
}

pub(super) struct World {
    pub(super) fleet: Database,
    here: Here,
    agent: AgentId,
    alive: Holder,
    dead: Holder,
    pub(super) task_id: String,
    pub(super) nodes: Vec<Model>,
    pub(super) leases: Vec<Lease>,
    pub(super) now: i64,
    n_completed: Vec<u32>,
}

impl World {
    pub(super) fn new(folder: &std::path::Path, graph: &[(Vec<usize>, i64)]) -> Self {
        let mut fleet = open_for_test(folder).unwrap();
        let here = Here::now();
        let alive = Holder::this_process(&here).unwrap();
        let dead = Holder { pid_started: alive.pid_started - 1, ..alive.clone() };
        let plan = Graph {
            goal: None,
            context: None,
            nodes: graph
                .iter()
                .enumerate()
                .map(|(n, (after, max_attempts))| Plan {
                    id: format!("n{n}").parse().unwrap(),
                    after: after.clone(),
                    payload: Some(Json::parse(&n.to_string()).unwrap()),
                    max_attempts: *max_attempts,
                })
                .collect(),
        };
        let agent = fleet
            .write("register", |tx| {
                agents::register(tx, "a", &Registration::default(), Timestamp(0))
            })
            .unwrap()
            .0
            .agent_id;
        let task =
            write(&mut fleet, "submit", |tx, _| submit(tx, &plan, Some("t"), None, Timestamp(0)))
                .unwrap();
        let model = |(after, max_attempts): &(Vec<usize>, i64)| Model {
            after: after.clone(),
            max_attempts: *max_attempts,
            attempts: 0,
            state: State::Pending,
            lease: None,
            result: None,
            said_so: false,
        };
        Self {
            fleet,
            here,
            agent,
            alive,
            dead,
            task_id: task.task_id,
            nodes: graph.iter().map(model).collect(),
            leases: Vec::new(),
            now: 1_000_000,
            n_completed: vec![0; graph.len()],
        }
    }

    fn is_ready(&self, n: usize) -> bool {
        self.nodes[n].state == State::Pending
            && self.nodes[n].after.iter().all(|above| self.nodes[*above].state == State::Completed)
    }

    fn first_ready(&self) -> Option<usize> {
        (0..self.nodes.len()).find(|n| self.is_ready(*n))
    }

    fn fail(&mut self, n: usize) {
        self.nodes[n].state = State::Failed;
        loop {
            let is_hit = |n: usize| {
                self.nodes[n].state == State::Pending
                    && self.nodes[n].after.iter().any(|above| {
                        matches!(self.nodes[*above].state, State::Failed | State::Blocked)
                    })
            };
            match (0..self.nodes.len()).find(|n| is_hit(*n)) {
                Some(hit) => self.nodes[hit].state = State::Blocked,
                None => break,
            }
        }
    }

    /// An attempt has ended by itself.
    fn lapse(&mut self, n: usize) {
        self.nodes[n].lease = None;
        if self.nodes[n].attempts < self.nodes[n].max_attempts {
            self.nodes[n].state = State::Pending;
        } else {
            self.fail(n);
        }
    }

    fn has_lapsed(&self, n: usize) -> bool {
        self.nodes[n].state == State::Running
            && self.nodes[n].lease.is_some_and(|lease| {
                let lease = &self.leases[lease];
                lease.until <= self.now || lease.dies
            })
    }

    /// Takes back what expired and, when nothing else can be given out, what belongs to the dead.
    fn sweep(&mut self) {
        for n in 0..self.nodes.len() {
            let is_late = |lease: usize| self.leases[lease].until <= self.now;
            if self.nodes[n].state == State::Running && self.nodes[n].lease.is_some_and(is_late) {
                self.lapse(n);
            }
        }
        if self.first_ready().is_none() && self.is_open() {
            for n in 0..self.nodes.len() {
                if self.has_lapsed(n) {
                    self.lapse(n);
                }
            }
        }
    }

    fn is_open(&self) -> bool {
        self.nodes.iter().any(|node| matches!(node.state, State::Pending | State::Running))
    }

    pub(super) fn next(&mut self, lease_ms: u64, dies: bool) -> Result<bool, TestCaseError> {
        let now = Timestamp(self.now);
        let taking = Taking {
            agent: self.agent.clone(),
            run: None,
            holder: Some(if dies { self.dead.clone() } else { self.alive.clone() }),
            lease: Duration::from_millis(lease_ms),
        };
        let (task, here) = (self.task_id.clone(), self.here.clone());
        let given =
            write(&mut self.fleet, "next", |tx, _| next(tx, Some(&task), &taking, &here, now));
        self.sweep();
        let expect = self.first_ready();
        let Ok(handed) = given else {
            prop_assert_eq!(expect, None);
            return Ok(false);
        };
        let node = &handed.node;
        let n: usize = node.id[1..].parse().unwrap();
        // Never to two at once, never before what it depends on, and first submitted first served.
        prop_assert_eq!(Some(n), expect);
        let payload = handed.payload.as_ref().map(|payload| payload.as_str().to_owned());
        prop_assert_eq!(payload, Some(n.to_string()));
        let results: Vec<Option<String>> = handed
            .dependencies
            .iter()
            .map(|above| above.result.as_ref().map(|result| result.as_str().to_owned()))
            .collect();
        let expect: Vec<Option<String>> = self.nodes[n]
            .after
            .iter()
            .map(|above| self.nodes[*above].result.map(|result| result.to_string()))
            .collect();
        prop_assert_eq!(results, expect);
        let length = i64::try_from(lease_ms).unwrap();
        self.leases.push(Lease {
            id: node.lease_id.clone().unwrap(),
            node: n,
            node_id: node.node_id.clone(),
            length,
            until: self.now + length,
            dies,
        });
        let model = &mut self.nodes[n];
        model.attempts += 1;
        model.state = State::Running;
        model.said_so = false;
        model.lease = Some(self.leases.len() - 1);
        prop_assert_eq!(node.attempts, model.attempts);
        Ok(true)
    }

    /// Whether a lease is the current one of its node; a lapse is noted where it is met.
    fn holds(&mut self, lease: usize) -> bool {
        let n = self.leases[lease].node;
        if self.nodes[n].state != State::Running || self.nodes[n].lease != Some(lease) {
            return false;
        }
        if self.has_lapsed(n) {
            self.lapse(n);
            return false;
        }
        true
    }

    fn say(&mut self, lease: usize, outcome: Outcome<'_>) -> anyhow::Result<bool> {
        let Lease { id, node_id, .. } = self.leases[lease].clone();
        let (here, now) = (self.here.clone(), Timestamp(self.now));
        write(&mut self.fleet, "end", |tx, _| end(tx, &node_id, &id, outcome, &here, now))
            .map(|(_, changed)| changed)
    }

    pub(super) fn done(&mut self, lease: usize, result: u8) -> Result<(), TestCaseError> {
        let n = self.leases[lease].node;
        let json = Json::parse(&result.to_string()).unwrap();
        let said = self.say(lease, Outcome::Done(Some(&json)));
        if self.nodes[n].state == State::Completed && self.nodes[n].lease == Some(lease) {
            // Said before: the same is heard again, another result is refused.
            prop_assert_eq!(said.ok(), (self.nodes[n].result == Some(result)).then_some(false));
        } else if self.holds(lease) {
            prop_assert!(matches!(said, Ok(true)), "{:?}", said);
            self.n_completed[n] += 1;
            self.nodes[n].state = State::Completed;
            self.nodes[n].result = Some(result);
        } else {
            prop_assert!(is_stale(&said), "{:?}", said);
        }
        Ok(())
    }

    pub(super) fn failed(&mut self, lease: usize, retry: bool) -> Result<(), TestCaseError> {
        let n = self.leases[lease].node;
        let said = self.say(lease, Outcome::Failed { error: Some("oh"), retry });
        let node = &self.nodes[n];
        if node.state == State::Failed && node.lease == Some(lease) && node.said_so {
            prop_assert!(matches!(said, Ok(false)), "{:?}", said);
        } else if self.holds(lease) {
            prop_assert!(matches!(said, Ok(true)), "{:?}", said);
            self.nodes[n].said_so = true;
            if retry && self.nodes[n].attempts < self.nodes[n].max_attempts {
                self.nodes[n].state = State::Pending;
                self.nodes[n].lease = None;
            } else {
                self.fail(n);
            }
        } else {
            prop_assert!(is_stale(&said), "{:?}", said);
        }
        Ok(())
    }

    pub(super) fn beat(&mut self, lease: usize, keeper: bool) -> Result<(), TestCaseError> {
        let Lease { id, node, node_id, length, .. } = self.leases[lease].clone();
        let (here, now) = (self.here.clone(), Timestamp(self.now));
        if keeper {
            let kept = write(&mut self.fleet, "keep", |tx, _| {
                let seen = super::super::node(tx, &node_id)?;
                Ok(keep_alive(tx, &Node { lease_id: Some(id), lease_ms: length, ..seen }, now)?)
            })
            .unwrap();
            // A keeper is the process itself, so it lives, and it records no lapse.
            let runs =
                self.nodes[node].state == State::Running && self.nodes[node].lease == Some(lease);
            if runs {
                prop_assert_eq!(kept.is_some(), self.leases[lease].until > self.now);
            }
            if runs && kept.is_some() {
                self.leases[lease].until = self.leases[lease].until.max(self.now + length);
            }
            return Ok(());
        }
        let beat =
            write(&mut self.fleet, "beat", |tx, _| heartbeat(tx, &node_id, &id, None, &here, now));
        if self.holds(lease) {
            let until = self.leases[lease].until.max(self.now + length);
            prop_assert_eq!(beat.unwrap().lease_until, Some(Timestamp(until)));
            self.leases[lease].until = until;
        } else {
            prop_assert!(beat.is_err(), "a heartbeat revived a lease");
        }
        Ok(())
    }

    pub(super) fn cancel(&mut self) {
        let (task, now) = (self.task_id.clone(), Timestamp(self.now));
        let canceled = write(&mut self.fleet, "cancel", |tx, _| cancel(tx, &task, now));
        assert_eq!(canceled.is_ok(), self.is_open());
        for node in &mut self.nodes {
            if matches!(node.state, State::Pending | State::Running) {
                node.state = State::Failed;
                node.lease = None;
            }
        }
    }

    pub(super) fn apply(&mut self, op: &Op) -> Result<(), TestCaseError> {
        let pick = |lease: usize| lease % self.leases.len().max(1);
        match *op {
            Op::Next { lease_ms, dies } => {
                self.next(lease_ms, dies)?;
            }
            Op::Clock(by) => self.now += by,
            Op::Cancel => self.cancel(),
            _ if self.leases.is_empty() => {}
            Op::Done { lease, result } => self.done(pick(lease), result)?,
            Op::Fail { lease, retry } => self.failed(pick(lease), retry)?,
            Op::Heartbeat { lease, keeper } => self.beat(pick(lease), keeper)?,
        }
        self.compare()
    }

    pub(super) fn seen(&self) -> View {
        read(&self.fleet, "view", |connection, _| {
            view(connection, &self.task_id, &self.here, Timestamp(self.now))
        })
        .unwrap()
    }

    /// What a reader sees is the model, with what has lapsed as if it had been noted.
    pub(super) fn compare(&mut self) -> Result<(), TestCaseError> {
        let recorded = self.nodes.clone();
        for n in 0..self.nodes.len() {
            if self.has_lapsed(n) {
                self.lapse(n);
            }
        }
        let expect = std::mem::replace(&mut self.nodes, recorded);
        let seen = self.seen();
        for (node, expect) in seen.nodes.iter().zip(&expect) {
            prop_assert_eq!(node.state, expect.state, "{}", node.id);
            prop_assert_eq!(node.attempts, expect.attempts, "{}", node.id);
        }
        prop_assert!(self.n_completed.iter().all(|n_times| *n_times <= 1));
        self.check_counts()
    }

    /// The counts are those of the rows.
    fn check_counts(&self) -> Result<(), TestCaseError> {
        let stored: Task =
            read(&self.fleet, "task", |connection, _| task(connection, &self.task_id)).unwrap();
        let mut counts = Counts::default();
        for node in &self.nodes {
            *counts.of(node.state) += 1;
        }
        prop_assert_eq!(stored.counts, counts);
        prop_assert_eq!(stored.state, counts.state());
        prop_assert_eq!(stored.ended_at.is_some(), counts.state() != State::Running);
        Ok(())
    }

    /// Agents that live work until nothing is left.
    pub(super) fn work_off(&mut self) -> Result<(), TestCaseError> {
        // Each turn takes a node, or lets a lease pass.
        for _ in 0..200 {
            if self.next(10, false)? {
                let lease = self.leases.len() - 1;
                self.done(lease, 1)?;
            } else if self.is_open() {
                self.now += 1_000;
            } else {
                break;
            }
            self.compare()?;
        }
        let task = self.seen().task;
        prop_assert!(matches!(task.state, State::Completed | State::Failed), "{:?}", task);
        prop_assert_eq!(task.reason.is_some(), task.state == State::Failed, "{:?}", task);
        Ok(())
    }
}

fn is_stale(said: &anyhow::Result<bool>) -> bool {
    said.as_ref().is_err_and(|error| matches!(error.downcast_ref(), Some(Error::StaleLease { .. })))
}
