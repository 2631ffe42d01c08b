//! Outlines by the shape of lines: indentation, the first words, what a line ends with.

use super::Item;
use crate::lines::lines;

/// The items of a text; none when nothing has a known shape.
pub(super) fn items(text: &str, tag: &str) -> Vec<Item> {
    match tag {
        "markdown" | "rst" => headings(text),
        "toml" => tables(text),
        "yaml" => keys(text, ':', 2),
        "json" => keys(text, ':', 4),
        "sql" => outermost(text, |line| begins(line, &["create"])),
        "dockerfile" => outermost(text, |line| begins(line, &["from", "entrypoint", "cmd"])),
        "hcl" => outermost(text, |line| line.ends_with('{')),
        "makefile" | "just" => outermost(text, is_target),
        _ => declarations(text, tag),
    }
}

/// Headings with their marks, outside of fences; underlined ones too.
fn headings(text: &str) -> Vec<Item> {
    let mut items = Vec::new();
    let mut fence: Option<(u8, usize)> = None;
    let mut previous = "";
    for (at, line) in lines(text).enumerate() {
        let start = line.trim_start();
        match (fence, marks(start)) {
            (None, Some(opened)) => fence = Some(opened),
            // What closes a fence is as long as what opened it, and nothing follows.
            (Some((mark, n)), Some((same, n_closing)))
                if mark == same && n_closing >= n && start.trim_end().len() == n_closing =>
            {
                fence = None;
            }
            (Some(_), _) => {}
            (None, None) => {
                let level = line.bytes().take_while(|byte| *byte == b'#').count();
                if (1..=6).contains(&level) && line.as_bytes().get(level) == Some(&b' ') {
                    items.push(Item { at, depth: level - 1, line: line.to_owned() });
                } else if let Some(depth) = underline(line)
                    && !previous.trim().is_empty()
                {
                    items.push(Item { at: at.saturating_sub(1), depth, line: previous.to_owned() });
                }
            }
        }
        previous = line;
    }
    items
}

/// The letter of the fence that a line begins with, and how many of it there are.
fn marks(start: &str) -> Option<(u8, usize)> {
    let mark = start.bytes().next().filter(|first| matches!(first, b'`' | b'~'))?;
    let n_marks = start.bytes().take_while(|byte| *byte == mark).count();
    (n_marks >= 3).then_some((mark, n_marks))
}

/// The depth of the heading that a line of marks underlines.
fn underline(line: &str) -> Option<usize> {
    let mark = line.chars().next()?;
    let depth = ['=', '-', '~', '^'].iter().position(|known| *known == mark)?;
    (line.len() >= 3 && line.chars().all(|character| character == mark)).then_some(depth)
}

/// The tables of a TOML file, and the keys before the first.
fn tables(text: &str) -> Vec<Item> {
    let mut in_table = false;
    let items = lines(text).enumerate().filter_map(|(at, line)| {
        if line.starts_with('[') {
            in_table = true;
            return Some(Item { at, depth: 0, line: line.to_owned() });
        }
        let is_key = line.starts_with(|first: char| first.is_alphanumeric() || first == '"')
            && line.contains('=');
        is_key.then(|| Item { at, depth: usize::from(in_table), line: line.to_owned() })
    });
    items.collect()
}

/// Keys in the first two levels of indentation.
fn keys(text: &str, mark: char, indent: usize) -> Vec<Item> {
    let items = lines(text).enumerate().filter_map(|(at, line)| {
        let start = line.trim_start();
        // A tab is one step, as two blanks are.
        let tabs = line.bytes().take_while(|byte| *byte == b'\t').count();
        let width = line.len() - start.len() + tabs;
        let is_key = start.starts_with(|first: char| {
            first.is_alphanumeric() || matches!(first, '"' | '_' | '.' | '\'')
        });
        (is_key && width <= indent && start.contains(mark)).then(|| Item {
            at,
            depth: width.div_ceil(2),
            line: line.to_owned(),
        })
    });
    items.collect()
}

/// The lines at the margin that say what is made there.
fn outermost(text: &str, says: impl Fn(&str) -> bool) -> Vec<Item> {
    let at_margin = |line: &str| line.starts_with(|first: char| first.is_alphanumeric());
    let items = lines(text).map(str::trim_end).enumerate();
    items
        .filter(|(_, line)| at_margin(line) && says(line))
        .map(|(at, line)| Item { at, depth: 0, line: line.to_owned() })
        .collect()
}

