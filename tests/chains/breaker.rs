//! A broken job is stopped after three failures, says so once, and goes on after a resume.

use crate::sandbox;

const JOB: &str = "cron-guard exec nightly -- agent-state exec deployer -- sh -c 'echo ran >> ran; echo certificate expired >&2; exit $(cat exit)'";

fn count(text: &str) -> usize {
    text.lines().filter(|line| !line.is_empty()).count()
}

#[test]
fn three_failures_block_a_resume_opens_and_the_old_failures_never_count_again() {
    let home = sandbox();
    home.program("notify", "#!/bin/sh\n(cat; echo) >> \"$HOME/alerts\"\n");
    home.write(
        ".config/cron-guard/guard.toml",
        &format!("[defaults]\nallow_unattended_resume = true\n\n[alerts.command]\nargv = [\"{}/bin/notify\"]\n", home.home().display()),
    );
    home.write("exit", "7");
    for _ in 0..3 {
        let seen = home.expect(7, JOB);
        assert_eq!(seen.stderr, "certificate expired\n");
    }
    for _ in 0..5 {
        let seen = home.expect(75, JOB);
        assert_eq!((seen.stdout.as_str(), seen.stderr.as_str()), ("", ""));
    }
    home.expect(75, "cron-guard check nightly");
    assert_eq!(count(&home.read("ran")), 3, "a blocked tick does not start the job");
    let alerts = home.read("alerts");
    assert_eq!(count(&alerts), 1, "{alerts}");
    assert!(alerts.contains("nightly") && alerts.contains("certificate expired"), "{alerts}");
    assert_eq!(home.rows("agent-state run list --job nightly --json").len(), 3);

    home.expect(0, "cron-guard resume nightly --reason 'certificate renewed'");
    home.write("exit", "0");
    home.expect(0, JOB);
    home.expect(0, "cron-guard check nightly");
    assert_eq!(count(&home.read("ran")), 4);
    // On a closed gate with a new epoch two failures are not three.
    home.write("exit", "7");
    home.expect(7, JOB);
    home.expect(7, JOB);
    home.expect(0, "cron-guard check nightly");
}

#[test]
fn the_sweep_tells_people_and_programs_the_same() {
    let home = sandbox();
    home.write("exit", "7");
    home.expect(0, "cron-guard exec k6-daily -- true");
    for _ in 0..3 {
        home.expect(7, JOB);
    }
    let seen = home.expect(1, "cron-guard");
    let lines: Vec<&str> = seen.stdout.lines().collect();
    assert_eq!(
        lines,
        [
            "Checked: 2 jobs",
            "Healthy: 1",
            "Blocked: 1 (nightly — 3 consecutive failures)",
            "Pause instructions written to ~/.local/state/cron-guard/blocked.json",
        ]
    );
    let blocked = home.read(".local/state/cron-guard/blocked.json");
    assert!(blocked.contains("\"nightly\""), "{blocked}");
}
