//! The whole crontab line of the README, as written, in the environment that cron gives.

use e2e::SECRET;

use crate::sandbox;

const LINE: &str = "cron-guard exec k6-weekly -- agent-state exec reviewer -- context-pack exec ~/proj --budget 32000 -- credential-proxy exec --env GITHUB_TOKEN=github.com -- my-agent";

/// An agent that writes down what it was given.
const AGENT: &str = "#!/bin/sh
cat > \"$HOME/prompt\"
cp \"$CONTEXT_PACK_FILE\" \"$HOME/packed\"
env > \"$HOME/environment\"
echo \"key $GITHUB_TOKEN\"
exit \"$(cat \"$HOME/exit\")\"
";

#[test]
fn one_tick_is_one_run_and_the_child_has_the_pack_on_stdin_and_the_key_in_its_environment() {
    let home = sandbox();
    home.vault();
    home.write("proj/README.md", "# A project\n\nIts one page.\n");
    home.write("proj/src/main.py", "print('hello')\n");
    home.program("my-agent", AGENT);
    home.write("exit", "0");

    let seen = home.expect(0, LINE);
    assert_eq!(seen.stdout, "key [redacted:github.com]\n");
    assert_eq!(seen.stderr, "");
    let prompt = home.read("prompt");
    assert!(prompt.contains("Its one page.") && prompt.contains("print('hello')"), "{prompt}");
    assert_eq!(home.read("packed"), prompt);
    let environment = home.read("environment");
    for wanted in [
        &format!("GITHUB_TOKEN={SECRET}") as &str,
        "AGENT_STATE_AGENT=reviewer",
        "AGENT_STATE_JOB=k6-weekly",
        "CRON_GUARD_JOB=k6-weekly",
    ] {
        assert!(environment.lines().any(|line| line == wanted), "{wanted} in {environment}");
    }

    let runs = home.rows("agent-state run list --job k6-weekly --json");
    assert_eq!(runs.len(), 1, "{runs:?}");
    assert_eq!(runs[0]["agent"], "reviewer");
    assert_eq!(runs[0]["status"], "completed");
    let run_id = runs[0]["run_id"].as_str().expect("an id");
    assert!(environment.contains(&format!("AGENT_STATE_RUN_ID={run_id}")));
}

#[test]
fn the_exit_code_of_the_agent_comes_out_at_the_left_end() {
    let home = sandbox();
    home.vault();
    home.write("proj/README.md", "# A project\n");
    home.program("my-agent", AGENT);
    for code in [1, 3, 42, 75] {
        home.write("exit", &code.to_string());
        home.expect(code, LINE);
    }
}

#[test]
fn an_agent_that_is_killed_is_seen_as_killed_at_the_left_end() {
    let home = sandbox();
    home.vault();
    home.write("proj/README.md", "# A project\n");
    home.program("my-agent", "#!/bin/sh\nkill -9 $$\n");
    // The shell in front would report 128 + 9 itself, so the line replaces it.
    let seen = home.run(&format!("exec {LINE}"));
    assert_eq!(seen.code, 128 + 9, "{seen:?}");
    let runs = home.rows("agent-state run list --job k6-weekly --json");
    assert_eq!(runs[0]["signal"], 9);
    assert_eq!(runs[0]["status"], "failed");
}

#[test]
fn the_plain_forms_of_a_script_do_the_same() {
    let home = sandbox();
    home.vault();
    home.write("proj/README.md", "# A project\n\nIts one page.\n");
    home.program("my-agent", AGENT);
    home.write("exit", "0");
    home.write(
        "job.sh",
        "set -e\n\
         export TMPDIR=$HOME\n\
         cron-guard check k6-weekly || exit 0\n\
         eval \"$(agent-state agent register reviewer >/dev/null; agent-state run start reviewer --job k6-weekly --export)\"\n\
         context-pack ~/proj --budget 32000 -o \"$TMPDIR/context.md\"\n\
         export CONTEXT_PACK_FILE=$TMPDIR/context.md\n\
         GITHUB_TOKEN=$(credential-proxy get github.com --field password) my-agent < \"$TMPDIR/context.md\"\n\
         agent-state run finish \"$AGENT_STATE_RUN_ID\" --exit-code $?\n",
    );
    let seen = home.expect(0, "sh job.sh");
    assert!(seen.stdout.contains(SECRET), "a plain get hands the secret to the script: {seen:?}");
    assert!(home.read("prompt").contains("Its one page."));
    let runs = home.rows("agent-state run list --json");
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0]["status"], "completed");
    assert_eq!(runs[0]["exit_code"], 0);
}
