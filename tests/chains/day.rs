//! The example fleet for a whole day under a real cron daemon, on a day when the model's provider is down from 8:30 to 12:30.

use e2e::cron::Cron;
use e2e::{SECRET, wait_for};

use crate::sandbox;

/// 2 March 2026, 00:00:30 UTC, in Unix milliseconds.
const MIDNIGHT: i64 = 1_772_409_630_000;

/// A day in two minutes.
const SPEED: u32 = 720;

#[test]
fn the_example_fleet_comes_through_a_day_with_an_outage_and_tells_of_it_once() {
    let home = sandbox();
    home.copy("examples/fleet", "fleet");
    home.write(".config/cron-guard/guard.toml", &home.read("fleet/guard.toml"));
    home.expect(0, "credential-proxy init");
    home.write(
        "export.csv",
        &format!(
            "name,url,username,password,note\nmodel.example,https://model.example/,me,{SECRET},\n"
        ),
    );
    home.expect(0, "credential-proxy import export.csv && credential-proxy start");
    home.program(
        "model",
        &format!(
            "#!/bin/sh\n\
             minute=$(( (${{AGENT_PLUMBING_CLOCK#@}} - {MIDNIGHT}) / 60000 ))\n\
             [ \"$MODEL_KEY\" = {SECRET} ] || exit 9\n\
             cat > \"$HOME/prompt.$AGENT_STATE_AGENT\"\n\
             if [ $minute -ge 510 ] && [ $minute -lt 750 ]; then\n\
               echo 'model: the provider is overloaded' >&2; exit 1\n\
             fi\n\
             echo \"nothing burns in minute $minute\"\n"
        ),
    );
    let Some(cron) = Cron::begin(&home, &home.read("fleet/crontab"), SPEED, MIDNIGHT) else {
        return;
    };
    wait_for_day(&cron);
    // The day is over, and so is its clock. What still runs on a busy machine is let end.
    let clock = format!("AGENT_PLUMBING_CLOCK=@{}", MIDNIGHT + 1430 * 60_000);
    wait_for("the last runs", || {
        let line = format!("{clock} agent-state run list --status running --json");
        home.rows(&line).is_empty().then_some(())
    });
    drop(cron);

    let alerts = home.rows("cat fleet/alerts.jsonl");
    // On a machine that is too busy for days of two minutes a job can be late, and that is rightly told.
    let told: Vec<_> = alerts
        .iter()
        .filter(|alert| alert["event"] != "late")
        .map(|alert| format!("{} {}", alert["event"], alert["job"]).replace('"', ""))
        .collect();
    assert_eq!(told, ["trip scout", "recovered scout"], "{alerts:#?}");

    let runs = |job: &str, status: &str| {
        home.rows(&format!(
            "{clock} agent-state run list --job {job} --status {status} --limit 500 --json"
        ))
        .len()
    };
    assert_eq!(runs("scout", "failed"), 3, "9, 10 and 11 o'clock");
    assert!(runs("scout", "completed") >= 16, "before and after the outage");
    assert_eq!(runs("writer", "failed"), 2, "9:20 and 12:20: one less than stops it");
    assert!(runs("writer", "completed") >= 5);
    assert_eq!(runs("keeper", "completed"), 1);
    for job in ["scout", "writer", "keeper"] {
        let unfinished = home
            .rows(&format!("{clock} agent-state run list --job {job} --status interrupted --json"));
        assert!(unfinished.is_empty(), "{unfinished:#?}");
        home.expect(0, &format!("{clock} cron-guard check {job}"));
    }

    let draft =
        home.rows(&format!("{clock} agent-state file log fleet/agents/shared/DRAFT.md --json"));
    assert_eq!(draft.len(), runs("writer", "completed"), "each version is kept: {draft:#?}");
    assert!(home.read("fleet/agents/shared/BULLETIN.md").contains("nothing burns"));
    assert!(home.rows(&format!("{clock} agent-state lock list --json")).is_empty());
    home.expect(0, "agent-state stats --db fleet/backups/state.db");

    for (agent, other) in [("scout", "Writer"), ("writer", "Scout")] {
        let prompt = home.read(&format!("prompt.{agent}"));
        assert!(prompt.to_lowercase().contains(&format!("# {agent}")), "{prompt}");
        assert!(!prompt.contains(&format!("# {other}\n")), "{agent} sees {other}: {prompt}");
        assert!(prompt.contains("Bulletin"), "{prompt}");
    }
    let leaks = home.run(&format!("grep -rl {SECRET} . --exclude=model")).stdout;
    assert_eq!(leaks, "", "the key is nowhere");
}

/// Until twenty minutes before midnight.
fn wait_for_day(cron: &Cron) {
    for hour in 0..24 {
        let end = (hour + 1) * 60 - 20;
        wait_for("the next hour", || (cron.minutes() >= end).then_some(()));
    }
}
