//! What is written where, and what is there when something fails.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use super::sandbox::{Sandbox, ran};

#[test]
fn what_a_pack_writes_is_no_part_of_it() {
    let sandbox = Sandbox::with_project();
    let tree = sandbox.tree();
    sandbox.file(".gitignore", "ignored*\n");
    symlink("src/real.md", tree.join("link.md")).unwrap();
    for output in ["context.md", "src/../context.md", "link.md", "ignored.md"] {
        let write = [".", "src", "-o", output, "--stats", "stats.json"];
        sandbox.run(&write).exits(0).says_nothing();
        let first = std::fs::read_to_string(tree.join(output)).unwrap();
        let stats = std::fs::read_to_string(tree.join("stats.json")).unwrap();
        sandbox.run(&[".", "src", "-o", output, "--stats", "stats.json"]).exits(0);
        assert_eq!(std::fs::read_to_string(tree.join(output)).unwrap(), first, "{output}");
        assert_eq!(std::fs::read_to_string(tree.join("stats.json")).unwrap(), stats, "{output}");
        assert!(!first.contains(output) && !first.contains("stats.json"), "{first}");
        for name in ["context.md", "src/real.md", "ignored.md", "stats.json"] {
            let _ = std::fs::remove_file(tree.join(name));
        }
    }
    sandbox.run(&[".", "-o", "context.md"]).exits(0);
    sandbox.run(&[".", "-o", "context.md", "--check"]).exits(0).says_nothing();
    let named = ["context.md", "src", "--include", "context.md", "-o", "context.md", "--check"];
    sandbox.run(&named).exits(1);
    let list = [".", "--files-from", "-", "-o", "context.md", "--check"];
    sandbox.run_with_stdin(&list, "src/main.rs\ncontext.md\n").exits(1);
    let document = [".", "--files-from", "-", "-o", "context.md"];
    sandbox.run_with_stdin(&document, "src/main.rs\ncontext.md\n").exits(0);
    sandbox.run_with_stdin(&list, "src/main.rs\ncontext.md\n").exits(0);
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_that_a_shell_opened_for_the_document_is_no_part_of_it() {
    let sandbox = Sandbox::with_project();
    let document = sandbox.run(&["."]).exits(0).stdout;
    for append in ["> context.md", ">> context.md", ">> context.md"] {
        let mut shell = sandbox.command("sh");
        shell.args(["-c", &format!("exec \"$0\" . {append}")]);
        shell.arg(env!("CARGO_BIN_EXE_context-pack"));
        ran(shell).exits(0);
    }
    let written = std::fs::read_to_string(sandbox.tree().join("context.md")).unwrap();
    assert_eq!(written, document.repeat(3));
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[test]
fn a_new_file_is_private_and_one_that_is_there_keeps_its_mode_also_behind_a_link() {
    let sandbox = Sandbox::with_project();
    let home = sandbox.home();
    let write = [".", "-o", "../pack.md", "--stats", "../stats.json"];
    for expect in [0o600, 0o640] {
        sandbox.run(&write).exits(0);
        for name in ["pack.md", "stats.json"] {
            assert_eq!(mode(&home.join(name)), expect, "{name}");
            std::fs::set_permissions(home.join(name), Permissions::from_mode(0o640)).unwrap();
        }
    }
    symlink("pack.md", home.join("link.md")).unwrap();
    sandbox.file("README.md", "# Samovar\n");
    sandbox.run(&[".", "-o", "../link.md"]).exits(0);
    assert!(home.join("link.md").is_symlink());
    assert_eq!(mode(&home.join("pack.md")), 0o640);
    assert!(std::fs::read_to_string(home.join("pack.md")).unwrap().contains("Samovar"));
    sandbox.run(&["exec", ".", "-o", "../exec.md", "--", "true"]).exits(0);
    assert_eq!(mode(&home.join("exec.md")), 0o600);
}

#[test]
fn whatever_fails_leaves_the_old_files() {
    let sandbox = Sandbox::with_project();
    let old = |name: &str| std::fs::read_to_string(sandbox.home().join(name)).unwrap();
    sandbox.run(&[".", "-o", "../pack.md", "--stats", "../stats.json"]).exits(0);
    let before = (old("pack.md"), old("stats.json"));
    sandbox.file("README.md", "# Samovar\n");
    sandbox.run(&[".", "-o", "../pack.md", "--stats", "absent/stats.json"]).exits(3);
    sandbox.run(&["exec", ".", "-o", "../pack.md", "--stats", "src", "--", "true"]).exits(125);
    sandbox.run(&[".", "-o", "absent/pack.md", "--stats", "../stats.json"]).exits(3);
    sandbox.run(&[".", "-o", "../pack.md", "--stats", "../tree/../pack.md"]).exits(2);
    sandbox.run(&[".", "-o", "../pack.md", "--budget", "1"]).exits(1);
    if Path::new("/dev/full").exists() {
        let mut full = sandbox.command("sh");
        full.args(["-c", "exec \"$0\" . --stats - -o ../pack.md >/dev/full"]);
        full.arg(env!("CARGO_BIN_EXE_context-pack"));
        ran(full).exits(3);
    }
    assert_eq!((old("pack.md"), old("stats.json")), before);
    assert_eq!(sandbox.litter(), 0);
    assert_eq!(std::fs::read_dir(sandbox.home()).unwrap().count(), 4);
}

#[test]
#[cfg(target_os = "linux")]
fn what_cannot_be_printed_is_a_failure() {
    let sandbox = Sandbox::with_project();
    for arguments in ["completions bash", "count README.md", ".", ". --list"] {
        let mut full = sandbox.command("sh");
        full.args(["-c", &format!("exec \"$0\" {arguments} >/dev/full")]);
        full.arg(env!("CARGO_BIN_EXE_context-pack"));
        let ran = ran(full).exits(3);
        let expect = "context-pack: cannot write to standard output: No space left on device";
        assert!(ran.stderr.starts_with(expect), "{arguments}: {}", ran.stderr);
    }
}

#[test]
fn a_document_needs_a_stdout_and_a_file_does_not() {
    let sandbox = Sandbox::with_project();
    for (line, code) in [
        (". >&-", 3),
        (". --list >&-", 3),
        ("count README.md >&-", 3),
        ("completions bash >&-", 3),
        (". -o ../pack.md >&-", 0),
        (". >/dev/null", 0),
        (". <&-", 0),
    ] {
        let mut shell = sandbox.command("sh");
        shell.args(["-c", &format!("exec \"$0\" {line}")]);
        shell.arg(env!("CARGO_BIN_EXE_context-pack"));
        let ran = ran(shell).exits(code);
        assert_eq!(
            ran.stderr.contains("cannot write to standard output: Bad file"),
            code == 3,
            "{line}"
        );
    }
}

#[test]
fn a_view_goes_where_the_document_would_go() {
    let sandbox = Sandbox::with_project();
    for view in ["--list", "--explain"] {
        let printed = sandbox.run(&[".", view]).exits(0).stdout;
        assert_eq!(sandbox.run(&[".", view, "-o", "../view"]).exits(0).stdout, "");
        assert_eq!(std::fs::read_to_string(sandbox.home().join("view")).unwrap(), printed);
    }
}

#[test]
fn a_list_is_for_people_for_scripts_and_for_programs() {
    let sandbox = Sandbox::with_project();
    sandbox.file("src/new\nline.rs", "fn a() {}\n");
    let lines = sandbox.run(&[".", "--list"]).exits(0).stdout;
    assert!(lines.lines().any(|line| line == "src/new\\nline.rs"), "{lines}");
    let raw = sandbox.run(&[".", "--list", "-0"]).exits(0).stdout;
    assert_eq!(raw.matches('\0').count(), lines.lines().count());
    for name in raw.split_terminator('\0') {
        assert!(sandbox.tree().join(name).is_file(), "{name:?}");
    }
    let document = sandbox.run(&[".", "--list", "--json"]).exits(0).stdout;
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    let files = document["files"].as_array().unwrap();
    let paths: Vec<&str> = files.iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert_eq!(paths, lines.lines().collect::<Vec<_>>());
    assert!(files.iter().all(|file| file["depth"] == "full" && file["tokens"].is_u64()));
    for wrong in [["--null", "-v"], ["--list", "--explain"]] {
        sandbox.run(&[".", wrong[0], wrong[1]]).exits(2);
    }
    sandbox.run(&[".", "--list", "-0", "--json"]).exits(2);
}

#[test]
fn check_wants_a_file_to_compare_with() {
    let sandbox = Sandbox::with_project();
    rustix::fs::mkfifoat(rustix::fs::CWD, sandbox.home().join("pipe"), 0o600.into()).unwrap();
    for path in ["src", "../pipe", "/dev/null"] {
        let ran = sandbox.run(&[".", "--check", "-o", path]).exits(3);
        let expect =
            format!("context-pack: cannot compare with {path}: it is not a regular file\n");
        assert!(ran.stderr.starts_with(&expect), "{}", ran.stderr);
    }
    sandbox.run(&[".", "--check", "-o", "-"]).exits(2);
    sandbox.run(&[".", "--check", "-o", "../pack.md", "--stats", "../stats.json"]).exits(2);
    sandbox.run(&[".", "--check", "-o", "README.md/x"]).exits(3);
}
