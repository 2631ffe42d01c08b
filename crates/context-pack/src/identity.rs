//! What a tree calls itself: the name in its manifest, else the first heading of its README.
//!
//! The name of the folder says where somebody keeps the tree and differs from machine to machine,
//! so it is used only to tell several paths apart which have no name of their own.

use std::path::{Component, Path};

use crate::redact::{self, Tally};
use crate::text;
use crate::walk::Root;

/// The name of what is packed, without what is a secret in it.
pub(crate) fn name(roots: &[Root], tally: &mut Tally) -> String {
    let name = |root: &Root| own_name(root, tally).unwrap_or_else(|| root.label.clone());
    let names: Vec<String> = roots.iter().map(name).collect();
    let names: Vec<&str> =
        names.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
    if names.is_empty() { "repository".to_owned() } else { names.join(", ") }
}

/// Gives each of several roots the label that its files are told apart by: what the tree calls
/// itself, so that two clones give the same bytes, else the name of the folder as it was typed.
pub(crate) fn label(roots: &mut [Root], paths: &[&Path]) {
    if roots.len() < 2 {
        return;
    }
    let mut taken: Vec<String> = Vec::new();
    for (index, (root, path)) in roots.iter_mut().zip(paths).enumerate() {
        let number = index + 1;
        // A file is told apart by its own name, unless another one has it too.
        if let Some(only) = &root.only {
            let name = only.to_string_lossy().into_owned();
            if taken.contains(&name) {
                root.label = format!("path-{number}");
            } else {
                taken.push(name);
            }
            continue;
        }
        let own = own_name(root, &mut Tally::new())
            .map(|name| plain(&name))
            .filter(|name| !name.is_empty());
        let mut label = own.unwrap_or_else(|| match path.components().next_back() {
            Some(Component::Normal(name)) => name.to_string_lossy().into_owned(),
            _ => format!("path-{number}"),
        });
        while taken.contains(&label) {
            label = format!("{label}-{number}");
        }
        taken.push(label.clone());
        root.label = label;
    }
}

/// A name as one folder of a path.
fn plain(name: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "._@+".contains(letter);
    let words = name.split(|letter: char| !is_plain(letter)).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").trim_matches('.').to_owned()
}

fn own_name(root: &Root, tally: &mut Tally) -> Option<String> {
    let read = |name: &str| text::read(&root.folder.join(name)).ok().map(|text| text.body);
    if let Some(only) = &root.only {
        return Some(crate::render::name_of(only));
    }
    let name = read("Cargo.toml")
        .and_then(|text| toml_name(&text, "[package]"))
        .or_else(|| read("pyproject.toml").and_then(|text| toml_name(&text, "[project]")))
        .or_else(|| read("package.json").and_then(|text| json_name(&text)))
        .or_else(|| read("go.mod").and_then(|text| module_name(&text)))
        .or_else(|| read("README.md").and_then(|text| first_heading(&text)))
        .or_else(|| read("AGENTS.md").and_then(|text| first_heading(&text)))?;
    let name = redact::redact(&name, tally);
    let name = common::out::sanitize(name.trim()).into_owned();
    let name: String = name.chars().filter(|character| *character != '`').take(60).collect();
    (!name.trim().is_empty()).then(|| name.trim().to_owned())
}

/// The `name = "…"` of a table, by its lines: a manifest with a mistake still has its name.
fn toml_name(text: &str, table: &str) -> Option<String> {
    let lines = text.lines().map(str::trim).skip_while(|line| *line != table).skip(1);
    let mut lines = lines.take_while(|line| !line.starts_with('['));
    lines.find_map(|line| {
        let value = line.strip_prefix("name")?.trim_start().strip_prefix('=')?.trim();
        Some(value.split('#').next()?.trim().trim_matches(['"', '\'']).to_owned())
    })
}

fn json_name(text: &str) -> Option<String> {
    let manifest: serde_json::Value = serde_json::from_str(text).ok()?;
    manifest.get("name")?.as_str().map(str::to_owned)
}

fn module_name(text: &str) -> Option<String> {
    let module = text.lines().find_map(|line| line.strip_prefix("module "))?.trim();
    // `example.com/tool/v2` is the second version of `tool`.
    let mut parts = module.rsplit('/');
    let last = parts.next()?;
    let is_version = last
        .strip_prefix('v')
        .is_some_and(|digits| digits.chars().all(|digit| digit.is_ascii_digit()));
    Some(if is_version { parts.next().unwrap_or(last) } else { last }.to_owned())
}

fn first_heading(text: &str) -> Option<String> {
    text.lines().take(50).find_map(|line| line.strip_prefix("# ")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_called_what_its_manifest_or_readme_calls_it() {
        assert_eq!(
            toml_name("[workspace]\nname = \"no\"\n[package]\nname = \"yes\" # it\n", "[package]")
                .as_deref(),
            Some("yes")
        );
        assert_eq!(toml_name("[package]\n[dependencies]\nname = \"no\"\n", "[package]"), None);
        assert_eq!(json_name("{\"name\": \"tool\"}").as_deref(), Some("tool"));
        assert_eq!(json_name("{broken"), None);
        assert_eq!(module_name("module example.com/tool/v2\n").as_deref(), Some("tool"));
        assert_eq!(plain("@scope/tool"), "@scope-tool");
        assert_eq!(plain(".. / .."), "-");
        assert_eq!(first_heading("[badge]\n\n# Tool (t)\n").as_deref(), Some("Tool (t)"));
    }
}
