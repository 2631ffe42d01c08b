//! What `--diff` and `--log` add: no key, no other agent's work, and nothing that is missing unsaid.

use super::repository::{git, repository};
use super::sandbox::{Sandbox, ran};

#[test]
fn a_patch_shows_no_line_of_a_key_whose_ends_are_outside_of_its_hunks() {
    let sandbox = repository();
    let tree = sandbox.tree();
    let body: Vec<String> = (0..27)
        .map(|line| format!("MII{line}aGVyZSBpcyBub3RoaW5nIHRvIHNlZSBmb3IgYW55Ym9keQ"))
        .collect();
    let file = |body: &str, after: &str| {
        let end = format!("RSA PRIVATE {}-----", "KEY");
        format!("a = 1\n-----BEGIN {end}\n{body}\n-----END {end}\nb = 1\n{after}")
    };
    sandbox.file("deploy.txt", file(&body.join("\n"), "c = 1\n"));
    git(&sandbox, &tree, &["add", "-A"]).exits(0);
    git(&sandbox, &tree, &["commit", "-qm", "Deploy"]).exits(0);
    let mut other = body.clone();
    other[13] = "MIIrotatedaGVyZSBpcyBub3RoaW5nIHRvIHNlZSBmb3IgYW55Ym9keQ".to_owned();
    sandbox.file("deploy.txt", file(&other.join("\n"), "c = 2\n"));
    let changed = sandbox.run(&[".", "--diff"]).exits(0).says_nothing().stdout;
    assert!(!changed.contains("MII") && changed.contains("+c = 2"), "{changed}");
    assert!(changed.contains("-[redacted:private-key]\n+[redacted:private-key]\n"), "{changed}");
}

#[test]
fn a_patch_says_which_files_are_gone_and_nothing_of_what_was_in_them() {
    let sandbox = repository();
    let tree = sandbox.tree();
    sandbox.file("prod.env", "SETTING=1\n");
    sandbox.file("docs/cold.md", "gone cold\n");
    git(&sandbox, &tree, &["add", "-A"]).exits(0);
    git(&sandbox, &tree, &["commit", "-qm", "Settings"]).exits(0);
    git(&sandbox, &tree, &["rm", "-qr", "prod.env", "docs"]).exits(0);
    git(&sandbox, &tree, &["mv", "src/heat.rs", "src/steam.rs"]).exits(0);
    let changed = sandbox.run(&[".", "--diff"]).exits(0).says_nothing().stdout;
    for gone in ["docs/cold.md", "src/heat.rs"] {
        let said = format!("diff --git a/{gone} b/{gone}\ndeleted file mode 100644\n");
        assert!(changed.contains(&said), "{changed}");
    }
    assert!(changed.contains("new file mode 100644\n") && changed.contains("+++ b/src/steam.rs"));
    assert!(!changed.contains("prod.env") && !changed.contains("gone cold"), "{changed}");
    let part = sandbox.run(&["src", "--diff", "--exclude", "heat.rs"]).exits(0).says_nothing();
    assert!(part.stdout.contains("steam.rs") && !part.stdout.contains("heat.rs b/"));
}

#[test]
fn before_the_first_commit_there_is_neither_a_patch_nor_a_word_about_it() {
    let sandbox = Sandbox::with_project();
    let tree = sandbox.tree();
    git(&sandbox, &tree, &["init", "-q", "-b", "main"]).exits(0);
    git(&sandbox, &tree, &["add", "-A"]).exits(0);
    let ran = sandbox.run(&[".", "--diff", "--log", "3"]).exits(0).says_nothing();
    assert!(!ran.stdout.contains("HEAD") && !ran.stdout.contains("## Changes"), "{}", ran.stdout);
}