/// Whether a line begins with one of these words, in capitals or not.
fn begins(line: &str, words: &[&str]) -> bool {
    let first = line.split_whitespace().next().unwrap_or_default();
    words.iter().any(|word| first.eq_ignore_ascii_case(word))
}

/// Whether a line names something to make, and is no variable.
fn is_target(line: &str) -> bool {
    line.split_once(':').is_some_and(|(name, rest)| !name.contains('=') && !rest.starts_with('='))
}

/// Whether a word may stand before the word that declares something.
fn is_modifier(word: &str) -> bool {
    matches!(
        word,
        "abstract"
            | "async"
            | "auto"
            | "constexpr"
            | "declare"
            | "default"
            | "export"
            | "extern"
            | "external"
            | "fileprivate"
            | "final"
            | "inline"
            | "internal"
            | "local"
            | "mutating"
            | "open"
            | "override"
            | "partial"
            | "private"
            | "protected"
            | "pub"
            | "public"
            | "readonly"
            | "sealed"
            | "static"
            | "suspend"
            | "unsafe"
            | "virtual"
    )
}

/// Whether a word declares something worth knowing.
fn is_declarer(word: &str) -> bool {
    matches!(
        word,
        "actor"
            | "class"
            | "concept"
            | "constructor"
            | "contract"
            | "data"
            | "def"
            | "defimpl"
            | "defmacro"
            | "defmodule"
            | "defn"
            | "defp"
            | "defprotocol"
            | "enum"
            | "extension"
            | "fn"
            | "fun"
            | "func"
            | "function"
            | "impl"
            | "instance"
            | "interface"
            | "library"
            | "macro"
            | "macro_rules!"
            | "message"
            | "method"
            | "mixin"
            | "mod"
            | "module"
            | "namespace"
            | "newtype"
            | "object"
            | "package"
            | "proc"
            | "protocol"
            | "record"
            | "rpc"
            | "service"
            | "struct"
            | "sub"
            | "template"
            | "trait"
            | "type"
            | "typealias"
            | "typedef"
            | "union"
            | "val"
    )
}

/// Words that declare something only at the outermost level.
const OUTER: &[&str] = &["const", "let", "static", "var", "module.exports", "exports"];

fn declarations(text: &str, tag: &str) -> Vec<Item> {
    let c_like = matches!(
        tag,
        "c" | "cpp" | "java" | "csharp" | "php" | "dart" | "javascript" | "typescript" | "tsx"
    );
    let mut items = Vec::new();
    let unit = indent_unit(text);
    for (at, line) in lines(text).enumerate() {
        let start = line.trim_start();
        if start.len() < 4
            || start.starts_with(['/', '#', '*', '"', '\'', '}', ')', '<', '@', '-', ';'])
                && !start.starts_with("#define ")
        {
            continue;
        }
        let depth = (line.len() - start.len()) / unit;
        if depth > 2 || says_only_where_from(start) {
            continue;
        }
        if is_declaration(start, depth)
            || start.starts_with("#define ")
            || c_like && (is_function(start, depth) || depth == 0 && names_function(start))
        {
            items.push(Item { at, depth, line: line.trim_end().to_owned() });
        }
    }
    items
}

/// Whether a line names what it takes from elsewhere, or the package that it is in.
pub(super) fn says_only_where_from(line: &str) -> bool {
    let is_package =
        line.strip_prefix("package ").is_some_and(|name| !name.trim_end().ends_with('{'));
    is_package && !line.contains("::") || line.contains("= require(")
}

/// A function that an assignment gives a name: `app.use = function use(fn) {`.
fn names_function(start: &str) -> bool {
    let value = start.split_once(" = ").map(|(_, value)| value.trim_start_matches("async "));
    start.ends_with('{') && value.is_some_and(|value| value.starts_with("function"))
}

/// How many bytes one step of indentation has here: a tab, or the smallest run of blanks.
fn indent_unit(text: &str) -> usize {
    let widths = lines(text)
        .take(400)
        .filter(|line| line.starts_with(' '))
        .map(|line| line.len() - line.trim_start().len());
    if lines(text).take(400).any(|line| line.starts_with('\t')) {
        return 1;
    }
    widths.filter(|width| *width >= 2).min().unwrap_or(4)
}

