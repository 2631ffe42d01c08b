//! Git without pain: history counts, nothing of the repository's configuration runs, and a broken
//! repository is packed like any other folder.

use std::path::Path;

use super::sandbox::{Ran, Sandbox, ran};

pub(crate) fn git(sandbox: &Sandbox, folder: &Path, arguments: &[&str]) -> Ran {
    let mut command = sandbox.command("git");
    command.current_dir(folder).args([
        "-c",
        "user.name=t",
        "-c",
        "user.email=t@example.com",
        "-c",
        "protocol.file.allow=always",
    ]);
    command.args(arguments);
    ran(command)
}

/// A project with two commits; the second one changed `src/heat.rs`.
pub(crate) fn repository() -> Sandbox {
    let sandbox = Sandbox::with_project();
    let tree = sandbox.tree();
    git(&sandbox, &tree, &["init", "-q", "-b", "main"]).exits(0);
    git(&sandbox, &tree, &["add", "-A"]).exits(0);
    git(&sandbox, &tree, &["commit", "-qm", "Boil"]).exits(0);
    sandbox.file("src/heat.rs", "pub fn boil(degrees: u32) -> bool {\n    degrees >= 99\n}\n");
    git(&sandbox, &tree, &["commit", "-qam", "Boil on mountains"]).exits(0);
    sandbox
}

#[test]
fn the_branch_stands_at_the_head_and_the_commit_at_the_end() {
    let sandbox = repository();
    let document = sandbox.run(&["."]).exits(0).says_nothing().stdout;
    let commit = git(&sandbox, &sandbox.tree(), &["rev-parse", "HEAD"]).stdout;
    assert!(document.starts_with("# kettle, branch main\n"), "{document}");
    assert!(document.ends_with(&format!("Packed at commit {commit}")), "{document}");
}

#[test]
fn two_clones_give_the_same_bytes_whatever_their_place_times_and_locale() {
    let sandbox = repository();
    for index in 0..80 {
        sandbox.file(
            &format!("src/part{index}.rs"),
            format!("pub fn part{index}() {{}}\n").repeat(index),
        );
    }
    git(&sandbox, &sandbox.tree(), &["add", "-A"]).exits(0);
    git(&sandbox, &sandbox.tree(), &["commit", "-qm", "Parts"]).exits(0);
    let mut documents = Vec::new();
    for (clone, locale) in [("clone-one", "C"), ("deep/er/two", "de_DE.UTF-8")] {
        let folder = sandbox.home().join(clone);
        git(&sandbox, sandbox.home(), &["clone", "-q", "tree", folder.to_str().unwrap()]).exits(0);
        if locale != "C" {
            let mut touch = sandbox.command("sh");
            touch.args([
                "-c",
                &format!("find '{}' -name '*.rs' | xargs touch -d 2001-02-03", folder.display()),
            ]);
            ran(touch).exits(0);
        }
        let mut command = sandbox.command(env!("CARGO_BIN_EXE_context-pack"));
        command
            .current_dir(&folder)
            .args([".", "--budget", "3000", "--log", "5"])
            .env("LC_ALL", locale)
            .env("TZ", "Asia/Tokyo");
        documents.push(ran(command).exits(0).stdout);
    }
    assert_eq!(documents[0], documents[1]);
}

#[test]
fn the_number_of_threads_changes_no_byte() {
    let sandbox = repository();
    // More files than one thread takes at a time, and more text than is counted in one piece.
    for index in 0..2500 {
        let text = format!("pub fn part{index}(degrees: u32) {{}}\n").repeat(1 + index % 40);
        sandbox.file(&format!("src/folder{}/part{index}.rs", index % 13), text);
    }
    git(&sandbox, &sandbox.tree(), &["add", "-A"]).exits(0);
    git(&sandbox, &sandbox.tree(), &["commit", "-qm", "Parts"]).exits(0);
    let arguments = [".", "--budget", "60000", "--log", "5", "--focus", "degrees part7"];
    let with_all = sandbox.run(&arguments).exits(0).stdout;
    let mut pinned = sandbox.command("taskset");
    pinned.args(["-c", "0", env!("CARGO_BIN_EXE_context-pack")]).args(arguments);
    assert!(ran(pinned).exits(0).stdout == with_all, "one processor makes another document");
}

