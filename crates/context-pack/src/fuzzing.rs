//! What the fuzz targets call: one function a target, which panics where a promise is broken.
//!
//! Compiled by cargo-fuzz and for tests only, and never part of the tool.

use std::path::Path;

use crate::git::index::Index;
use crate::kind::Language;
use crate::outline::Outline;
use crate::render::{Depth, Heading, Place, Renderer, Section, State, name_of};
use crate::request::Format;
use crate::settings::Settings;
use crate::text;

/// Names of files in the languages that have a parser or rules of their own.
const NAMES: [&str; 18] = [
    "a.rs", "a.py", "a.js", "a.ts", "a.tsx", "a.go", "a.java", "a.c", "a.cpp", "a.rb", "a.php",
    "a.cs", "a.sh", "a.md", "a.toml", "a.json", "a.yaml", "a.nim",
];

/// The outline of any text, of which the first byte chooses the language and the second how much
/// is parsed: it consists of lines of the text, in few bytes when few are asked for.
///
/// # Panics
///
/// When that is not so.
pub fn outline(bytes: &[u8]) {
    let [language, share, rest @ ..] = bytes else { return };
    let text = text::clean(&String::from_utf8_lossy(rest));
    let name = NAMES[usize::from(*language) % NAMES.len()];
    let language = Language::of(Path::new(name));
    let wanted = text.len() * usize::from(*share) / 255;
    for n_parsed in [Outline::worth_parsing(&text, language, wanted), wanted, 0] {
        let outline = Outline::of(&text, language, n_parsed);
        let n_lines = text.lines().count();
        for item in &outline.items {
            assert!(item.at < n_lines, "{item:?} is no line of {n_lines}");
            assert!(item.line.chars().count() <= 121 && !item.line.contains('\n'), "{item:?}");
        }
        for limit in [0, 70, usize::MAX] {
            let (shown, n_more) = outline.within(limit);
            assert_eq!(shown.lines().count() + n_more, outline.items.len());
            assert!(shown.len() <= limit || shown.lines().count() == 1, "{shown:?}");
        }
    }
}

/// Any content under any name, in every form: what is read back is what was put in, and nothing
/// that looks like ours was in the content.
///
/// # Panics
///
/// When that is not so.
pub fn render(bytes: &[u8]) {
    let raw = String::from_utf8_lossy(bytes);
    let half = (0..=raw.len() / 2).rev().find(|half| raw.is_char_boundary(*half)).unwrap_or(0);
    let (name, body) = raw.split_at(half);
    let (name, body) = (name_of(Path::new(name)), text::clean(body));
    // Secrets are replaced after cleaning, and one at the end can take the last newline with it.
    for body in [body.as_str(), body.trim_end_matches('\n')] {
        check_markdown(&name, body);
        check_xml(&name, body);
        check_json(&name, body);
    }
}

/// Any text as a settings file: it is taken, or refused in one line that names a place in it.
///
/// # Panics
///
/// When that is not so.
pub fn settings(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Err(error) = Settings::parse(text, Path::new("f.toml")) else { return };
    let crate::Error::Settings { line, column, said, .. } = error else {
        panic!("a mistake in a settings file is told as one: {error}")
    };
    let last = text.split('\n').count();
    assert!((1..=last).contains(&line), "line {line} of {last}");
    let width = text.split('\n').nth(line - 1).map_or(0, |line| line.chars().count());
    assert!((1..=width + 1).contains(&column), "column {column} of {width}");
    assert!(!said.is_empty() && !said.contains('\n'), "{said:?}");
}

/// Any bytes as git's index: it is refused, or has at most as many files as bytes for them, whose
/// paths end where they should.
///
/// # Panics
///
/// When that is not so.
pub fn index(bytes: &[u8]) {
    let Some(index) = Index::parse(bytes) else { return };
    assert!(index.seen.len() <= bytes.len() / 64);
    assert!(index.seen.iter().all(|seen| !index.path(seen).contains(&0)));
    assert!(index.tree.is_none_or(|tree| tree.len() == 40));
}

/// A document of one file with this content, a patch with the same, and the end.
fn document(format: Format, name: &str, body: &str) -> String {
    let renderer = Renderer::new(format);
    let section =
        Section { name: name.to_owned(), tag: "rust", depth: Depth::Full, body: body.to_owned() };
    let heading = Heading { name: "kettle".to_owned(), branch: Some("main".to_owned()) };
    renderer.document(&[
        (Place::Heading, &renderer.heading(&heading)),
        (Place::Core, &renderer.section(&section)),
        (Place::Patch, &renderer.patch(body)),
        (Place::State, &renderer.state(&State { commit: "0123".to_owned() })),
    ])
}

fn with_newline(body: &str) -> String {
    if body.is_empty() || body.ends_with('\n') { body.to_owned() } else { format!("{body}\n") }
}

