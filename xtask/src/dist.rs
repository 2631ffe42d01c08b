//! What a release consists of: a tarball and a Debian package of the four tools.
//!
//! Both are made of one staged tree, laid out as below `/usr`: binaries, man pages, completions, units.
//! The tarball has the same bytes for the same commit. Nothing here builds anything that the product does not.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use crate::run::{TOOLS, build_tools, cargo, has_cargo, must, root};

/// The name of the package, and the beginning of the name of the tarball.
const PACKAGE: &str = "agent-plumbing";

/// Stages the tree, packs it, and tries what it packed in clean roots.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let profile = match args {
        [] => "release",
        [flag] if flag == "--debug" => "dev",
        _ => bail!("dist takes no argument but --debug"),
    };
    let bin = build_tools(profile)?;
    let dist = root().join("target/dist");
    let usr = dist.join("usr");
    if dist.exists() {
        fs::remove_dir_all(&dist)?;
    }
    stage(&bin, &usr)?;
    let tarball = pack(&dist, &usr)?;
    try_tarball(&tarball)?;
    println!("dist: {}", tarball.display());
    if let Some(package) = debian(&dist)? {
        try_debian(&package)?;
        println!("dist: {}", package.display());
    }
    Ok(())
}

/// The version of the workspace.
fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// Lays the tree out.
fn stage(bin: &Path, usr: &Path) -> Result<()> {
    for tool in TOOLS {
        place(&bin.join(tool), &usr.join("bin").join(tool), 0o755)?;
        for (shell, path) in [
            ("bash", format!("share/bash-completion/completions/{tool}")),
            ("zsh", format!("share/zsh/vendor-completions/_{tool}")),
            ("fish", format!("share/fish/vendor_completions.d/{tool}.fish")),
        ] {
            write(&usr.join(path), &output(bin, tool, &["completions", shell])?)?;
        }
    }
    documents(&usr.join("share/doc").join(PACKAGE))?;
    units(bin, usr)?;
    let man = usr.join("share/man/man1");
    cargo(&[
        "run",
        "--quiet",
        "--locked",
        "--package",
        "e2e",
        "--bin",
        "manuals",
        "--",
        &man.display().to_string(),
    ])?;
    for page in fs::read_dir(&man)? {
        // Debian and Fedora keep their pages compressed; -n leaves name and time out, so that the bytes stay.
        must(Command::new("gzip").arg("-9n").arg(page?.path()))?;
    }
    Ok(())
}

/// The documents, laid out as in the source tree so that their links hold; those about working on it stay out.
fn documents(doc: &Path) -> Result<()> {
    place(&root().join("LICENSE"), &doc.join("copyright"), 0o644)?;
    let readme = fs::read_to_string(root().join("README.md"))?;
    let (for_users, _) = readme.split_once("\n## Working on it\n").context("README's sections")?;
    write(&doc.join("README.md"), format!("{for_users}\nMIT license.\n").as_bytes())?;
    for file in ["CHANGELOG.md", "MIGRATION.md"] {
        place(&root().join("crates").join(file), &doc.join("crates").join(file), 0o644)?;
    }
    for tool in TOOLS {
        let file = Path::new("crates").join(tool).join("README.md");
        place(&root().join(&file), &doc.join(&file), 0o644)?;
    }
    Ok(())
}

/// The units and the plist, as `credential-proxy service` prints them, with the places of a package.
fn units(bin: &Path, usr: &Path) -> Result<()> {
    let home = tempfile::tempdir()?;
    let printed = |manager: &str| -> Result<String> {
        let output = Command::new(bin.join("credential-proxy"))
            .args(["service", manager])
            .env_clear()
            .env("HOME", home.path())
            .output()?;
        ensure!(output.status.success(), "credential-proxy service {manager} failed");
        let text = String::from_utf8(output.stdout)?;
        Ok(text.replace(
            &bin.join("credential-proxy").display().to_string(),
            "/usr/bin/credential-proxy",
        ))
    };
    // systemd knows the home of the user as %h.
    let systemd = printed("systemd")?.replace(&home.path().display().to_string(), "%h");
    for (name, text) in units_of(&systemd) {
        write(&usr.join(UNITS).join(name), text.as_bytes())?;
    }
    let plist = printed("launchd")?.replace(&home.path().display().to_string(), "/Users/YOU");
    let name = "io.agent-plumbing.credential-proxy.plist";
    write(&usr.join("share").join(PACKAGE).join(name), plist.as_bytes())
}

