//! `agent-state serve` and `agent-state rpc`.

use std::path::PathBuf;
use std::time::Duration;

use common::duration;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Requests are one JSON object a line, as `agent-state rpc --help` shows; each is answered in one line, in
order. Methods are the commands with dots, parameters their flags: `agent-state capabilities` has them all.

The socket is private (0600), and only this user and root are answered. One server has a socket: a second
one says so and leaves, and a socket that a killed server left is replaced. 256 clients are served at once. A
request has at most 1 MiB; a line that was begun must end within 10 seconds, and an answer must be taken
within 10 seconds, or the connection is closed. No run, agent or database of a request comes from the
server's environment, and relative paths are refused.

When it is ready, it prints one line, the path of the socket, and tells systemd (READY=1). TERM and INT end
it: what was begun is finished, the socket is removed, the exit code is 0.

Exit codes: 1 when another server has the socket.

Environment: AGENT_STATE_DB names the database. NOTIFY_SOCKET is where systemd is told.

Examples:
  agent-state serve --socket $HOME/fleet.sock > ready & until test -s ready; do sleep 0.1; done; kill $!
  timeout 1 agent-state serve --idle 1h || test $? = 124")]
pub(crate) struct Serve {
    /// The socket [default: agent-state.sock beside the database]
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
    /// How long a client may be silent before its connection is closed
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration::parse)]
    pub(crate) idle: Duration,
}

/// The help of `rpc`.
pub(crate) const RPC_HELP: &str = "\
One JSON object a line, {\"id\":…,\"method\":…,\"params\":{…}}, is answered by one line, {\"id\":…,\"result\":…}
or {\"id\":…,\"error\":{\"code\":…,\"message\":…,\"hint\":…,\"data\":…}}, in order. Methods are the commands with
dots, parameters their flags: `agent-state capabilities` has them all. The result is what the command
prints with --json; whatever leaves with another exit code than 0 is an error.

Exit codes: 0 at the end of stdin, also when a request was answered with an error; 2 after a request of
more than 1 MiB.

Environment: AGENT_STATE_DB names the database. AGENT_STATE_RUN_ID is the run of a request without `run_id`,
AGENT_STATE_AGENT the agent of a `file.put` without `agent`.

Examples:
  echo '{\"id\":1,\"method\":\"stats\"}' | agent-state rpc
  echo '{\"id\":2,\"method\":\"lock.acquire\",\"params\":{\"resource\":\"repo\",\"agent\":\"reviewer\",\"ttl\":\"10m\"}}' | agent-state rpc";