/// Reads fences as CommonMark does, and expects ours and no others.
fn check_markdown(name: &str, body: &str) {
    let document = document(Format::Markdown, name, body);
    let mut outside = Vec::new();
    let mut inside: Vec<String> = Vec::new();
    let mut fence: Option<usize> = None;
    for line in document.split_inclusive('\n') {
        let text = line.trim_end_matches('\n');
        let start = text.trim_start_matches(' ');
        let is_margin = text.len() - start.len() < 4;
        let n_marks = start.bytes().take_while(|byte| *byte == b'`').count();
        match fence {
            Some(length) => {
                let rest = start.trim_start_matches('`').trim_matches([' ', '\t']);
                if is_margin && n_marks >= length && rest.is_empty() {
                    fence = None;
                } else if let Some(last) = inside.last_mut() {
                    last.push_str(line);
                }
            }
            None if is_margin && n_marks >= 3 => {
                fence = Some(n_marks);
                inside.push(String::new());
            }
            None => outside.push(text),
        }
    }
    let body = with_newline(body);
    assert_eq!(inside, [body.clone(), body]);
    outside.retain(|line| !line.is_empty());
    let heading = format!("## {name}");
    assert_eq!(
        outside,
        ["# kettle, branch main", heading.as_str(), "## Changes", "Packed at commit 0123"]
    );
}

/// Cuts out character data as a parser does, and expects the elements of an empty file around it.
fn check_xml(name: &str, body: &str) {
    const OPEN: &str = "<![CDATA[";
    let read = |document: &str| {
        let (mut outside, mut inside, mut rest) = (String::new(), String::new(), document);
        while let Some((before, after)) = rest.split_once(OPEN) {
            let (data, after) = after.split_once("]]>").unwrap_or((after, ""));
            outside.push_str(before);
            inside.push_str(data);
            rest = after;
        }
        (outside + rest, inside)
    };
    let (outside, inside) = read(&document(Format::Xml, name, body));
    assert_eq!(outside, read(&document(Format::Xml, name, "")).0);
    assert_eq!(inside, format!("\n{body}\n{body}"));
    let is_allowed = |character: char| {
        matches!(character, '\t' | '\n' | ' '..) && !matches!(character, '\u{fffe}' | '\u{ffff}')
    };
    assert!((outside + &inside).chars().all(is_allowed), "a character that XML forbids");
}

fn check_json(name: &str, body: &str) {
    let document: serde_json::Value =
        serde_json::from_str(&document(Format::Json, name, body)).expect("the document is JSON");
    assert_eq!(document["files"][0]["path"], name);
    assert_eq!(document["files"][0]["text"], body);
    assert_eq!(document["files"].as_array().map(Vec::len), Some(1));
    assert_eq!(document["diff"], body);
    assert_eq!(document["commit"], "0123");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The bytes of an index of these versions and paths, as git lays them out.
    fn written(version: u8, names: &[&str]) -> Vec<u8> {
        let mut bytes =
            [&b"DIRC"[..], &[0, 0, 0, version, 0, 0, 0], &[u8::try_from(names.len()).unwrap()]]
                .concat();
        for name in names {
            let entry = [&[0; 24][..], &[0, 0, 0x81, 0xA4], &[0; 34]].concat();
            bytes.extend(entry);
            if version == 4 {
                // All of the path before it is removed, of which there is none before the first.
                bytes.push(if *name == names[0] {
                    0
                } else {
                    u8::try_from(names[0].len()).unwrap()
                });
            }
            bytes.extend(name.as_bytes());
            let n_zeros = if version == 4 { 1 } else { 8 - (62 + name.len()) % 8 };
            bytes.extend(vec![0; n_zeros]);
        }
        bytes.extend(b"TREE\0\0\0\x19\x002 0\n");
        bytes.extend([0xAB; 20]);
        bytes.extend([0; 20]);
        bytes
    }

    #[test]
    fn an_index_has_the_paths_that_were_written_and_the_tree() {
        for version in [2, 3, 4] {
            let bytes = written(version, &["a/b", "c/d"]);
            let index = Index::parse(&bytes).unwrap();
            let paths: Vec<&[u8]> = index.seen.iter().map(|seen| index.path(seen)).collect();
            assert_eq!(paths, [b"a/b", b"c/d"]);
            assert_eq!(index.tree, Some("ab".repeat(20)));
            super::index(&bytes);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_have_an_outline(language: u8, share: u8, text in "[a-z(){}:;#\n\t =\\[\\]`'\"/*<é]{0,300}") {
            outline(&[&[language, share], text.as_bytes()].concat());
        }

        #[test]
        fn any_bytes_are_an_index_or_none(version in 1_u8..6, at in 0_usize..200, byte: u8, cut in 0_usize..220) {
            let mut bytes = written(version, &["a/b", "c/d"]);
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
            bytes.truncate(cut.max(20));
            index(&bytes);
        }

        #[test]
        fn no_content_ends_its_own_section(text in "([`~]{1,5}|\\]\\]>|</file>|<!\\[CDATA\\[|## |[a-z\n\r\t \u{fffe}\u{1b}]){0,60}") {
            render(text.as_bytes());
        }

        #[test]
        fn any_settings_are_taken_or_refused_with_their_place(text in "([a-z-]{1,9}|budget|margin|log| = |\"|\\[|\\]|[0-9.%]|\n|é){0,30}") {
            settings(text.as_bytes());
        }
    }

    #[test]
    fn a_content_without_a_last_newline_leaves_its_fence_closed() {
        render(b"ab");
    }
}