fn is_declaration(start: &str, depth: usize) -> bool {
    for word in start.split(|character: char| {
        character.is_whitespace() || matches!(character, '(' | '<' | ':' | '{')
    }) {
        // `pub(crate)` leaves `crate)` behind.
        if word.is_empty() || word.ends_with(')') || is_modifier(word) {
            continue;
        }
        return is_declarer(word) && start.len() > word.len() + 1
            || depth == 0 && OUTER.contains(&word);
    }
    false
}

/// A function without a word that declares it: a name, parentheses, and a body to come.
fn is_function(start: &str, depth: usize) -> bool {
    let Some((head, _)) = start.split_once('(') else { return false };
    let name =
        head.split_whitespace().next_back().unwrap_or_default().trim_start_matches(['*', '&']);
    let is_name = !name.is_empty()
        && name.chars().all(|character| {
            character.is_alphanumeric() || matches!(character, '_' | ':' | '~' | '$' | '#')
        });
    let is_control = matches!(
        head.split_whitespace().next().unwrap_or_default(),
        "if" | "for"
            | "while"
            | "switch"
            | "return"
            | "catch"
            | "else"
            | "do"
            | "throw"
            | "new"
            | "await"
            | "case"
            | "sizeof"
            | "assert"
    );
    let opens = start.ends_with('{') || start.ends_with(',') || start.ends_with(')') && depth == 0;
    is_name
        && !is_control
        && opens
        && !head.contains(['=', '.', '"'])
        && (depth > 0 || head.contains(' ') || start.ends_with('{'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, tag: &str, expect: &[&str]) {
        let items = items(text, tag);
        let lines: Vec<&str> = items.iter().map(|item| item.line.as_str()).collect();
        assert_eq!(lines, expect);
    }

    #[test]
    fn documents_are_outlined_by_their_headings() {
        check("# A\ntext\n```\n# no\n```\n## B\n\nC\n===\n", "markdown", &["# A", "## B", "C"]);
        let nested = "# A\n````md\n```sh\n# no\n```\n# no\n````\n~~~ x\n# no\n```\n~~~\n# B\n";
        check(nested, "markdown", &["# A", "# B"]);
    }

    #[test]
    fn settings_are_outlined_by_their_tables_and_keys() {
        check("x = 1\n[a]\ny = 2\n# c\n[[b]]\n", "toml", &["x = 1", "[a]", "y = 2", "[[b]]"]);
        let tabs = "{\n\t\"a\": {\n\t\t\"b\": {\n\t\t\t\"c\": 1\n";
        check(tabs, "json", &["\t\"a\": {", "\t\t\"b\": {"]);
        check("on:\n  push:\n    branches: x\njobs:\n", "yaml", &["on:", "  push:", "jobs:"]);
    }

    #[test]
    fn files_of_statements_are_outlined_by_what_is_made_there() {
        check(
            "CREATE TABLE cup (\n  id int\n);\nINSERT INTO cup VALUES (1);\ncreate view v as\n",
            "sql",
            &["CREATE TABLE cup (", "create view v as"],
        );
        check(
            "FROM a AS b\nRUN x\nFROM c\nCMD [\"d\"]\n",
            "dockerfile",
            &["FROM a AS b", "FROM c", "CMD [\"d\"]"],
        );
        check("variable \"x\" {\n  y = 1\n}\nz = 1\n", "hcl", &["variable \"x\" {"]);
        check(
            "X := 1\nY=a:b\n.PHONY: all\nall: build\n\techo a: b\nbuild:\n",
            "makefile",
            &["all: build", "build:"],
        );
    }

    #[test]
    fn what_a_file_takes_from_elsewhere_is_not_what_is_in_it() {
        check("package fzf\n\nfunc Run() {\n", "go", &["func Run() {"]);
        check(
            "var http = require('http');\nvar app = exports;\napp.use = function use(fn) {\n",
            "javascript",
            &["var app = exports;", "app.use = function use(fn) {"],
        );
        check("package Tea::Pot;\nsub pour {\n", "perl", &["package Tea::Pot;", "sub pour {"]);
    }

    #[test]
    fn code_of_no_known_language_is_outlined_by_its_declarations() {
        check(
            "module Kettle\n  def boil(degrees)\n    x = 1\n  end\nend\n",
            "x",
            &["module Kettle", "  def boil(degrees)"],
        );
        check(
            "int boil(int degrees) {\n  if (x) {\n  return boil(1);\n}\n",
            "c",
            &["int boil(int degrees) {"],
        );
    }
}
