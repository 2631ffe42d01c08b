//! Guarded files.

use std::process::Child;

use super::sandbox::{Sandbox, collect, kill, wait_until};
use rustix::process::Signal;

fn version(sandbox: &Sandbox, path: &str) -> String {
    let done = sandbox.run(["file", "get", path]).code(0);
    done.stderr.lines().last().unwrap().to_owned()
}

#[expect(
    clippy::disallowed_methods,
    reason = "stands for an editor that knows nothing of the tool"
)]
fn edit(sandbox: &Sandbox, path: &str, content: &str) {
    std::fs::write(sandbox.path(path), content).unwrap();
}

fn content(sandbox: &Sandbox, path: &str) -> String {
    std::fs::read_to_string(sandbox.path(path)).unwrap()
}

/// The failure that the tool was written for: a skill is improved, and half a minute later another agent
/// writes it back with what it had read before.
#[test]
fn a_skill_is_not_overwritten_with_stale_data_and_a_bad_change_is_undone() {
    let sandbox = Sandbox::with_agents(["improver", "stale"]);
    edit(&sandbox, "skill.md", "v1\n");
    let read_by_both = version(&sandbox, "skill.md");
    let put = |content: &[u8], version: &str, agent: &str| {
        sandbox.run_fed(
            content,
            ["file", "put", "skill.md", "--if-version", version, "--agent", agent],
        )
    };
    let improved = put(b"v2, much better\n", &read_by_both, "improver").ok();
    let no = put(b"v1 with a typo\n", &read_by_both, "stale").no();
    assert!(no.contains(&read_by_both) && no.contains(&improved), "{no}");
    assert_eq!(content(&sandbox, "skill.md"), "v2, much better\n");

    // Without the version that was read, nothing is replaced at all.
    sandbox.run_fed(b"v1 with a typo\n", ["file", "put", "skill.md", "--agent", "stale"]).code(2);

    // Who reads again may write, and what was lost by it comes back.
    put(b"ruined\n", &improved, "stale").ok();
    let log = sandbox.run(["file", "log", "skill.md", "--json"]).lines();
    assert_eq!(log.len(), 3);
    assert_eq!(log[1]["agent"], "improver");
    sandbox.run(["file", "restore", "skill.md", &improved[..12]]).ok();
    assert_eq!(content(&sandbox, "skill.md"), "v2, much better\n");
    let diff = sandbox.run(["file", "diff", "skill.md", &read_by_both]).ok();
    assert!(diff.contains("-v1") && diff.contains("+v2, much better"), "{diff}");
}

#[test]
fn an_edit_around_the_tool_is_noticed_and_kept() {
    let sandbox = Sandbox::new();
    let first =
        sandbox.run_fed(b"one\n", ["file", "put", "note.md", "--if-version", "absent"]).ok();
    edit(&sandbox, "note.md", "by hand\n");
    sandbox.run_fed(b"two\n", ["file", "put", "note.md", "--if-version", &first]).no();
    let by_hand = version(&sandbox, "note.md");
    sandbox.run_fed(b"two\n", ["file", "put", "note.md", "--if-version", &by_hand]).ok();
    let origins: Vec<String> = sandbox
        .run(["file", "log", "note.md", "--json"])
        .lines()
        .iter()
        .map(|row| row["origin"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(origins, ["put", "found", "put"]);
    sandbox.run_fed(b"x", ["file", "put", "note.md", "--if-version", "absent"]).no();
    sandbox.run(["file", "restore", "note.md", "ffffff"]).no();
}

#[test]
fn of_fifty_puts_on_one_version_exactly_one_wins() {
    let sandbox = Sandbox::new();
    let first = sandbox.run_fed(b"0", ["file", "put", "f", "--if-version", "absent"]).ok();
    let script = format!(
        "echo $0 | agent-state file put f --if-version {first} --wait 60s --busy-timeout 60s"
    );
    let children: Vec<Child> = (0..50)
        .map(|n| {
            let mut command = std::process::Command::new("/bin/sh");
            command.args(["-c", &script, &n.to_string()]).env_clear();
            for (name, value) in sandbox.command().get_envs() {
                command.env(name, value.unwrap());
            }
            command
                .current_dir(sandbox.path(""))
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let mut n_won = 0;
    for child in children {
        let done = collect(child);
        if done.code == Some(0) {
            n_won += 1;
        } else {
            assert!(done.no().contains("has changed"));
        }
    }
    assert_eq!(n_won, 1);
    sandbox.run(["lock", "list", "--json"]).lines().is_empty().then_some(()).unwrap();
}

#[test]
fn a_put_respects_the_locks_of_others_and_not_ones_own() {
    let sandbox = Sandbox::with_agents(["a", "b"]);
    std::fs::create_dir(sandbox.path("skills")).unwrap();
    sandbox.run(["lock", "acquire", "skills", "a", "--path"]).ok();
    let put = |agent: &str| {
        sandbox.run_fed(
            b"x",
            [
                "file",
                "put",
                "skills/s.md",
                "--if-version",
                "absent",
                "--agent",
                agent,
                "--wait",
                "0",
            ],
        )
    };
    let no = put("b").no();
    assert!(no.contains("held by a"), "{no}");
    put("a").ok();
}

#[test]
fn what_is_no_regular_file_is_refused_and_absent_is_a_no() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("folder")).unwrap();
    sandbox.run(["file", "get", "nothing"]).no();
    let done = sandbox.run(["file", "get", "folder"]).code(3);
    assert!(done.stderr.contains("hint: "), "{done:?}");
    sandbox.run_fed(b"x", ["file", "put", "folder", "--if-version", "absent"]).code(3);
    sandbox
        .run_fed(&vec![0; (1 << 20) + 1], ["file", "put", "big", "--if-version", "absent"])
        .code(2);
    assert!(!sandbox.path("big").exists());
    let binary = sandbox.run_fed(&[0, 255], ["file", "put", "bin", "--if-version", "absent"]).ok();
    let row = sandbox.run(["file", "get", "bin", "--json"]).json();
    assert_eq!(
        (row["content_hex"].as_str(), row["version"].as_str()),
        (Some("00ff"), Some(binary.as_str()))
    );
}

#[test]
fn a_put_that_is_killed_leaves_the_old_content_or_the_new_and_no_lock() {
    let sandbox = Sandbox::new();
    let mut version = sandbox.run_fed(b"0", ["file", "put", "f", "--if-version", "absent"]).ok();
    for n in 1..=20_u64 {
        let mut child = sandbox
            .command()
            .args(["file", "put", "f", "--if-version", &version])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), n.to_string().as_bytes())
            .unwrap();
        // Somewhere between its first and its last step.
        std::thread::sleep(std::time::Duration::from_micros(300 * n));
        kill(child.id(), Signal::KILL);
        collect(child);
        let now: u64 = content(&sandbox, "f").parse().unwrap();
        assert!(now <= n);
        version = self::version(&sandbox, "f");
    }
    wait_until(|| sandbox.run(["lock", "list", "--json"]).lines().is_empty());
    sandbox.run_fed(b"end", ["file", "put", "f", "--if-version", &version]).ok();
    assert_eq!(sandbox.damage(), [""; 0]);
}
