//! A list of files: those and no others, and a word on each that is not packed.

use super::sandbox::{Ran, Sandbox};

fn listed(sandbox: &Sandbox, list: &str) -> Ran {
    sandbox.run_with_stdin(&[".", "--list", "--files-from", "-"], list)
}

#[test]
fn a_list_of_files_is_packed_and_nothing_else() {
    let sandbox = Sandbox::with_project();
    sandbox.file(".env", "X=1\n");
    sandbox.file("sub/.git/config", "[core]\n");
    let ran = listed(
        &sandbox,
        "src/heat.rs\n.env\nabsent\n/etc/passwd\nsrc\nsub/.git/config\n/dev/null\n",
    );
    assert_eq!(ran.stdout, "src/heat.rs\n");
    let problems: Vec<&str> =
        ran.stderr.lines().map(|line| line.trim_start_matches("context-pack: warning: ")).collect();
    assert_eq!(
        problems,
        [
            ".env is left out as a secret; only --include .env brings it in",
            "cannot read absent: No such file or directory (os error 2)",
            "/etc/passwd is not under a packed path",
            "src is a directory, and a list names files",
            "sub/.git/config is a file of git itself, which is never packed",
            "/dev/null is not a regular file",
        ]
    );
}

#[test]
fn a_list_has_lines_of_any_system_or_ends_its_names_with_nul() {
    let sandbox = Sandbox::with_project();
    sandbox.file("odd\nname.rs", "fn a() {}\n");
    for (list, expect) in [
        ("src/heat.rs\r\n\r\nREADME.md\r\n", "README.md\nsrc/heat.rs\n"),
        ("src/heat.rs\0odd\nname.rs\0", "odd\\nname.rs\nsrc/heat.rs\n"),
        ("README.md", "README.md\n"),
        ("", ""),
    ] {
        let ran = listed(&sandbox, list).exits(0).says_nothing();
        let mut lines: Vec<&str> = ran.stdout.split_inclusive('\n').collect();
        lines.sort_unstable();
        assert_eq!(lines.concat(), expect, "{list:?}");
    }
}

#[test]
fn a_list_of_which_no_file_is_there_is_a_failure() {
    let sandbox = Sandbox::with_project();
    sandbox.run(&[".", "-o", "../pack.md"]).exits(0);
    let old = std::fs::read(sandbox.home().join("pack.md")).unwrap();
    let flags = [".", "--files-from", "-", "-o", "../pack.md"];
    let ran = sandbox.run_with_stdin(&flags, "absent\nsrc\n").exits(3);
    let expect = "context-pack: cannot pack any of the 2 listed files: cannot read absent: No such file or directory (os error 2)\n  hint: ";
    assert!(ran.stderr.starts_with(expect), "{}", ran.stderr);
    assert_eq!(std::fs::read(sandbox.home().join("pack.md")).unwrap(), old);
}

#[test]
fn of_a_list_what_belongs_to_another_agent_is_told() {
    let sandbox = Sandbox::with_project();
    for agent in ["ada", "bob", "eve"] {
        sandbox.file(&format!("agents/{agent}/SOUL.md"), "# Soul\n");
    }
    let list = "agents/ada/SOUL.md\nagents/bob/SOUL.md\nagents/eve/SOUL.md\n";
    let arguments = [".", "--files-from", "-", "--agent", "bob", "--list"];
    let ran = sandbox.run_with_stdin(&arguments, list).exits(0);
    assert_eq!(ran.stdout, "agents/bob/SOUL.md\n");
    let told = "context-pack: warning: 2 listed files belong to another agent, left out\n";
    assert_eq!(ran.stderr, told);
}