/// Where a package has the units of users, below `/usr`.
const UNITS: &str = "lib/systemd/user";

/// The units of the text that `credential-proxy service systemd` prints, each below a comment with its path.
fn units_of(text: &str) -> Vec<(&str, String)> {
    let mut units: Vec<(&str, String)> = Vec::new();
    for line in text.lines() {
        let name = line
            .strip_prefix("# ")
            .and_then(|path| path.rsplit_once('/'))
            .map(|(_, name)| name)
            .filter(|name| name.ends_with(".service") || name.ends_with(".socket"));
        match (name, units.last_mut()) {
            (Some(name), _) => units.push((name, String::new())),
            (None, Some((_, unit))) => unit.extend([line, "\n"]),
            (None, None) => {}
        }
    }
    for (_, unit) in &mut units {
        unit.truncate(unit.trim_end().len() + 1);
    }
    units
}

/// Packs the tree into a tarball whose bytes depend on the tree alone.
fn pack(dist: &Path, usr: &Path) -> Result<PathBuf> {
    let host = host()?;
    let name = format!("{PACKAGE}-{}-{host}", version());
    let tarball = dist.join(format!("{name}.tar.gz"));
    let tar = Command::new("tar")
        .args(["--create", "--sort=name", "--owner=0", "--group=0", "--numeric-owner"])
        .arg("--mode=u=rwX,go=rX")
        .arg(format!("--mtime=@{}", committed_at()))
        .arg(format!("--transform=s,^[.],{name},"))
        .arg("--directory")
        .arg(usr)
        .arg(".")
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run tar")?;
    let gzip = Command::new("gzip")
        .arg("-6n")
        .stdin(tar.stdout.context("tar has an output")?)
        .output()
        .context("cannot run gzip")?;
    ensure!(gzip.status.success(), "gzip failed");
    fs::write(&tarball, gzip.stdout)?;
    Ok(tarball)
}

/// Unpacks the tarball elsewhere: each tool starts there and says the version that the tarball has.
fn try_tarball(tarball: &Path) -> Result<()> {
    let folder = tempfile::tempdir()?;
    must(Command::new("tar").arg("-xzf").arg(tarball).arg("-C").arg(folder.path()))?;
    let top = fs::read_dir(folder.path())?.next().context("the tarball is empty")??.path();
    try_tree(&top)
}

/// Every tool below `usr` says its version and has a man page and completions.
fn try_tree(usr: &Path) -> Result<()> {
    for tool in TOOLS {
        let said = output(&usr.join("bin"), tool, &["--version"])?;
        let wanted = format!("{tool} {}\n", version());
        ensure!(said == wanted.as_bytes(), "{tool} does not say its version {}", version());
        for path in [
            format!("share/man/man1/{tool}.1.gz"),
            format!("share/bash-completion/completions/{tool}"),
            format!("share/zsh/vendor-completions/_{tool}"),
            format!("share/fish/vendor_completions.d/{tool}.fish"),
        ] {
            let length = fs::metadata(usr.join(&path)).with_context(|| path.clone())?.len();
            ensure!(length > 100, "{path} is empty");
        }
    }
    let mut units = names_in(&usr.join(UNITS))?;
    units.sort();
    ensure!(units == ["credential-proxy.service", "credential-proxy.socket"], "units: {units:?}");
    for unit in units {
        let text = fs::read_to_string(usr.join(UNITS).join(&unit))?;
        ensure!(text.contains("\n[Install]\n"), "{unit} cannot be enabled");
    }
    links_hold(&usr.join("share/doc").join(PACKAGE))
}