#[test]
fn uncommitted_changes_come_first_and_can_be_shown_as_a_patch() {
    let sandbox = repository();
    for index in 0..60 {
        sandbox.file(
            &format!("src/part{index}.rs"),
            format!("pub fn part{index}() {{}}\n").repeat(40),
        );
    }
    git(&sandbox, &sandbox.tree(), &["add", "-A"]).exits(0);
    git(&sandbox, &sandbox.tree(), &["commit", "-qm", "Parts"]).exits(0);
    sandbox.file("src/part42.rs", "pub fn changed_just_now() {}\n".repeat(40));
    sandbox.file(".env", "SECRET=1\n");
    let document = sandbox.run(&[".", "--budget", "2000", "--diff", "--log", "2"]).exits(0).stdout;
    assert!(document.contains("## src/part42.rs\n"), "{document}");
    assert!(document.contains("+pub fn changed_just_now() {}"), "{document}");
    assert!(document.contains(" Parts\n") && !document.contains("SECRET"), "{document}");
    let since =
        sandbox.run(&[".", "--changed-since", "HEAD~2", "--explain", "--json"]).exits(0).stdout;
    let heat = since.lines().find(|line| line.contains("src/heat.rs")).unwrap();
    assert!(heat.contains("\"changed\":0.0") || heat.contains("\"changed\":20"), "{heat}");
    let unknown = sandbox.run(&[".", "--changed-since", "no-such-revision"]).exits(3);
    assert!(
        unknown
            .stderr
            .starts_with("context-pack: cannot find the revision no-such-revision\n  hint: "),
        "{}",
        unknown.stderr
    );
    sandbox.run(&[".", "--changed-since", "--output=x"]).exits(2);
    let unset = sandbox.run(&[".", "--changed-since", ""]).exits(3);
    assert!(unset.stderr.starts_with("context-pack: cannot find the revision ''\n"));
}

#[test]
fn nothing_that_the_configuration_names_is_run() {
    let sandbox = repository();
    let tree = sandbox.tree();
    let trap = format!("touch {}/sprung; cat", sandbox.home().display());
    for key in [
        "core.fsmonitor",
        "core.pager",
        "core.sshCommand",
        "core.askPass",
        "diff.external",
        "filter.evil.clean",
        "filter.evil.smudge",
        "filter.evil.process",
        "diff.evil.textconv",
        "diff.evil.command",
        "gpg.program",
        "credential.helper",
        "core.editor",
        "alias.log",
        "alias.status",
        "interactive.diffFilter",
    ] {
        git(&sandbox, &tree, &["config", key, &trap]).exits(0);
    }
    git(&sandbox, &tree, &["config", "log.showSignature", "true"]).exits(0);
    sandbox.file(".gitattributes", "* filter=evil diff=evil\n");
    let hooks = tree.join(".git/hooks");
    for hook in ["post-index-change", "fsmonitor-watchman", "post-checkout", "pre-auto-gc"] {
        let path = hooks.join(hook);
        sandbox.file(&format!(".git/hooks/{hook}"), format!("#!/bin/sh\n{trap}\n"));
        let mut chmod = sandbox.command("chmod");
        chmod.arg("755").arg(path);
        ran(chmod).exits(0);
    }
    sandbox.file("src/heat.rs", "pub fn boil(degrees: u32) -> bool {\n    degrees >= 98\n}\n");
    let before = std::fs::read(tree.join(".git/index")).unwrap();
    let ran = sandbox.run(&[".", "--diff", "--log", "3", "--changed-since", "HEAD~1"]).exits(0);
    assert!(!sandbox.home().join("sprung").exists(), "{}", ran.stderr);
    assert!(ran.stdout.contains("+    degrees >= 98"), "{}", ran.stdout);
    assert_eq!(std::fs::read(tree.join(".git/index")).unwrap(), before, "the index was written");
}

