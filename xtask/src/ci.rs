//! What has to pass before a change lands; `.ci/run` installs what the tests need and calls it.

use anyhow::{Result, ensure};

use crate::run::{TOOLS, cargo, cargo_with, has_cargo};
use crate::{postgres, tidy};

/// Every test of the workspace.
pub(crate) fn test(args: &[String]) -> Result<()> {
    let mut command = vec!["test".to_owned(), "--workspace".to_owned(), "--locked".to_owned()];
    command.extend(args.iter().cloned());
    cargo(&command)?;
    test_on_postgres(args)
}

/// What keeps a fleet database is tested once more with that database on a PostgreSQL of its own.
fn test_on_postgres(args: &[String]) -> Result<()> {
    let Some(server) = postgres::start()? else {
        ensure!(std::env::var_os("CI").is_none(), "CI lacks PostgreSQL");
        println!("test: passed over: fleet databases on PostgreSQL (apt install postgresql)");
        return Ok(());
    };
    let mut command = vec!["test".to_owned(), "--locked".to_owned()];
    for member in ["common", "agent-state", "cron-guard"] {
        command.extend(["--package".to_owned(), member.to_owned()]);
    }
    command.extend(args.iter().cloned());
    cargo_with(&command, &[(postgres::VARIABLE, &server.url("postgres"))])
}

/// The tests, then the checks.
pub(crate) fn run() -> Result<()> {
    test(&[])?;
    check()
}

/// Format, lints, documentation, the rules of the tree, and each tool installed alone.
pub(crate) fn check() -> Result<()> {
    cargo(&["fmt", "--all", "--check"])?;
    cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"])?;
    cargo_with(
        &["doc", "--workspace", "--no-deps", "--document-private-items", "--locked"],
        &[("RUSTDOCFLAGS", "--deny warnings")],
    )?;
    tidy::run()?;
    if has_cargo("deny") {
        // Advisories need a network; they are for people: cargo deny check advisories.
        cargo(&["deny", "check", "bans", "licenses", "sources"])?;
    } else {
        println!("check: passed over: licenses and bans (cargo install cargo-deny)");
    }
    install()?;
    println!("check: all well");
    Ok(())
}

/// Each tool installs and starts alone, as `cargo install --path` builds it: without its neighbors' features.
fn install() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let prefix = folder.path().display().to_string();
    let target = crate::run::binaries("dev").with_file_name("install").display().to_string();
    for tool in TOOLS {
        let path = format!("crates/{tool}");
        // The debug profile says as much about features and files as the release profile, in a third of the time.
        cargo_with(
            &["install", "--quiet", "--debug", "--locked", "--path", &path, "--root", &prefix],
            &[("CARGO_TARGET_DIR", &target)],
        )?;
        let output = std::process::Command::new(folder.path().join("bin").join(tool))
            .arg("--version")
            .output()?;
        ensure!(output.status.success(), "{tool} --version failed after cargo install");
    }
    Ok(())
}