#[test]
fn a_merge_is_the_commit_that_is_packed_and_has_its_message_in_the_log() {
    let sandbox = repository();
    let tree = sandbox.tree();
    git(&sandbox, &tree, &["checkout", "-qb", "side", "HEAD~1"]).exits(0);
    sandbox.file("notes.md", "# Notes\n");
    git(&sandbox, &tree, &["add", "-A"]).exits(0);
    git(&sandbox, &tree, &["commit", "-qm", "Note"]).exits(0);
    git(&sandbox, &tree, &["checkout", "-q", "main"]).exits(0);
    git(&sandbox, &tree, &["merge", "-qm", "Take the side in", "side"]).exits(0);
    let head = git(&sandbox, &tree, &["rev-parse", "HEAD"]).stdout;
    let head = head.trim();
    for arguments in [&["."][..], &["src"], &["src/heat.rs"], &[".", "--format", "xml"]] {
        let document = sandbox.run(arguments).exits(0).says_nothing().stdout;
        assert!(document.contains(head), "{arguments:?}: {document}");
    }
    let json = sandbox.run(&[".", "--format", "json"]).exits(0).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["commit"], head);
    let log = |folder: &str| {
        let document = sandbox.run(&[folder, "--log", "1"]).exits(0).says_nothing().stdout;
        document.split_once("## Last commits").map(|(_, log)| log.to_owned()).unwrap()
    };
    assert!(log(".").contains("Take the side in"), "{}", log("."));
    let url = format!("file://{}", tree.display());
    git(&sandbox, sandbox.home(), &["clone", "-q", "--depth", "1", &url, "shallow"]).exits(0);
    assert_eq!(log("../shallow"), log("."));
    // Without the small files that mostly say it, git does.
    git(&sandbox, &tree, &["pack-refs", "--all"]).exits(0);
    assert!(sandbox.run(&["."]).exits(0).stdout.contains(head));
}

#[test]
fn an_absent_git_is_named_where_something_was_asked_of_it() {
    let sandbox = repository();
    let without = |flags: &[&str]| {
        let mut command = sandbox.command(env!("CARGO_BIN_EXE_context-pack"));
        command.arg(".").args(flags).env("PATH", "/nonexistent");
        ran(command)
    };
    let warning = "context-pack: warning: packing without changes and commit messages: git is not installed\n";
    assert_eq!(without(&["--diff"]).exits(0).stderr, warning);
    assert_eq!(without(&["--log", "2"]).exits(0).stderr, warning);
    let since = without(&["--changed-since", "HEAD~1"]).exits(3).stderr;
    let expect = "context-pack: cannot find the revision HEAD~1: git is not installed\n  hint: ";
    assert!(since.starts_with(expect), "{since}");
}

#[test]
fn a_token_is_replaced_wherever_it_comes_from() {
    let sandbox = Sandbox::with_project();
    let tree = sandbox.tree();
    let token = format!("gh{}_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8", "p");
    std::fs::remove_file(tree.join("Cargo.toml")).unwrap();
    // A name is cut to sixty characters, which must not leave half of it.
    sandbox.file("README.md", format!("# {} {token}\n", "k".repeat(40)));
    sandbox.file(&format!("{token}/{token}.rs"), "fn boil() {}\n");
    git(&sandbox, &tree, &["init", "-q", "-b", &format!("for-{token}")]).exits(0);
    git(&sandbox, &tree, &["add", "-A"]).exits(0);
    git(&sandbox, &tree, &["commit", "-qm", &format!("Boil {token}")]).exits(0);
    sandbox.file("README.md", format!("# {} {token} more\n", "k".repeat(40)));
    for format in ["markdown", "xml", "json"] {
        let arguments = [".", "--diff", "--log", "2", "--format", format];
        let document = sandbox.run(&arguments).exits(0).says_nothing().stdout;
        assert!(!document.contains("ghp_"), "{document}");
        assert!(document.contains("[redacted:github-token]"), "{document}");
    }
    let listed =
        sandbox.run_with_stdin(&[".", "--files-from", "-"], &format!("README.md\n{token}.rs"));
    assert!(listed.stderr.contains("cannot read [redacted:github-token].rs"), "{}", listed.stderr);
    let summary = sandbox.run(&[".", "-v", "--include", &token]).exits(0).stderr;
    assert!(
        summary.contains("[redacted:github-token].rs") && !summary.contains("ghp_"),
        "{summary}"
    );
}

