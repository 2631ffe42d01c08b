//! What has to pass before a change lands; `.ci/run` installs what the tests need and runs the same.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::run::{TOOLS, cargo, cargo_output, cargo_with, has_cargo, must, root};
use crate::{dist, postgres, soak, targets, tidy};

/// The members whose tests are about a fleet database.
const FLEET: [&str; 3] = ["common", "agent-state", "cron-guard"];

/// Every test of the workspace; `args` go to each test binary.
pub(crate) fn test(args: &[String]) -> Result<()> {
    let args = args.strip_prefix(&["--".to_owned()]).unwrap_or(args);
    let mut command: Vec<&str> =
        ["test", "--workspace", "--locked", "--no-fail-fast", "--"].to_vec();
    command.extend(args.iter().map(String::as_str));
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
    let mut failed = Vec::new();
    for (folder, binary) in fleet_tests()? {
        println!("$ {}=… {}", postgres::VARIABLE, binary.display());
        let mut command = Command::new(&binary);
        command.args(args).current_dir(folder);
        if let Err(error) = must(command.env(postgres::VARIABLE, server.url("postgres"))) {
            failed.push(format!("{error:#}"));
        }
    }
    ensure!(failed.is_empty(), "on PostgreSQL: {}", failed.join("; "));
    Ok(())
}

/// The test binaries of the members in [`FLEET`], each with its member's folder. Cargo would build them anew for
/// these members alone, since fewer members ask for fewer features of what they share.
fn fleet_tests() -> Result<Vec<(PathBuf, PathBuf)>> {
    let built = ["test", "--workspace", "--locked", "--no-run", "--message-format=json"];
    let folders = FLEET.map(|member| root().join("crates").join(member));
    let mut tests = Vec::new();
    for line in cargo_output(&built, &[])?.lines() {
        let message: Value = serde_json::from_str(line).context("cargo's messages")?;
        let text = |key: &str| message[key].as_str().map(PathBuf::from);
        let (Some(manifest), Some(binary)) = (text("manifest_path"), text("executable")) else {
            continue;
        };
        let folder = manifest.parent().context("a manifest without a folder")?.to_path_buf();
        if message["profile"]["test"] == true && folders.contains(&folder) {
            tests.push((folder, binary));
        }
    }
    ensure!(tests.len() >= FLEET.len(), "cargo names no tests of {FLEET:?}");
    Ok(tests)
}

/// All of it; `--tested` says that the tests have passed already.
pub(crate) fn run(args: &[String]) -> Result<()> {
    match args {
        [] => test(&[])?,
        [flag] if flag == "--tested" => {}
        _ => bail!("ci takes no argument but --tested"),
    }
    check()?;
    soak::run(&["--minutes".to_owned(), "2".to_owned()])?;
    dist::run(&["--debug".to_owned()])?;
    targets::run()
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
        let output =
            Command::new(folder.path().join("bin").join(tool)).arg("--version").output()?;
        ensure!(output.status.success(), "{tool} --version failed after cargo install");
    }
    Ok(())
}
