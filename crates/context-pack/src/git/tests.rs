//! git as it can be when it is broken: it hangs, fails, floods, or lies in the tree itself.

use super::*;

/// A work tree, and a program named git that does this instead.
fn with_git(script: &str) -> (tempfile::TempDir, Git) {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("git");
    std::fs::create_dir(folder.path().join(".git")).unwrap();
    // Written by a process of its own: a child that another test starts meanwhile would inherit a file
    // that is open for writing here, and what is open for writing cannot be run.
    let write = r#"printf '#!/bin/sh\n%s\n' "$1" > "$0" && chmod 755 "$0""#;
    let mut shell = std::process::Command::new("/bin/sh");
    assert!(shell.arg("-c").arg(write).arg(&program).arg(script).status().unwrap().success());
    let path = std::env::join_paths([folder.path(), Path::new("/usr/bin"), Path::new("/bin")]);
    let git = Git::of(folder.path(), path.unwrap()).unwrap();
    (folder, git)
}

/// For a git that takes longer than it may: nobody else is given so little time.
const IMPATIENT: Duration = Duration::from_millis(300);

#[test]
fn a_git_that_hangs_is_given_up_whether_it_still_prints_or_not() {
    for script in [
        "exec sleep 600",
        "echo x; exec sleep 600",
        "exec >&- 2>&-; exec sleep 600",
        "sleep 600 & exec sleep 600",
        "exec sleep 600 >&2",
    ] {
        let (_folder, mut git) = with_git(script);
        git.time_limit = IMPATIENT;
        assert!(matches!(git.run(&["log"]), Err(Failure::TimedOut)), "{script}");
        assert!(matches!(Changes::read(&git).failure, Some(Failure::TimedOut)), "{script}");
    }
}

#[test]
fn a_git_that_fails_is_quoted_and_one_that_floods_is_cut_off() {
    let (_folder, git) = with_git("echo 'fatal: no luck' >&2; exit 128");
    assert!(matches!(git.run(&["log"]), Err(Failure::Said(said)) if said == "no luck"));
    let script = "printf 'fatal: unknown extension found:\\n\\trefstorage\\n' >&2; exit 128";
    let (_folder, git) = with_git(script);
    let said = "unknown extension found: refstorage";
    assert!(matches!(git.run(&["log"]), Err(Failure::Said(line)) if line == said));
    let (_folder, mut git) = with_git("exec yes");
    let mut n_pieces = 0;
    let taken = git.stream(&["log"], |_| {
        n_pieces += 1;
        n_pieces < 3
    });
    assert!(taken.is_ok() && n_pieces == 3);
    git.time_limit = IMPATIENT;
    assert!(matches!(git.stream(&["log"], |_| true), Err(Failure::TimedOut)));
    assert!(History::read(&git, 1).commits.is_empty());
}

#[test]
fn git_is_not_looked_for_in_the_tree_itself() {
    let (folder, _) = with_git("exit 0");
    let git = Git::of(folder.path(), ".:relative:".into()).unwrap();
    assert!(matches!(git.run(&["log"]), Err(Failure::Absent)));
}

#[test]
fn a_configuration_without_filters_is_not_asked_for_them() {
    let (folder, git) = with_git("echo asked >&2; exit 1");
    let write = |name: &str, text: &str| {
        common::atomic::write(&folder.path().join(name), text.as_bytes(), 0o644).unwrap();
    };
    assert!(!git.surely_lacks(&["filter", INCLUDES]), "there is no configuration to see");
    write(".git/config", "[core]\n\tbare = false\n");
    assert!(git.surely_lacks(&["filter", INCLUDES]));
    write(".git/config.worktree", "[Filter \"x\"]\n\tclean = touch sprung\n");
    assert!(!git.surely_lacks(&["filter", INCLUDES]));
    write(".git/config.worktree", "[includeIf \"gitdir:/\"]\n\tpath = x\n");
    assert!(!git.surely_lacks(&["filter", INCLUDES]));
}
