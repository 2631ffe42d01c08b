//! `agent-state task …`.

use std::ffi::OsString;
use std::time::Duration;

use clap::{Args, Subcommand};
use common::duration::{self, DurationError};
use common::name::Name;

use crate::complete;
use crate::task::State;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Take in a graph of work, whole or not at all
    Submit(Submit),
    /// Take the next node that is ready, under a lease
    Next(Next),
    /// Lengthen the lease of a node that one is at
    Heartbeat(Heartbeat),
    /// Record that a node is done
    Done(Done),
    /// Record that a node failed
    Fail(Fail),
    /// Show a task with its nodes, as a tree
    Status(Status),
    /// List tasks, newest first
    List(List),
    /// Show one node with its payload and its result
    Show(Show),
    /// End a task: nothing more of it is given out
    Cancel(Cancel),
    /// Run a command on the next node that is ready
    Exec(Exec),
}

#[derive(Debug, Args)]
#[command(after_help = "\
A graph is JSON: {\"goal\": …, \"context\": …, \"nodes\": [{\"id\": \"a\", \"after\": [\"b\"], \"payload\": …,
\"max_attempts\": 3}, …]}. Only nodes and their ids are required. A node is given out at most max_attempts
times, 3 by default. A graph with a cycle, an unknown or a double id, or a misspelled key is refused as a
whole. Up to 100000 nodes, and 1 MiB and 100 levels for a payload, the goal and the context each.

It prints the id of the task. A name has one open task at most.

Exit codes: 1 when a task of that name is open; 2 when it is no graph.

Examples:
  echo '{\"goal\":\"ship\",\"nodes\":[{\"id\":\"build\"},{\"id\":\"test\",\"after\":[\"build\"]}]}' | agent-state task submit - --name ship
  agent-state task submit '{\"nodes\":[{\"id\":\"lint\",\"payload\":{\"path\":\"src\"}}]}'")]
pub(crate) struct Submit {
    /// A file, `-` for stdin, or the graph itself
    #[arg(value_name = "FILE|-|JSON")]
    pub(crate) file: String,
    /// What to call the task
    #[arg(long)]
    pub(crate) name: Option<Name>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Nodes are given out in the order in which they were submitted, once what they come after is completed; of
any number of agents each gets another. With --json the answer has the node's payload, the goal and the
context of its task, the results of what it comes after and the last 50 events of the task.

The lease ends at lease_until unless a heartbeat lengthens it, and with the agent's run (AGENT_STATE_RUN_ID)
when it was taken in one. A node whose lease has ended is given out again, up to max_attempts times.

Exit codes: 1 when no node is ready, or the task has ended.

Examples:
  agent-state task submit '{\"nodes\":[{\"id\":\"a\"}]}' && agent-state task next reviewer --json
  agent-state task next reviewer --lease 15m || echo 'nothing to do'")]
pub(crate) struct Next {
    /// The agent's name or id
    #[arg(add = complete::agents())]
    pub(crate) agent: Name,
    /// Only a node of this task, by its id or name
    #[arg(long, value_name = "T", add = complete::tasks())]
    pub(crate) task: Option<String>,
    /// How long the node is the agent's without a heartbeat
    #[arg(long, value_name = "DURATION", default_value = "300s", value_parser = lease)]
    pub(crate) lease: Duration,
}

/// A node and the proof that it is one's own.
#[derive(Debug, Args)]
pub(crate) struct Held {
    /// The node, by its node_id or as TASK/ID
    pub(crate) node: String,
    /// The lease under which it was given out
    #[arg(long, value_name = "L", env = "AGENT_STATE_LEASE_ID", hide_env_values = true)]
    pub(crate) lease_id: String,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The lease is lengthened by as much as it was given for. What --progress says is recorded among the events of
the task, which come with its later nodes; text that parses as JSON is kept as JSON.

Exit codes: 1 when the lease is not current: it has passed, or the node has ended or was given to another.

Examples:
  agent-state task submit '{\"nodes\":[{\"id\":\"a\"}]}' --name index && agent-state task exec reviewer --task index -- sh -c 'agent-state task heartbeat index/a'
  agent-state task heartbeat index/a --lease-id 0 --progress 'half of it' || echo 'the lease is lost'")]
pub(crate) struct Heartbeat {
    #[command(flatten)]
    pub(crate) held: Held,
    /// What to say of it
    #[arg(long, value_name = "TEXT|JSON", allow_hyphen_values = true)]
    pub(crate) progress: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Who did not hear the answer may say it again: with the same lease and the same result it changes nothing
and is answered in the same way.

Exit codes: 1 when the lease is not current, or the node was completed with another result.

Examples:
  agent-state task submit '{\"nodes\":[{\"id\":\"a\"}]}' --name count && agent-state task exec reviewer --task count -- sh -c 'agent-state task done count/a --result 42'
  agent-state task done count/a --lease-id 0 --result '{\"files\":7}' || echo 'the lease is lost'")]
pub(crate) struct Done {
    #[command(flatten)]
    pub(crate) held: Held,
    /// What came of it, for the nodes that come after it; `-` reads it from stdin
    #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
    pub(crate) result: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Without --retry the node has failed for good, what comes after it is blocked, and the task fails once
nothing more of it can be done. With --retry it is given out again while it has attempts left.

Exit codes: 1 when the lease is not current.

Examples:
  agent-state task submit '{\"nodes\":[{\"id\":\"a\",\"max_attempts\":1}]}' --name fetch && agent-state task exec reviewer --task fetch -- sh -c 'agent-state task fail fetch/a --retry'
  agent-state task fail fetch/a --lease-id 0 --error 'no network' || echo 'the lease is lost'")]
pub(crate) struct Fail {
    #[command(flatten)]
    pub(crate) held: Held,
    /// Why
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) error: Option<String>,
    /// Let it be tried again
    #[arg(long)]
    pub(crate) retry: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
A node that comes after several is shown in full below the first of them. A large graph is cut, and what
runs or failed is shown in any case; --json and --dot have all of it.

Examples:
  agent-state task submit '{\"nodes\":[{\"id\":\"a\"}]}' --name docs; agent-state task status docs
  agent-state task status docs --dot > docs.dot || echo 'no such task'")]
pub(crate) struct Status {
    /// The task, by its id or name
    #[arg(value_name = "T", add = complete::tasks())]
    pub(crate) task: String,
    /// Print the graph for graphviz
    #[arg(long)]
    pub(crate) dot: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  agent-state task list
  agent-state task list --state failed --json")]
pub(crate) struct List {
    /// Only tasks that stand so
    #[arg(long, value_parser = ["running", "completed", "failed"])]
    pub(crate) state: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
}

impl List {
    /// The state that is asked for.
    pub(crate) fn state(&self) -> Option<State> {
        [State::Running, State::Completed, State::Failed]
            .into_iter()
            .find(|state| self.state.as_deref() == Some(state.as_str()))
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 1 when there is no such node.

Examples:
  agent-state task submit '{\"nodes\":[{\"id\":\"a\"}]}' --name proof; agent-state task show proof/a
  agent-state task show proof/a --json || echo 'no such node'")]
pub(crate) struct Show {
    /// The node, by its node_id or as TASK/ID
    pub(crate) node: String,
}

#[derive(Debug, Args)]
#[command(after_help = "\
What runs loses its lease: the next heartbeat says so, and `task exec` ends its command. Nodes that are not
completed are failed with the reason `canceled`, and so is the task.

Exit codes: 1 when there is no such task, or it has ended.

Examples:
  agent-state task submit '{\"nodes\":[{\"id\":\"a\"}]}' --name trial; agent-state task cancel trial
  agent-state task cancel nightly || echo 'it has ended'")]
pub(crate) struct Cancel {
    /// The task, by its id or name
    #[arg(value_name = "T", add = complete::tasks())]
    pub(crate) task: String,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The command gets the node's payload on stdin as JSON (`null` when it has none), and all that `task next
--json` prints in the file that AGENT_STATE_NODE_FILE names. AGENT_STATE_TASK_ID, AGENT_STATE_NODE_ID,
AGENT_STATE_NODE (the id in the graph), AGENT_STATE_LEASE_ID, AGENT_STATE_ATTEMPT, AGENT_STATE_AGENT and
AGENT_STATE_AGENT_ID are in its environment. The lease is kept while the command runs. When it is lost, as by
`task cancel`, the command gets TERM, and KILL after 5 seconds.

Exit code 0 completes the node, with the result {\"exit_code\":0} or what --result-from-stdout takes; any other
code fails it, for good unless --retry says otherwise. A command that was ended by a signal to us may be tried
again, and one that could not be started costs no attempt. What the command itself recorded with `task done`
or `task fail` stands.

Exit codes: those of the command, and its signal; 1 when no node is ready or the task has ended; 124 when its
time ran out; 125 when it could not be recorded, and so was not started; 126 and 127 when it cannot be
executed or found.

Examples:
  agent-state task submit '{\"nodes\":[{\"id\":\"a\",\"payload\":[1,2]}]}' && agent-state task exec reviewer --result-from-stdout -- cat
  while agent-state task exec reviewer --task ship --retry -- make review; do :; done")]
pub(crate) struct Exec {
    /// The agent's name or id; it is registered when it is unknown
    #[arg(add = complete::agents())]
    pub(crate) agent: Name,
    /// Only a node of this task, by its id or name
    #[arg(long, value_name = "T", add = complete::tasks())]
    pub(crate) task: Option<String>,
    /// How long the lease lasts without being renewed
    #[arg(long, value_name = "DURATION", default_value = "300s", value_parser = lease)]
    pub(crate) lease: Duration,
    /// End the command after this long
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) timeout: Option<Duration>,
    /// Let a node whose command failed be tried again, while it has attempts left
    #[arg(long)]
    pub(crate) retry: bool,
    /// Keep what the command prints as the node's result: JSON where it parses, else a string
    #[arg(long)]
    pub(crate) result_from_stdout: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

/// The length of a lease: more than nothing.
fn lease(text: &str) -> Result<Duration, String> {
    let lease = duration::parse(text).map_err(|error: DurationError| error.to_string())?;
    if lease < Duration::from_millis(1) {
        return Err("a lease must last for a while".to_owned());
    }
    Ok(lease)
}