#[test]
fn the_configuration_of_a_repository_changes_no_byte() {
    let sandbox = repository();
    let tree = sandbox.tree();
    sandbox.file("src/main.rs", "fn main() {\n\n    boil();\n}\n");
    let arguments = [".", "--log", "3", "--diff", "--changed-since", "HEAD~1"];
    let plain = sandbox.run(&arguments).exits(0).says_nothing().stdout;
    let pipe = sandbox.home().join("pipe");
    ran({
        let mut mkfifo = sandbox.command("mkfifo");
        mkfifo.arg(&pipe);
        mkfifo
    })
    .exits(0);
    for (key, value) in [
        ("diff.orderFile", pipe.to_str().unwrap()),
        ("log.showRoot", "false"),
        ("log.diffMerges", "off"),
        ("diff.algorithm", "patience"),
        ("diff.indentHeuristic", "false"),
        ("diff.interHunkContext", "9"),
        ("diff.suppressBlankEmpty", "true"),
        ("diff.submodule", "log"),
        ("diff.relative", "true"),
        ("core.bigFileThreshold", "1"),
        ("core.abbrev", "4"),
        ("i18n.logOutputEncoding", "UTF-16"),
        ("format.pretty", "oneline"),
        ("log.abbrevCommit", "true"),
        ("log.decorate", "full"),
        ("color.ui", "always"),
        ("status.short", "true"),
        ("status.showUntrackedFiles", "all"),
        ("status.relativePaths", "false"),
    ] {
        git(&sandbox, &tree, &["config", key, value]).exits(0);
        let odd = sandbox.run(&arguments).exits(0).says_nothing().stdout;
        assert_eq!(odd, plain, "{key}");
    }
}

#[test]
fn neither_variables_nor_the_configuration_lead_git_to_another_tree() {
    let sandbox = repository();
    let tree = sandbox.tree();
    let elsewhere = sandbox.home().join("elsewhere");
    std::fs::create_dir_all(elsewhere.join("src")).unwrap();
    std::fs::copy(tree.join("src/heat.rs"), elsewhere.join("src/heat.rs")).unwrap();
    git(&sandbox, &elsewhere, &["init", "-q", "-b", "other"]).exits(0);
    let plain = sandbox.run(&["."]).exits(0).stdout;
    let trap = format!("touch {}/sprung; cat", sandbox.home().display());
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_context-pack"));
    command.arg(".").arg("-q");
    for (name, value) in [
        ("GIT_DIR", elsewhere.join(".git").to_str().unwrap()),
        ("GIT_WORK_TREE", elsewhere.to_str().unwrap()),
        ("GIT_INDEX_FILE", "/nonexistent"),
        ("GIT_OBJECT_DIRECTORY", "/nonexistent"),
        ("GIT_EXTERNAL_DIFF", &trap),
        ("GIT_PAGER", &trap),
        ("GIT_SSH_COMMAND", &trap),
        ("GIT_ASKPASS", &trap),
        ("GIT_EXEC_PATH", elsewhere.to_str().unwrap()),
        ("GIT_TRACE", elsewhere.join("trace").to_str().unwrap()),
        ("GIT_CONFIG_PARAMETERS", "'core.fsmonitor=touch sprung'"),
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_KEY_0", "alias.log"),
        ("GIT_CONFIG_VALUE_0", "!touch sprung"),
    ] {
        command.env(name, value);
    }
    assert_eq!(ran(command).exits(0).says_nothing().stdout, plain);
    assert!(!sandbox.home().join("sprung").exists() && !elsewhere.join("trace").exists());
    #[expect(clippy::disallowed_methods, reason = "a test prepares its own tree")]
    std::fs::write(elsewhere.join("src/heat.rs"), "what another tree keeps to itself\n").unwrap();
    git(&sandbox, &tree, &["config", "core.worktree", elsewhere.to_str().unwrap()]).exits(0);
    let ran = sandbox.run(&[".", "--diff"]).exits(0).says_nothing();
    assert!(!ran.stdout.contains("to itself"), "{}", ran.stdout);
}

#[test]
fn a_submodule_is_packed_with_its_own_history_and_as_part_of_the_tree_above() {
    let sandbox = repository();
    let tree = sandbox.tree();
    let inner = sandbox.home().join("inner");
    git(&sandbox, sandbox.home(), &["clone", "-q", "tree", "inner"]).exits(0);
    let inner = inner.to_str().unwrap();
    git(&sandbox, &tree, &["submodule", "add", "-q", inner, "part"]).exits(0);
    git(&sandbox, &tree, &["commit", "-qm", "Take in a part"]).exits(0);
    let part = sandbox.run(&["part", "--log", "9"]).exits(0).says_nothing().stdout;
    assert!(part.contains("Packed at commit ") && !part.contains("Take in a part"), "{part}");
    let whole = sandbox.run(&[".", "--log", "9", "--diff"]).exits(0).says_nothing().stdout;
    assert!(whole.contains("Take in a part") && whole.contains("part/README.md"), "{whole}");
}

