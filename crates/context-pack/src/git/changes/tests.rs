//! The index and git's own status say the same of a work tree, in whatever state it is.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;
use std::time::{Duration, SystemTime};

use super::{Changes, Git, Index, unchanged};

/// A work tree with a commit, whose files are older than its index.
struct Tree {
    folder: tempfile::TempDir,
}

/// Something that is done to a tree.
type Act<'a> = &'a dyn Fn(&Tree);

/// Where git is looked for.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

impl Tree {
    fn new() -> Self {
        let tree = Self { folder: tempfile::tempdir().unwrap() };
        tree.git(&["init", "-q", "-b", "main"]);
        for name in ["a.rs", "b/c.rs", "b/d/e.rs", "b/d/f.rs", "b-c.rs", "z/y.rs"] {
            tree.write(name, &format!("// This is {name}.\n"));
        }
        symlink("a.rs", tree.at("link")).unwrap();
        tree.git(&["add", "."]);
        tree.git(&["commit", "-qm", "All"]);
        tree
    }

    fn at(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file that has been there for some time.
    fn write(&self, name: &str, text: &str) {
        let path = self.at(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        common::atomic::write(&path, text.as_bytes(), 0o644).unwrap();
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        File::open(&path).unwrap().set_modified(long_ago).unwrap();
    }

    fn git(&self, arguments: &[&str]) {
        let mut git = Command::new("git");
        git.current_dir(self.folder.path()).args(["-c", "user.name=A", "-c", "user.email=a@b"]);
        git.args(arguments).env_clear().env("PATH", PATH).env("HOME", "/nonexistent");
        let output = git.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// What git's status says, and what is found without it; of a part of the tree.
    fn changed(&self, part: &str) -> (Vec<String>, Option<Vec<String>>) {
        let git = Git::of(&self.at(part), PATH.into()).unwrap().without_filters();
        let names = |changes: Changes| {
            let changed = changes.changed.iter().map(|path| path.display().to_string());
            assert!(changes.failure.is_none() && changes.tracked.is_some());
            changed.collect::<Vec<String>>()
        };
        (names(Changes::by_status(&git)), Changes::by_index(&git).map(names))
    }

    /// Asserts that both agree on what has changed.
    fn agrees(&self, what: &str, expect: &[&str]) {
        let (by_status, by_index) = self.changed("");
        assert_eq!(by_status, expect, "{what}");
        assert_eq!(by_index.as_deref(), Some(&by_status[..]), "{what}");
    }
}

#[test]
fn the_index_says_what_status_says_whatever_was_done_to_the_tree() {
    let what: [(&str, Act<'_>, &[&str]); 14] = [
        ("nothing", &|_| {}, &[]),
        ("another length", &|tree| tree.write("a.rs", "x\n"), &["a.rs"]),
        ("the same length and time", &|tree| tree.write("a.rs", "// This is A.rs.\n"), &["a.rs"]),
        ("written anew", &|tree| tree.write("a.rs", "// This is a.rs.\n"), &[]),
        ("gone", &|tree| fs::remove_file(tree.at("b/d/e.rs")).unwrap(), &["b/d/e.rs"]),
        (
            "a folder is gone",
            &|tree| fs::remove_dir_all(tree.at("b/d")).unwrap(),
            &["b/d/e.rs", "b/d/f.rs"],
        ),
        (
            "a folder became a link to itself elsewhere",
            &|tree| {
                fs::rename(tree.at("b/d"), tree.at("d")).unwrap();
                symlink("../d", tree.at("b/d")).unwrap();
            },
            &["b/d/e.rs", "b/d/f.rs"],
        ),
        (
            "executable",
            &|tree| {
                fs::set_permissions(tree.at("a.rs"), fs::Permissions::from_mode(0o755)).unwrap();
            },
            &["a.rs"],
        ),
        (
            "another link",
            &|tree| {
                fs::remove_file(tree.at("link")).unwrap();
                symlink("b.rs", tree.at("link")).unwrap();
            },
            &["link"],
        ),
        (
            "staged",
            &|tree| {
                tree.write("b/c.rs", "staged\n");
                tree.git(&["add", "b/c.rs"]);
            },
            &["b/c.rs"],
        ),
        (
            "staged and changed again",
            &|tree| {
                tree.write("b/c.rs", "staged\n");
                tree.git(&["add", "b/c.rs"]);
                tree.write("z/y.rs", "not staged\n");
            },
            &["b/c.rs", "z/y.rs"],
        ),
        (
            "announced",
            &|tree| {
                tree.write("new.rs", "new\n");
                tree.git(&["add", "-N", "new.rs"]);
            },
            &["new.rs"],
        ),
        (
            "passed over",
            &|tree| {
                tree.git(&["update-index", "--skip-worktree", "a.rs"]);
                tree.git(&["update-index", "--assume-unchanged", "b/c.rs"]);
                tree.write("a.rs", "x\n");
                tree.write("b/c.rs", "x\n");
                tree.write("b-c.rs", "x\n");
            },
            &["b-c.rs"],
        ),
        ("removed", &|tree| tree.git(&["rm", "-q", "b-c.rs"]), &["b-c.rs"]),
    ];
    for version in ["2", "4"] {
        for (what, act, expect) in &what {
            let tree = Tree::new();
            tree.git(&["update-index", "--index-version", version]);
            act(&tree);
            tree.agrees(&format!("{what}, version {version}"), expect);
        }
    }
}

#[test]
fn a_part_of_a_tree_has_the_changes_in_it() {
    let tree = Tree::new();
    tree.write("a.rs", "x\n");
    tree.write("b/d/e.rs", "x\n");
    let (by_status, by_index) = tree.changed("b");
    assert_eq!(by_status, ["d/e.rs"]);
    assert_eq!(by_index, Some(by_status));
}

#[test]
fn git_is_asked_where_only_it_understands_the_index() {
    let what: [(&str, Act<'_>); 4] = [
        ("split", &|tree| tree.git(&["update-index", "--split-index"])),
        ("a merge", &|tree| {
            for (branch, text) in [("x", "x\n"), ("y", "y\n")] {
                tree.git(&["checkout", "-q", "-b", branch, "main"]);
                tree.write("a.rs", text);
                tree.git(&["commit", "-qam", branch]);
            }
            let mut git = Command::new("git");
            git.current_dir(tree.folder.path()).env_clear().env("PATH", PATH);
            assert!(!git.args(["merge", "-q", "x"]).output().unwrap().status.success());
        }),
        ("a configuration with a part elsewhere", &|tree| {
            tree.git(&["config", "include.path", "other"]);
        }),
        ("no commit", &|tree| tree.git(&["checkout", "-q", "--orphan", "new"])),
    ];
    for (what, act) in what {
        let tree = Tree::new();
        act(&tree);
        assert!(tree.changed("").1.is_none(), "{what}");
    }
}

#[test]
fn what_was_written_while_the_index_was_is_looked_at() {
    let tree = Tree::new();
    let index = tree.at(".git/index");
    let written = fs::metadata(tree.at("a.rs")).unwrap().modified().unwrap();
    // As if the index had been written in the same moment as the file.
    File::open(&index).unwrap().set_modified(written).unwrap();
    let (read, at) = Index::read(&index).unwrap();
    let suspects = unchanged::suspects(&read, at, tree.folder.path(), b"").unwrap();
    assert!(suspects.contains(&&b"a.rs"[..]));
}
