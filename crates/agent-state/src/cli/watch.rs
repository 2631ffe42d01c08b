//! `agent-state events` and `agent-state board`.

use std::time::Duration;

use common::duration;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Every change of agents, runs, values, locks, files, actions, posts and tasks is one event. Signs of life, as a
heartbeat without a word about the progress, are none.

Examples:
  agent-state events --since 1h
  agent-state events --json | tail -n 5")]
pub(crate) struct Events {
    /// Events within this time, instead of the newest
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) since: Option<Duration>,
    /// Go on printing new events as they come
    #[arg(long)]
    pub(crate) follow: bool,
    /// How many of the newest
    #[arg(long, value_name = "N", default_value_t = 50, conflicts_with = "since", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  agent-state board
  agent-state board --json")]
pub(crate) struct Board {
    /// Show it again every two seconds, or as often as given, until it is interrupted
    #[arg(long, value_name = "DURATION", num_args = 0..=1, require_equals = true, default_missing_value = "2s", value_parser = pace)]
    pub(crate) watch: Option<Duration>,
}

fn pace(text: &str) -> Result<Duration, String> {
    let pace = duration::parse(text).map_err(|error| error.to_string())?;
    if pace < Duration::from_millis(100) {
        return Err("at most ten times a second".to_owned());
    }
    Ok(pace)
}