#[test]
fn another_worktree_of_the_same_repository_is_not_packed_once_more() {
    let sandbox = repository();
    for worktree in [".claude/worktrees/ada", "../beside/ada"] {
        let add = ["worktree", "add", "-q", "--detach", worktree];
        git(&sandbox, &sandbox.tree(), &add).exits(0);
    }
    let stats = sandbox.run(&[".", "-o", "../pack.md", "--stats", "-"]).exits(0).stdout;
    assert!(stats.contains("\"other_worktrees\":1") && !stats.contains(".claude"), "{stats}");
    // One that is asked for, and one of a repository that is not packed, are trees like others.
    for paths in [&[".claude/worktrees/ada"][..], &["../beside"]] {
        let listed = sandbox.run(&[paths, &["--list"]].concat()).exits(0).stdout;
        assert!(listed.contains("src/heat.rs\n"), "{paths:?}: {listed}");
    }
}

#[test]
fn what_another_checkout_below_the_tree_has_committed_is_not_new() {
    let sandbox = repository();
    let clone = sandbox.tree().join("parts/other");
    git(&sandbox, sandbox.home(), &["clone", "-q", "tree", clone.to_str().unwrap()]).exits(0);
    git(&sandbox, &sandbox.tree(), &["submodule", "--quiet", "add", "../tree", "sub"]).exits(0);
    sandbox.file("src/new.rs", "pub fn new() {}\n");
    let explained = sandbox.run(&[".", "--explain", "--json"]).exits(0).stdout;
    let changed: Vec<&str> = explained
        .lines()
        .filter(|line| line.contains("\"changed\":20.0"))
        .filter_map(|line| line.strip_prefix("{\"path\":\"")?.split('"').next())
        .collect();
    assert_eq!(changed, ["src/new.rs", ".gitmodules"], "{explained}");
    assert!(explained.contains("\"sub/src/heat.rs\""), "{explained}");
}

#[test]
fn a_corrupt_object_or_index_costs_the_history_and_not_the_pack() {
    let sandbox = repository();
    let tree = sandbox.tree();
    let commit = git(&sandbox, &tree, &["rev-parse", "HEAD^{tree}"]).exits(0).stdout;
    let (folder, name) = commit.trim().split_at(2);
    let object = format!(".git/objects/{folder}/{name}");
    std::fs::remove_file(tree.join(&object)).unwrap();
    sandbox.file(&object, "no object at all");
    let damaged = sandbox.run(&["."]).exits(0);
    assert!(damaged.stdout.contains("Boils water"));
    let warning = "context-pack: warning: packing without all of the history: ";
    assert!(damaged.stderr.starts_with(warning), "{}", damaged.stderr);
    assert_eq!(damaged.stderr.lines().count(), 1, "{}", damaged.stderr);
    sandbox.file(".git/index", "no index either");
    assert!(sandbox.run(&["."]).exits(0).stdout.contains("Boils water"));
    std::fs::remove_file(tree.join(".git/HEAD")).unwrap();
    assert!(sandbox.run(&["."]).exits(0).stdout.contains("Boils water"));
}

#[test]
fn the_repository_of_another_user_has_its_history() {
    let sandbox = repository();
    let plain = sandbox.run(&["."]).exits(0).stdout;
    if rustix::process::geteuid().is_root() {
        let mut command = sandbox.command("chown");
        command.args(["-R", "65534:65534"]).arg(sandbox.tree());
        ran(command).exits(0);
    }
    let foreign = sandbox.run(&["."]).exits(0).says_nothing().stdout;
    assert!(foreign.contains("Packed at commit "), "{foreign}");
    assert_eq!(foreign, plain);
}

#[test]
fn worktrees_shallow_clones_and_subfolders_have_their_history() {
    let sandbox = repository();
    let tree = sandbox.tree();
    git(&sandbox, &tree, &["worktree", "add", "-q", "../linked", "-b", "side"]).exits(0);
    let linked = sandbox.run(&["../linked"]).exits(0).says_nothing().stdout;
    assert!(linked.starts_with("# kettle, branch side\n"), "{linked}");
    let url = format!("file://{}", tree.display());
    git(&sandbox, sandbox.home(), &["clone", "-q", "--depth", "1", &url, "shallow"]).exits(0);
    sandbox.run(&["../shallow"]).exits(0).says_nothing();
    let folder = sandbox.run(&["src", "--explain", "--json"]).exits(0).says_nothing().stdout;
    let heat: serde_json::Value =
        serde_json::from_str(folder.lines().find(|line| line.contains("heat.rs")).unwrap())
            .unwrap();
    assert_eq!(heat["path"], "heat.rs");
    assert!(heat["moved"].as_f64().unwrap() > 0.5, "{heat}");
}

