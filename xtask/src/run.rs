//! Running cargo and finding what it built.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// The four tools, in the order of the chain.
pub(crate) const TOOLS: [&str; 4] =
    ["cron-guard", "agent-state", "context-pack", "credential-proxy"];

/// The top of the workspace.
pub(crate) fn root() -> PathBuf {
    let member = Path::new(env!("CARGO_MANIFEST_DIR"));
    member.parent().unwrap_or(member).to_path_buf()
}

/// Runs cargo at the top of the workspace and fails when it fails.
pub(crate) fn cargo<S: AsRef<str>>(args: &[S]) -> Result<()> {
    cargo_with(args, &[])
}

/// Runs cargo with more environment variables.
pub(crate) fn cargo_with<S: AsRef<str>>(args: &[S], variables: &[(&str, &str)]) -> Result<()> {
    let mut cargo = cargo_command(args);
    let status = cargo.envs(variables.iter().copied()).status().context("cannot run cargo")?;
    ensure!(status.success(), "{cargo:?} failed: {status}");
    Ok(())
}

/// Runs cargo at the top of the workspace with more environment variables, and returns what it prints.
pub(crate) fn cargo_output<S: AsRef<str>>(
    args: &[S],
    variables: &[(&str, String)],
) -> Result<String> {
    let mut cargo = cargo_command(args);
    cargo.envs(variables.iter().map(|(name, value)| (name, value)));
    let output = cargo.stderr(Stdio::inherit()).output().context("cannot run cargo")?;
    ensure!(output.status.success(), "{cargo:?} failed: {}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}

/// Cargo at the top of the workspace; says what it is about to do.
fn cargo_command<S: AsRef<str>>(args: &[S]) -> Command {
    let args: Vec<&str> = args.iter().map(AsRef::as_ref).collect();
    println!("$ cargo {}", args.join(" "));
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(&args).current_dir(root());
    command
}

/// Runs a command that has to succeed.
pub(crate) fn must(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    ensure!(status.success(), "{command:?} failed: {status}");
    Ok(())
}

/// Whether a subcommand of cargo is installed here.
pub(crate) fn has_cargo(subcommand: &str) -> bool {
    Command::new("cargo")
        .args([subcommand, "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The folder in which cargo puts the binaries of `profile`.
pub(crate) fn binaries(profile: &str) -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    target.join(if profile == "dev" { "debug" } else { profile })
}

/// Builds the four tools and returns the folder that holds them.
pub(crate) fn build_tools(profile: &str) -> Result<PathBuf> {
    let mut args = vec!["build", "--quiet", "--locked", "--profile", profile];
    for tool in TOOLS {
        args.extend(["--package", tool]);
    }
    cargo(&args)?;
    Ok(binaries(profile))
}