/// Every file that a packed document links to is packed, too.
fn links_hold(doc: &Path) -> Result<()> {
    for file in ["README.md".to_owned(), "crates/MIGRATION.md".to_owned()]
        .into_iter()
        .chain(TOOLS.map(|tool| format!("crates/{tool}/README.md")))
    {
        let text = fs::read_to_string(doc.join(&file)).with_context(|| file.clone())?;
        let folder = Path::new(&file).parent().unwrap_or(Path::new(""));
        for link in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            let is_here = !link.is_empty() && !link.contains("://");
            ensure!(!is_here || doc.join(folder).join(link).exists(), "{file} links to {link}");
        }
    }
    Ok(())
}

fn names_in(folder: &Path) -> Result<Vec<String>> {
    let names = fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().display().to_string()));
    names.collect()
}

/// The Debian package; `None`, with a word, where cargo-deb is not installed.
fn debian(dist: &Path) -> Result<Option<PathBuf>> {
    if !has_cargo("deb") {
        println!("dist: no Debian package: cargo-deb is not installed (cargo install cargo-deb)");
        return Ok(None);
    }
    let package = dist.join(format!("{PACKAGE}_{}.deb", version()));
    must(
        Command::new("cargo")
            .args(["deb", "--quiet", "--no-build", "--no-strip", "--package", "xtask", "--output"])
            .arg(&package)
            .env("SOURCE_DATE_EPOCH", committed_at())
            .stdout(Stdio::null())
            .current_dir(root()),
    )?;
    Ok(Some(package))
}

/// Installs the package into an empty root, runs what it installed, and removes it without a trace.
fn try_debian(package: &Path) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let clean = folder.path();
    let admin = clean.join("var/lib/dpkg");
    for part in ["info", "updates", "triggers"] {
        fs::create_dir_all(admin.join(part))?;
    }
    fs::write(admin.join("status"), "")?;
    fs::write(admin.join("available"), "")?;
    let dpkg = |args: &[&str]| {
        let mut command = Command::new("dpkg");
        // The empty root has no C library to depend on; the binaries run against this machine's.
        command.args(["--force-depends", "--force-not-root", "--log=/dev/null"]);
        command.arg(format!("--root={}", clean.display())).args(args);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        must(&mut command)
    };
    dpkg(&["--install", &package.display().to_string()])?;
    try_tree(&clean.join("usr"))?;
    dpkg(&["--purge", PACKAGE])?;
    let left: Vec<_> = fs::read_dir(clean)?
        .filter_map(Result::ok)
        .map(|entry| entry.file_name())
        .filter(|name| name != "var")
        .collect();
    ensure!(left.is_empty(), "the package leaves {left:?} behind");
    Ok(())
}

/// When the last commit was made, in seconds since 1970: the time of everything in a package.
fn committed_at() -> String {
    Command::new("git")
        .args(["log", "-1", "--format=%ct"])
        .current_dir(root())
        .output()
        .ok()
        .filter(|output| output.status.success())
        .map_or_else(
            || "0".to_owned(),
            |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        )
}

/// The target that this machine builds for.
fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("cannot run rustc")?;
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .find_map(|line| line.strip_prefix("host: ").map(str::to_owned))
        .context("rustc does not say its host")
}

fn output(bin: &Path, tool: &str, args: &[&str]) -> Result<Vec<u8>> {
    let output = Command::new(bin.join(tool))
        .args(args)
        .output()
        .with_context(|| format!("cannot run {tool}"))?;
    ensure!(output.status.success(), "{tool} {} failed: {}", args.join(" "), output.status);
    Ok(output.stdout)
}

fn place(from: &Path, to: &Path, mode: u32) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::create_dir_all(to.parent().context("a file has a folder")?)?;
    fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    fs::set_permissions(to, fs::Permissions::from_mode(mode))?;
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::create_dir_all(path.parent().context("a file has a folder")?)?;
    fs::File::create(path)?.write_all(bytes)?;
    Ok(())
}
