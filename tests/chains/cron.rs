//! The crontab line under a real cron daemon, whose minutes pass in seconds.

use std::fs;

use e2e::cron::Cron;
use e2e::wait_for;

use crate::sandbox;

#[test]
fn a_crontab_line_runs_as_written_under_a_real_cron_daemon() {
    let home = sandbox();
    home.vault();
    home.write("proj/README.md", "# A project\n\nIts one page.\n");
    home.program("my-agent", "#!/bin/sh\ncat > \"$HOME/prompt.$AGENT_STATE_RUN_ID\"\n[ -n \"$GITHUB_TOKEN\" ] && echo tick >> \"$HOME/ticks\"\n");
    let line = "* * * * * cron-guard exec k6-weekly -- agent-state exec reviewer -- context-pack exec ~/proj --budget 32000 -- credential-proxy exec --env GITHUB_TOKEN=github.com -- my-agent\n";
    let Some(_cron) = Cron::begin(&home, line, 30, 1_772_409_630_000) else {
        return;
    };
    wait_for("three ticks", || (home.read("ticks").lines().count() >= 3).then_some(()));
    let runs = home.rows("agent-state run list --job k6-weekly --json");
    let completed = runs.iter().filter(|run| run["status"] == "completed").count();
    assert!(completed >= 2, "{runs:?}");
    let prompts = fs::read_dir(home.home())
        .expect("a home")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with("prompt."))
        .count();
    assert!(prompts >= completed, "one run a tick: {prompts} prompts, {runs:?}");
}
