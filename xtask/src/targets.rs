//! The machines that the product promises: the oldest Rust, static musl binaries, macOS.
//!
//! What is not installed here is passed over with a word, never quietly. Nothing is installed by this file.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::run::{TOOLS, binaries, cargo_with, root};

const MUSL: &str = "x86_64-unknown-linux-musl";
const MACOS: [&str; 2] = ["aarch64-apple-darwin", "x86_64-apple-darwin"];

/// Checks each promise that can be checked from here.
pub(crate) fn run() -> Result<()> {
    let oldest = oldest_rust()?;
    if has(&["toolchain", "list"], &oldest) {
        let toolchain = format!("{oldest}.0");
        check(&["check", "--workspace", "--all-targets"], &[("RUSTUP_TOOLCHAIN", &toolchain)])?;
    } else {
        println!("targets: passed over: Rust {oldest} (rustup toolchain install {oldest}.0)");
    }
    let targets = ["target", "list", "--installed"];
    if !has(&targets, MUSL) {
        println!("targets: passed over: {MUSL} (rustup target add {MUSL})");
    } else if !is_program("musl-gcc") {
        println!("targets: passed over: {MUSL} (musl-gcc is missing: apt install musl-tools)");
    } else {
        musl()?;
    }
    for target in MACOS {
        if has(&targets, target) {
            macos(target)?;
        } else {
            println!("targets: passed over: {target} (rustup target add {target})");
        }
    }
    Ok(())
}

/// `rust-version` of the workspace.
fn oldest_rust() -> Result<String> {
    let manifest = fs::read_to_string(root().join("Cargo.toml"))?;
    manifest
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = "))
        .map(|version| version.trim_matches('"').to_owned())
        .context("the workspace states no rust-version")
}

/// Whether rustup lists something that begins with `name`.
fn has(args: &[&str], name: &str) -> bool {
    let output = Command::new("rustup").args(args).output();
    output.is_ok_and(|output| {
        String::from_utf8_lossy(&output.stdout).lines().any(|line| line.starts_with(name))
    })
}

fn is_program(name: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).exists()))
}

fn check(args: &[&str], variables: &[(&str, &str)]) -> Result<()> {
    let target = binaries("dev").with_file_name("targets").display().to_string();
    let mut variables = variables.to_vec();
    variables.push(("CARGO_TARGET_DIR", &target));
    let mut args = args.to_vec();
    args.extend(["--quiet", "--locked"]);
    cargo_with(&args, &variables)
}

/// Builds all four without a dynamic library and starts each.
fn musl() -> Result<()> {
    let mut args = vec!["build", "--target", MUSL];
    for tool in TOOLS {
        args.extend(["--package", tool]);
    }
    // tree-sitter's C++ scanners are C by now, so musl-gcc alone is enough.
    check(&args, &[("CC_x86_64_unknown_linux_musl", "musl-gcc")])?;
    let bin = binaries("dev").with_file_name("targets").join(MUSL).join("debug");
    for tool in TOOLS {
        let file = bin.join(tool);
        let output = Command::new(&file).arg("--version").output()?;
        ensure!(output.status.success(), "{tool} for musl does not start");
        ensure!(is_static(&fs::read(&file)?), "{tool} for musl asks for a dynamic loader");
        println!("targets: {tool} is static and starts");
    }
    Ok(())
}

/// A dynamic executable names its loader.
fn is_static(elf: &[u8]) -> bool {
    let loaders: [&[u8]; 2] = [b"/lib64/ld-linux", b"/lib/ld-musl"];
    let head = elf.get(..4096).unwrap_or(elf);
    loaders.iter().all(|loader| !head.windows(loader.len()).any(|window| window == *loader))
}

/// Type-checks for macOS without Apple's headers: nothing is linked, so the C parts may be empty objects.
fn macos(target: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let compiler = folder.path().join("cc");
    fs::write(
        &compiler,
        "#!/bin/sh\nwhile [ $# -gt 0 ]; do\n  if [ \"$1\" = -o ]; then : > \"$2\"; fi\n  shift\ndone\n",
    )?;
    let archiver = folder.path().join("ar");
    fs::write(
        &archiver,
        "#!/bin/sh\nfor word; do case $word in *.a) : > \"$word\" ;; esac; done\n",
    )?;
    for program in [&compiler, &archiver] {
        fs::set_permissions(program, fs::Permissions::from_mode(0o755))?;
    }
    let (compiler, archiver) = (compiler.display().to_string(), archiver.display().to_string());
    let mut args = vec!["check", "--target", target];
    for tool in TOOLS {
        args.extend(["--package", tool]);
    }
    check(
        &args,
        &[
            ("TARGET_CC", &compiler),
            ("TARGET_CXX", &compiler),
            ("TARGET_AR", &archiver),
            ("TARGET_RANLIB", &archiver),
            ("SDKROOT", "/"),
        ],
    )?;
    println!("targets: {target} type-checks");
    Ok(())
}
