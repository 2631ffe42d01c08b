//! Graphs of work: nodes that wait for each other, given out under leases. Pure rules.
//!
//! A node is pending, running, completed or failed; one that waits for what has failed is blocked. An
//! attempt is counted when the node is given out. Nothing here touches a database or a clock.

pub(crate) mod dot;
pub(crate) mod graph;
pub(crate) mod tree;

use common::clock::Timestamp;
use common::fleet::agents::AgentId;
use common::fleet::liveness::Holder;
use common::fleet::runs::RunId;
use serde::Serialize;

use crate::lock::Lapse;
use crate::value::Json;

common::words! {
    /// Where a task or one of its nodes stands.
    State {
        /// It waits: for other nodes, or for an agent.
        Pending = "pending",
        /// An agent is at it; a task runs until no node of it can go on.
        Running = "running",
        /// It is done.
        Completed = "completed",
        /// It will not be done.
        Failed = "failed",
        /// It waits for what has failed.
        Blocked = "blocked",
    }
}

/// Why a node failed that somebody canceled.
pub(crate) const CANCELED: &str = "canceled";
/// Why a node failed, or came back, whose agent said so.
pub(crate) const SAID_SO: &str = "failed";

/// How many nodes stand where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    pub(crate) pending: i64,
    pub(crate) running: i64,
    pub(crate) completed: i64,
    pub(crate) failed: i64,
    pub(crate) blocked: i64,
}

impl Counts {
    /// The number of a state.
    pub(crate) fn of(&mut self, state: State) -> &mut i64 {
        match state {
            State::Pending => &mut self.pending,
            State::Running => &mut self.running,
            State::Completed => &mut self.completed,
            State::Failed => &mut self.failed,
            State::Blocked => &mut self.blocked,
        }
    }

    /// Where a task with these nodes stands.
    pub(crate) fn state(self) -> State {
        if self.pending + self.running > 0 {
            State::Running
        } else if self.failed + self.blocked > 0 {
            State::Failed
        } else {
            State::Completed
        }
    }
}

/// A task, without its nodes.
#[derive(Debug, Clone, Serialize)]
#[expect(clippy::struct_field_names, reason = "the names are those of the JSON")]
pub(crate) struct Task {
    pub(crate) task_id: String,
    pub(crate) name: Option<String>,
    pub(crate) goal: Option<Json>,
    pub(crate) state: State,
    /// What made it fail.
    pub(crate) reason: Option<String>,
    pub(crate) run_id: Option<RunId>,
    pub(crate) submitted_at: Timestamp,
    pub(crate) changed_at: Timestamp,
    pub(crate) ended_at: Option<Timestamp>,
    pub(crate) n_nodes: i64,
    pub(crate) counts: Counts,
}

impl Task {
    /// Its name, or its id where it has none.
    pub(crate) fn title(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.task_id)
    }
}

/// A node, without its payload and its result.
#[derive(Debug, Clone, Serialize)]
#[expect(clippy::struct_field_names, reason = "the names are those of the JSON")]
pub(crate) struct Node {
    #[serde(skip)]
    pub(crate) seq: i64,
    pub(crate) node_id: String,
    pub(crate) task_id: String,
    pub(crate) id: String,
    pub(crate) state: State,
    /// How many of the nodes that it comes after are not completed.
    pub(crate) waiting_for: i64,
    pub(crate) attempts: i64,
    pub(crate) max_attempts: i64,
    /// Why it failed, or came back.
    pub(crate) reason: Option<String>,
    /// What its agent said of that.
    pub(crate) error: Option<String>,
    /// The failed node above it.
    pub(crate) blocked_by: Option<String>,
    pub(crate) agent_id: Option<AgentId>,
    pub(crate) agent: Option<String>,
    pub(crate) run_id: Option<RunId>,
    pub(crate) lease_id: Option<String>,
    pub(crate) leased_at: Option<Timestamp>,
    #[serde(skip)]
    pub(crate) lease_ms: i64,
    pub(crate) lease_until: Option<Timestamp>,
    pub(crate) ended_at: Option<Timestamp>,
    pub(crate) holder: Option<Holder>,
}

impl Node {
    /// Whether it can be given out now.
    pub(crate) fn is_ready(&self) -> bool {
        self.state == State::Pending && self.waiting_for == 0
    }

    /// Where it goes when its attempt ends without success.
    pub(crate) fn after_attempt(&self) -> State {
        if self.attempts < self.max_attempts { State::Pending } else { State::Failed }
    }

    /// Its attempt has ended by itself; a reader shows what the next writer records.
    pub(crate) fn lapse(&mut self, lapse: Lapse) {
        self.state = self.after_attempt();
        self.reason = Some(lapse.as_str().to_owned());
        self.lease_id = None;
        self.holder = None;
    }

    /// What failed it, in words.
    pub(crate) fn cause(&self) -> String {
        cause(&self.id, self.reason.as_deref(), self.error.as_deref(), self.attempts)
    }
}

/// Names the node that failed, and why.
pub(crate) fn cause(id: &str, reason: Option<&str>, error: Option<&str>, attempts: i64) -> String {
    let why = match (reason, error) {
        (Some(SAID_SO) | None, error) => error,
        (reason, _) => reason,
    };
    let why = why.map_or_else(String::new, |why| format!(": {why}"));
    match attempts {
        0 | 1 => format!("`{id}` failed{why}"),
        n => format!("`{id}` failed{why} (attempt {n})"),
    }
}

/// A task with all its nodes, in the order in which they were submitted.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) task: Task,
    pub(crate) nodes: Vec<Node>,
    /// For each node the places of those that it comes after.
    pub(crate) after: Vec<Vec<usize>>,
}

impl View {
    /// For each node the places of those that come after it.
    pub(crate) fn below(&self) -> Vec<Vec<usize>> {
        let mut below = vec![Vec::new(); self.nodes.len()];
        for (node, after) in self.after.iter().enumerate() {
            for above in after {
                if let Some(below) = below.get_mut(*above) {
                    below.push(node);
                }
            }
        }
        below
    }

    /// The graph as it stands in truth, where these attempts have ended by themselves.
    #[must_use]
    pub(crate) fn seen(mut self, lapses: &[(usize, Lapse)]) -> Self {
        if lapses.is_empty() {
            return self;
        }
        let below = self.below();
        for (place, lapse) in lapses {
            let Some(node) = self.nodes.get_mut(*place) else { continue };
            node.lapse(*lapse);
            if node.state == State::Failed {
                let (id, cause) = (node.id.clone(), node.cause());
                self.task.reason.get_or_insert(cause);
                self.block_below(*place, &id, &below);
            }
        }
        let mut counts = Counts::default();
        for node in &self.nodes {
            *counts.of(node.state) += 1;
        }
        self.task.counts = counts;
        self.task.state = counts.state();
        self
    }

    fn block_below(&mut self, place: usize, id: &str, below: &[Vec<usize>]) {
        let mut open: Vec<usize> = below.get(place).cloned().unwrap_or_default();
        while let Some(place) = open.pop() {
            let Some(node) = self.nodes.get_mut(place) else { continue };
            if node.state == State::Pending {
                node.state = State::Blocked;
                node.blocked_by = Some(id.to_owned());
                open.extend(below.get(place).into_iter().flatten());
            }
        }
    }
}

#[cfg(test)]
mod tests;