#[test]
fn of_several_trees_each_patch_and_message_says_of_which_it_is() {
    let sandbox = repository();
    let tree = sandbox.tree();
    let other = sandbox.home().join("other");
    git(&sandbox, sandbox.home(), &["clone", "-q", "tree", "other"]).exits(0);
    git(&sandbox, &other, &["commit", "-q", "--allow-empty", "-m", "Pour"]).exits(0);
    sandbox.file("src/heat.rs", "pub fn boil() {}\n");
    sandbox.file("../other/src/heat.rs", "pub fn boil() {}\n");
    let flags = ["--diff", "--log", "1"];
    let both = sandbox.run(&[&[".", "../other"], &flags[..]].concat()).exits(0).says_nothing();
    for part in [
        "diff --git a/kettle/src/heat.rs b/kettle/src/heat.rs\n",
        "+++ b/kettle-2/src/heat.rs\n",
        " kettle: Boil on mountains\n",
        " kettle-2: Pour\n",
    ] {
        assert!(both.stdout.contains(part), "{part} is missing in {}", both.stdout);
    }
    // Two folders of one repository have its commits once, and patches with the names of files.
    git(&sandbox, &tree, &["commit", "-qam", "Stir"]).exits(0);
    sandbox.file("src/heat.rs", "pub fn boiled() {}\n");
    let parts = sandbox.run(&["src", "tests", "--diff", "--log", "9"]).exits(0).stdout;
    assert!(parts.contains("+++ b/src/heat.rs\n"), "{parts}");
    let n_commits = |subject: &str| parts.matches(&format!(" {subject}\n")).count();
    assert_eq!([n_commits("Boil"), n_commits("Stir")], [1, 1], "{parts}");
}

#[test]
fn an_agent_reads_no_message_of_a_commit_that_touched_only_what_is_anothers() {
    let sandbox = Sandbox::new();
    let tree = sandbox.tree();
    let commit = |file: &str, message: &str| {
        sandbox.file(file, message);
        git(&sandbox, &tree, &["add", "-A"]).exits(0);
        git(&sandbox, &tree, &["commit", "-qm", message]).exits(0);
    };
    git(&sandbox, &tree, &["init", "-q", "-b", "main"]).exits(0);
    commit("agents/ada/SOUL.md", "Ada begins");
    git(&sandbox, &tree, &["checkout", "-qb", "side"]).exits(0);
    commit("agents/bob/SOUL.md", "Bob has a secret");
    git(&sandbox, &tree, &["checkout", "-q", "main"]).exits(0);
    commit("README.md", "Say what this is");
    git(&sandbox, &tree, &["merge", "-qm", "Take in what Bob has", "side"]).exits(0);
    git(&sandbox, &tree, &["rm", "-q", "agents/bob/SOUL.md"]).exits(0);
    let ran = sandbox.run(&[".", "--agent", "ada", "--log", "9", "--diff"]).exits(0).says_nothing();
    assert!(ran.stdout.contains("Ada begins") && ran.stdout.contains("Say what this is"));
    assert!(!ran.stdout.to_lowercase().contains("bob"), "{}", ran.stdout);
    let all = sandbox.run(&[".", "--log", "9"]).exits(0).stdout;
    assert!(all.contains("Bob has a secret") && all.contains("Take in what Bob has"), "{all}");
}

#[test]
fn a_file_of_names_that_never_ends_is_not_waited_for() {
    let sandbox = repository();
    let pipe = sandbox.tree().join(".mailmap");
    rustix::fs::mkfifoat(rustix::fs::CWD, pipe, rustix::fs::Mode::RWXU).unwrap();
    let ran = sandbox.run(&[".", "--log", "1"]).exits(0).says_nothing();
    assert!(ran.stdout.contains("Boil on mountains"), "{}", ran.stdout);
}
