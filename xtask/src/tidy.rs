//! The rules of the source tree that no compiler checks; each failure names file, line and rule.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::run::{TOOLS, root};

/// Checks every rule and prints each finding.
pub(crate) fn run() -> Result<()> {
    let mut findings = Vec::new();
    for path in files(&root(), "rs")? {
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        opens_with_its_promise(&path, &text, &mut findings);
        layers_hold(&path, &text, &mut findings);
        statements_know_no_engine(&path, &text, &mut findings);
    }
    for path in files(&root(), "toml")? {
        if path.file_name().is_some_and(|name| name == "Cargo.toml") {
            let text = fs::read_to_string(&path)?;
            manifest(&path, &text, &mut findings);
        }
    }
    for finding in &findings {
        eprintln!("tidy: {finding}");
    }
    if findings.is_empty() {
        return Ok(());
    }
    bail!("{} rules of the tree are broken", findings.len())
}

/// All files of the workspace with this extension, build output aside.
fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?
    {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.')
                && !matches!(name.as_str(), "target" | "data" | "golden" | "corpus" | "artifacts")
            {
                found.extend(files(&path, extension)?);
            }
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// A module opens with what it holds; the doorbells `main.rs` have nothing to say.
fn opens_with_its_promise(path: &Path, text: &str, findings: &mut Vec<String>) {
    let is_doorbell = text.lines().filter(|line| !line.trim().is_empty()).count() <= 3;
    if !is_doorbell && !text.starts_with("//!") {
        findings.push(format!(
            "{}:1: a module opens with `//!`: what it holds, what it never does",
            shown(path)
        ));
    }
}

/// SQL stays in stores, `unsafe` in sys.rs.
fn layers_hold(path: &Path, text: &str, findings: &mut Vec<String>) {
    let shown = shown(path);
    if !shown.contains("/src/") {
        return;
    }
    let is_command = shown.contains("/cmd/");
    for (number, line) in (1..).zip(text.lines()) {
        let code = line.trim_start();
        if code.starts_with("//") {
            continue;
        }
        if code.contains("unsafe ") && !shown.ends_with("sys.rs") && !shown.starts_with("xtask") {
            findings.push(format!("{shown}:{number}: `unsafe` stands only in sys.rs"));
        }
        if is_command
            && ["SELECT ", "INSERT INTO", "DELETE FROM", "UPDATE "]
                .iter()
                .any(|sql| code.contains(sql))
        {
            findings.push(format!("{shown}:{number}: SQL stands only in store"));
        }
    }
}

/// What a fleet database is asked runs on every engine: no module but those that open one names an engine, and no
/// statement has a function that only SQLite knows.
fn statements_know_no_engine(path: &Path, text: &str, findings: &mut Vec<String>) {
    let shown = shown(path);
    let is_fleet =
        ["crates/agent-state/src/", "crates/cron-guard/src/", "crates/common/src/fleet/"]
            .iter()
            .any(|folder| shown.starts_with(folder));
    // The database of another tool is a file of SQLite, whatever ours is.
    if !is_fleet || shown.contains("/import/") || shown.ends_with("/database.rs") {
        return;
    }
    let ours = text.split("#[cfg(test)]").next().unwrap_or_default();
    for (number, line) in (1..).zip(ours.lines()) {
        let code = line.trim_start();
        if code.starts_with("use rusqlite") || code.contains("PRAGMA ") {
            findings.push(format!(
                "{shown}:{number}: only common::sqlite and common::postgres know an engine"
            ));
        }
        let of_sqlite =
            ["last_insert_rowid", "INSERT OR ", "json_extract(", "strftime(", "ifnull(", " GLOB "];
        if of_sqlite.iter().any(|word| code.contains(word)) || has_max_of_two(code) {
            findings.push(format!("{shown}:{number}: only SQLite knows this; see common::sql"));
        }
    }
}

/// Whether a statement takes the larger of two values, as `max(a, b)`; of a column it is `max(a)`.
fn has_max_of_two(code: &str) -> bool {
    code.match_indices("= max(").any(|(at, found)| {
        let inside = code[at + found.len()..].split(')').next().unwrap_or_default();
        inside.contains(',')
    })
}

/// Members share the lints, and no tool depends on a tool.
fn manifest(path: &Path, text: &str, findings: &mut Vec<String>) {
    let shown = shown(path);
    if shown == "Cargo.toml" || shown.contains("/fuzz/") {
        return;
    }
    if !text.contains("[lints]\nworkspace = true") {
        findings.push(format!(
            "{shown}: a member takes the workspace's lints: [lints] workspace = true"
        ));
    }
    if shown.starts_with("crates/") {
        for tool in TOOLS {
            if text.lines().any(|line| {
                line.starts_with(&format!("{tool}.")) || line.starts_with(&format!("{tool} ="))
            }) {
                findings
                    .push(format!("{shown}: no crate under crates/ depends on the tool {tool}"));
            }
        }
    }
}