#[test]
fn a_broken_or_empty_repository_and_an_absent_git_are_no_reason_to_fail() {
    let sandbox = Sandbox::with_project();
    git(&sandbox, &sandbox.tree(), &["init", "-q", "-b", "main"]).exits(0);
    sandbox.run(&["."]).exits(0).says_nothing();
    let sandbox = repository();
    let mut without = sandbox.command(env!("CARGO_BIN_EXE_context-pack"));
    without.arg(".").env("PATH", "/nonexistent");
    assert!(ran(without).exits(0).says_nothing().stdout.contains("## README.md"));
    sandbox.run(&[".", "--no-git"]).exits(0).says_nothing();
    sandbox.file(".git/HEAD", "garbage\n");
    let broken = sandbox.run(&["."]).exits(0);
    assert!(broken.stdout.contains("## README.md"));
    assert_eq!(broken.stderr.lines().count(), 1, "{}", broken.stderr);
    let bare = sandbox.home().join("bare.git");
    git(&sandbox, sandbox.home(), &["init", "-q", "--bare", "bare.git"]).exits(0);
    let bare = sandbox.run(&[bare.to_str().unwrap()]).exits(3);
    assert!(
        bare.stderr.contains("bare git repository") && bare.stderr.contains("hint: "),
        "{}",
        bare.stderr
    );
}

#[test]
fn a_commit_leaves_the_first_bytes_as_they_were() {
    let sandbox = repository();
    for index in 0..40 {
        sandbox.file(
            &format!("src/part{index}.rs"),
            format!("pub fn part{index}() {{}}\n").repeat(20),
        );
    }
    git(&sandbox, &sandbox.tree(), &["add", "-A"]).exits(0);
    git(&sandbox, &sandbox.tree(), &["commit", "-qm", "Parts"]).exits(0);
    let before = sandbox.run(&["."]).exits(0).stdout;
    sandbox.file("src/main.rs", "fn main() {}\n");
    git(&sandbox, &sandbox.tree(), &["commit", "-qam", "Less"]).exits(0);
    let after = sandbox.run(&["."]).exits(0).stdout;
    let same = before.bytes().zip(after.bytes()).take_while(|(left, right)| left == right).count();
    assert!(same > 400, "only {same} bytes of {} are the same", before.len());
}

#[test]
fn a_long_file_that_moved_is_shown_in_parts_and_what_it_imports_gains_by_it() {
    let sandbox = Sandbox::with_project();
    let tree = sandbox.tree();
    let body = |changed: &str| {
        let lines = (0..600).map(|index| match index {
            0 => "use crate::valve;\n".to_owned(),
            400 => format!("    let level = {changed};\n"),
            _ => format!("    let cup{index} = pour({index});\n"),
        });
        lines.collect::<String>()
    };
    sandbox.file("src/pot.rs", body("1"));
    sandbox.file("src/valve.rs", "pub fn open() {}\n");
    sandbox.file("src/spout.rs", "pub fn open() {}\n");
    git(&sandbox, &tree, &["init", "-q", "-b", "main"]).exits(0);
    git(&sandbox, &tree, &["add", "-A"]).exits(0);
    git(&sandbox, &tree, &["commit", "-qm", "Pour"]).exits(0);
    for index in 0..60 {
        sandbox.file("README.md", format!("# Kettle\n\nBoils water, {index} times.\n"));
        git(&sandbox, &tree, &["commit", "-qam", "Boil"]).exits(0);
    }
    sandbox.file("src/pot.rs", body("steam()"));
    git(&sandbox, &tree, &["commit", "-qam", "Level with the steam"]).exits(0);
    let document = sandbox.run(&[".", "--budget", "2000"]).exits(0).stdout;
    assert!(document.contains("let level = steam();"), "{document}");
    assert!(document.contains("lines omitted …"), "{document}");
    let objects = sandbox.run(&[".", "--budget", "2000", "--explain", "--json"]).exits(0).stdout;
    let of = |path: &str| -> serde_json::Value {
        let mut objects = objects.lines().map(|line| serde_json::from_str(line).unwrap());
        objects.find(|object: &serde_json::Value| object["path"] == path).unwrap()
    };
    assert_eq!(of("src/pot.rs")["depth"], "parts");
    assert!(of("src/valve.rs")["value"].as_f64() > of("src/spout.rs")["value"].as_f64());
}
