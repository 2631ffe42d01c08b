//! `cargo xtask postgres -- COMMAND`: a throw-away PostgreSQL for as long as a command runs.

use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::cluster::{self, Cluster};

/// Names the server for tests.
pub(crate) const VARIABLE: &str = "AGENT_PLUMBING_TEST_POSTGRES";

/// Starts a server, runs the command with its URL in the environment, and stops the server, however this ends.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let Some((program, rest)) = args.strip_prefix(&["--".to_owned()]).unwrap_or(args).split_first()
    else {
        bail!("say what to run: cargo xtask postgres -- COMMAND");
    };
    let Some(cluster) = start()? else {
        bail!("no PostgreSQL 14 or newer is here (apt install postgresql)");
    };
    let status = Command::new(program)
        .args(rest)
        .env(VARIABLE, cluster.url("postgres"))
        .status()
        .with_context(|| format!("cannot run {program}"))?;
    ensure!(status.success(), "{program} failed: {status}");
    Ok(())
}

/// A server, where its programs are installed.
pub(crate) fn start() -> Result<Option<Cluster>> {
    cluster::programs()
        .map(|programs| Cluster::start(&programs).context("cannot start a PostgreSQL"))
        .transpose()
}
