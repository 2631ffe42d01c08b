//! Bad input: files that cannot be read, that never end, that are not what they seem.

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::sandbox::{Sandbox, ran};

#[test]
fn a_path_that_is_absent_or_no_file_is_named_with_what_to_do() {
    let sandbox = Sandbox::with_project();
    let absent = sandbox.run(&["absent"]).exits(3);
    assert!(
        absent.stderr.starts_with("context-pack: cannot read absent: No such file"),
        "{}",
        absent.stderr
    );
    assert!(absent.stderr.contains("\n  hint: "), "{}", absent.stderr);
    let json = sandbox.run(&["absent", "--json"]).exits(3);
    let error: serde_json::Value = serde_json::from_str(&json.stderr).unwrap();
    assert_eq!(error["error"]["code"], "file");
    sandbox.run(&["/dev/null"]).exits(3);
    let file = sandbox.run(&["src/main.rs"]).exits(0).says_nothing();
    assert!(
        file.stdout.contains("heat::boil") && !file.stdout.contains("Boils water"),
        "{}",
        file.stdout
    );
}

#[test]
fn an_empty_folder_is_a_document_with_a_heading() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.run(&["."]).exits(0).says_nothing().stdout, "# repository\n\n");
}

#[test]
fn hostile_files_neither_block_nor_break_the_pack() {
    let sandbox = Sandbox::with_project();
    let tree = sandbox.tree();
    rustix::fs::mkfifoat(rustix::fs::CWD, tree.join("pipe"), rustix::fs::Mode::RWXU).unwrap();
    symlink("/etc/passwd", tree.join("passwd.txt")).unwrap();
    symlink("/dev/zero", tree.join("zero.txt")).unwrap();
    symlink(".", tree.join("src/loop")).unwrap();
    sandbox.file("blanks.rs", " ".repeat(1_200_000));
    sandbox.file("line.js", "x=1;".repeat(500_000));
    sandbox.file("a.rs", "a".repeat(300_000));
    sandbox.file("latin.txt", b"caf\xe9 au lait\n");
    sandbox.file("wide.txt", b"\xff\xfeh\0i\0\n\0");
    let odd = std::ffi::OsStr::from_bytes(b"odd\xff.rs");
    std::fs::copy(tree.join("src/main.rs"), tree.join(odd)).unwrap();
    let large = std::fs::File::create(tree.join("large.txt")).unwrap();
    large.set_len(2_000_000_000).unwrap();
    let ran = sandbox.run(&["."]).exits(0).says_nothing();
    assert!(
        ran.stdout.contains("café au lait") && ran.stdout.contains("## wide.txt"),
        "{}",
        ran.stdout
    );
    assert!(!ran.stdout.contains("root:") && !ran.stdout.contains("loop/"));
}

#[test]
fn an_ignore_file_that_never_ends_or_is_huge_is_named_and_the_rest_is_packed() {
    let sandbox = Sandbox::with_project();
    let tree = sandbox.tree();
    sandbox.file(".git/info/x", "");
    for pipe in ["../.ignore", ".gitignore", ".git/info/exclude"] {
        let pipe = tree.join(pipe);
        rustix::fs::mkfifoat(rustix::fs::CWD, pipe, rustix::fs::Mode::RWXU).unwrap();
    }
    symlink("/dev/zero", tree.join("src/.ignore")).unwrap();
    let huge = std::fs::File::create(tree.join("tests/.context-packignore")).unwrap();
    huge.set_len(3_000_000_000).unwrap();
    // A link to a file of rules is one as good as any, and a folder is none.
    sandbox.file("rules", "*.txt\n");
    sandbox.file("sub/a.txt", "out\n");
    sandbox.file("sub/a.rs", "fn in_the_rest() {}\n");
    symlink("../rules", tree.join("sub/.gitignore")).unwrap();
    sandbox.file("sub/.ignore/x.rs", "");
    let run = |arguments: &[&str]| {
        let mut command = sandbox.command("timeout");
        command.args(["-s", "KILL", "20", env!("CARGO_BIN_EXE_context-pack")]).args(arguments);
        ran(command).exits(0)
    };
    let without = "context-pack: warning: packing without the ignore file ";
    let whole = run(&[".", "--no-git"]);
    let said: Vec<&str> =
        whole.stderr.lines().filter_map(|line| line.strip_prefix(without)).collect();
    let exclude = format!("{}: no regular file", tree.join(".git/info/exclude").display());
    assert_eq!(said.len(), 4, "{}", whole.stderr);
    for expect in [
        ".gitignore: no regular file",
        &exclude,
        "src/.ignore: no regular file",
        "tests/.context-packignore: larger than 1 MiB",
    ] {
        assert!(said.contains(&expect), "{expect}: {}", whole.stderr);
    }
    assert!(whole.stdout.contains("in_the_rest") && !whole.stdout.contains("a.txt"));
    // Below the top, the file of the folder above counts too.
    let part = run(&["sub", "--no-git"]);
    assert!(part.stderr.contains("/tree/.gitignore: no regular file"), "{}", part.stderr);
}

#[test]
fn settings_of_any_size_are_not_read_into_memory() {
    let sandbox = Sandbox::with_project();
    let huge = std::fs::File::create(sandbox.tree().join(".context-pack.toml")).unwrap();
    huge.set_len(3_000_000_000).unwrap();
    let ran = sandbox.run(&["."]).exits(3);
    assert!(ran.stderr.contains("it is larger than 1 MiB"), "{}", ran.stderr);
}

#[test]
fn an_unreadable_file_is_named_and_the_rest_is_packed() {
    let sandbox = Sandbox::with_project();
    let path = sandbox.file("src/closed.rs", "fn closed() {}\n");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
    // The superuser reads everything; another user does not.
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_context-pack"));
    command.arg(".");
    if rustix::process::geteuid().is_root() {
        let mut open = sandbox.command("chmod");
        open.args(["-R", "a+rX"]).arg(sandbox.home());
        ran(open).exits(0);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
        let mut shared = sandbox.command("cp");
        shared.arg(env!("CARGO_BIN_EXE_context-pack")).arg(sandbox.home().join("context-pack"));
        ran(shared).exits(0);
        command = sandbox.command("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
        command.arg(sandbox.home().join("context-pack")).arg(".");
    }
    let ran = ran(command).exits(0);
    assert!(ran.stdout.contains("Boils water"));
    assert_eq!(
        ran.stderr,
        "context-pack: warning: cannot read src/closed.rs: Permission denied (os error 13)\n"
    );
}

#[test]
fn a_failure_leaves_the_old_document() {
    let sandbox = Sandbox::with_project();
    sandbox.run(&[".", "-o", "../pack.md"]).exits(0);
    let old = std::fs::read(sandbox.home().join("pack.md")).unwrap();
    sandbox.run(&["absent", "-o", "../pack.md"]).exits(3);
    assert_eq!(std::fs::read(sandbox.home().join("pack.md")).unwrap(), old);
    let blocked = sandbox.run(&[".", "-o", "absent/pack.md"]).exits(3);
    assert!(
        blocked.stderr.starts_with("context-pack: cannot write absent/pack.md: "),
        "{}",
        blocked.stderr
    );
}
