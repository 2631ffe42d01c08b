//! What an agent does: one small story with the real binaries, and a line in the ledger.

use std::fs;
use std::process::{Command, Output};

use super::ledger::Ledger;
use super::world::{Dice, N_SHARED, SECRET, World, agent};

/// One act of one worker, chosen by the dice.
pub(super) fn act(world: &World, ledger: &Ledger, dice: &mut Dice, n_worker: u64, n_agents: u64) {
    let name = agent(dice.below(n_agents));
    match dice.below(10) {
        0..=3 => swap(world, ledger, dice, &name),
        4..=6 => lock(world, ledger, dice, &name),
        7 | 8 => chain(world, ledger, dice, &name),
        // A job's story is told by one worker at a time, so that the ledger knows what must be true.
        _ => incident(world, ledger, &format!("job-{n_worker}"), &name),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Whether the process was struck from outside; then it promised nothing.
fn was_struck(output: &Output) -> bool {
    output.status.code().is_none()
}

/// Reads a shared value and writes it back under its version.
fn swap(world: &World, ledger: &Ledger, dice: &mut Dice, name: &str) {
    let owner = agent(dice.below(N_SHARED));
    let key = format!("key-{}", dice.below(2));
    let Ok(read) = world.run("agent-state", &["state", "get", &owner, &key, "--json"]) else {
        return;
    };
    let seen: Option<serde_json::Value> = serde_json::from_slice(&read.stdout).ok();
    let version = seen.and_then(|seen| seen.get("version").and_then(serde_json::Value::as_i64));
    let value = format!("{name}-{}", dice.below(u64::MAX));
    let expected = version.map(|version| version.to_string());
    let condition =
        expected.as_ref().map_or(vec!["--if-absent"], |version| vec!["--if-version", version]);
    let mut args = vec!["state", "set", &owner, &key, &value, "--string"];
    args.extend(condition);
    let Ok(written) = world.run("agent-state", &args) else { return };
    match written.status.code() {
        Some(0) => {
            ledger.wrote(&owner, &key, version.unwrap_or(0) + 1, &value);
            ledger.count("compare-and-swaps won");
        }
        Some(1) => ledger.count("compare-and-swaps lost"),
        None => ledger.count("compare-and-swaps cut off"),
        _ => ledger.violation(format!(
            "state set gave {}: {}",
            written.status,
            text(&written.stderr)
        )),
    }
}

/// Works under a shared lock, or is told that it is held.
fn lock(world: &World, ledger: &Ledger, dice: &mut Dice, name: &str) {
    let resource = format!("lock-{}", dice.below(N_SHARED));
    let pause = dice.below(9).to_string();
    let args =
        ["exec", name, "--lock", &resource, "--wait", "20s", "--", "critical", &resource, &pause];
    let Ok(output) = world.run("agent-state", &args) else { return };
    match output.status.code() {
        Some(0) => ledger.count("critical sections"),
        // 125: the lock was held longer than the wait; the line on stderr names the holder.
        Some(1 | 125) => ledger.count("locks refused"),
        // The sleep in the critical section, or the shell, was struck: its status is passed on.
        Some(137) | None => ledger.count("critical sections cut off"),
        _ => ledger.violation(format!(
            "agent-state exec gave {}: {}",
            output.status,
            text(&output.stderr)
        )),
    }
}

/// The whole line, with an agent that tries to print its key.
fn chain(world: &World, ledger: &Ledger, dice: &mut Dice, name: &str) {
    // Many jobs, so that those whose gates the killing closes do not end the test.
    let job = format!("chain-{}", dice.below(1000));
    let args = [
        "exec",
        &job,
        "--",
        "agent-state",
        "exec",
        name,
        "--",
        "context-pack",
        "exec",
        "proj",
        "--budget",
        "2000",
        "--",
        "credential-proxy",
        "exec",
        "--env",
        "KEY=example.com",
        "--",
        "leaky",
    ];
    let Ok(output) = world.run("cron-guard", &args) else { return };
    let printed = text(&output.stdout) + &text(&output.stderr);
    if printed.contains(SECRET) {
        ledger.violation(format!("the chain printed the secret: {printed}"));
    }
    if output.status.success() {
        if !printed.contains("[redacted:example.com]") {
            ledger.violation(format!("the key did not reach the agent: {printed}"));
        }
        ledger.count("whole chains");
    } else {
        ledger.count("whole chains cut off or blocked");
        if matches!(output.status.code(), Some(70 | 101)) {
            ledger.violation(format!("the chain gave {}: {printed}", output.status));
        }
    }
}

/// Three failures block a job; while it is blocked it does not run; a resume and a success close the incident.
///
/// These processes are spared by the chaos, since only undisturbed answers can be held against the ledger.
fn incident(world: &World, ledger: &Ledger, job: &str, name: &str) {
    let calm = |args: &[&str]| -> Option<Output> {
        let mut command: Command = world.command("cron-guard", args);
        command.env("SOAK_CALM", "1").output().ok()
    };
    let tick = |code: &str| {
        calm(&["exec", job, "--", "agent-state", "exec", name, "--", "job", job, code])
    };
    let n_ran = || {
        fs::read_to_string(world.path(&format!("{job}.ran"))).unwrap_or_default().lines().count()
    };
    for _ in 0..3 {
        let Some(output) = tick("7") else { return };
        if output.status.code() != Some(7) {
            ledger.violation(format!(
                "{job}: a failing tick gave {}: {}",
                output.status,
                text(&output.stderr)
            ));
            return;
        }
    }
    *ledger.facts().incidents.entry(job.to_owned()).or_default() += 1;
    let before = n_ran();
    for _ in 0..3 {
        let Some(output) = tick("0") else { return };
        if output.status.code() != Some(75)
            || !output.stderr.is_empty()
            || !output.stdout.is_empty()
        {
            ledger.violation(format!(
                "{job}: a blocked tick gave {}: {}",
                output.status,
                text(&output.stderr)
            ));
        }
    }
    if n_ran() != before {
        ledger.violation(format!("{job} ran while it was blocked"));
    }
    let resumed = calm(&["resume", job, "--reason", "soak"]);
    if !resumed.is_some_and(|output| output.status.success()) {
        ledger.violation(format!("{job} could not be resumed"));
    }
    match tick("0") {
        Some(output) if output.status.success() => ledger.count("incidents from trip to recovery"),
        Some(output) if was_struck(&output) => {}
        Some(output) => ledger.violation(format!("{job}: a good tick gave {}", output.status)),
        None => {}
    }
}
