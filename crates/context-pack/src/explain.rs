//! What `--explain`, `--list` and `--stats` say about a pack.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;

use common::out::sanitize;
use common::table::Columns;
use serde_json::{Value as Json, json};

use crate::pack::{File, Pack};
use crate::request::Request;

/// Files that were not packed and are still worth a row of the table.
const PASSED_OVER: usize = 25;

/// The table for people.
pub(crate) fn table(pack: &Pack) -> String {
    let mut table = Columns::new([
        "FILE", "KIND", "VALUE", "BASE", "MOVED", "RELATED", "CHANGED", "FOCUS", "DEPTH", "TOKENS",
    ]);
    let mut n_passed_over = 0;
    for file in &pack.files {
        if file.depth.is_none() {
            n_passed_over += 1;
            if n_passed_over > PASSED_OVER {
                continue;
            }
        }
        let value = &file.value;
        table.row([
            file.name.clone(),
            value.kind.word().to_owned(),
            number(value.total()),
            number(value.base),
            number(value.movement),
            number(value.related),
            number(value.changed),
            number(value.focus),
            depth(file).to_owned(),
            if file.n_tokens == 0 { "-".to_owned() } else { file.n_tokens.to_string() },
        ]);
    }
    let mut text = table.render();
    let n_hidden = n_passed_over.saturating_sub(PASSED_OVER);
    if n_hidden > 0 {
        let _ = write!(text, "\n… {n_hidden} more files not packed …");
    }
    text
}

/// One object a file and line, for programs.
pub(crate) fn objects(pack: &Pack) -> String {
    let mut text = String::new();
    for file in &pack.files {
        let value = &file.value;
        let object = json!({
            "path": file.name,
            "kind": value.kind.word(),
            "value": rounded(value.total()),
            "base": rounded(value.base),
            "moved": rounded(value.movement),
            "related": rounded(value.related),
            "changed": rounded(value.changed),
            "focus": rounded(value.focus),
            "depth": depth(file),
            "tokens": file.n_tokens,
        });
        let _ = writeln!(text, "{object}");
    }
    text
}

/// The packed files as one document, for programs.
pub(crate) fn list(pack: &Pack) -> Json {
    json!({ "files": packed(pack) })
}

/// The names of the packed files as the disk has them, each ended by NUL.
pub(crate) fn raw_names(pack: &Pack) -> Vec<u8> {
    let mut names = Vec::new();
    for file in pack.packed() {
        names.extend_from_slice(file.path.as_os_str().as_bytes());
        names.push(0);
    }
    names
}

fn packed(pack: &Pack) -> Vec<Json> {
    let object =
        |file: &File| json!({ "path": file.name, "depth": depth(file), "tokens": file.n_tokens });
    pack.packed().map(object).collect()
}

/// What `--stats` writes.
pub(crate) fn stats(pack: &Pack, request: &Request) -> Json {
    let left_out: serde_json::Map<String, Json> = pack
        .left_out
        .iter()
        .map(|(reason, count)| (reason.plural().replace(' ', "_"), json!(count)))
        .collect();
    let files = packed(pack);
    json!({
        "files_scanned": pack.n_scanned,
        "files_packed": files.len(),
        "characters": pack.document.chars().count(),
        "bytes": pack.document.len(),
        "tokens": pack.n_tokens,
        "budget": request.budget.asked.0,
        "limit": pack.limit,
        "tokenizer": request.budget.tokenizer.name(),
        "left_out": left_out,
        "redacted": pack.redacted,
        "agents": pack.agents,
        "problems": pack.problems.iter().map(|problem| sanitize(problem)).collect::<Vec<_>>(),
        "files": files,
    })
}

fn depth(file: &File) -> &'static str {
    file.depth.map_or("-", crate::render::Depth::word)
}

fn number(value: f64) -> String {
    if value == 0.0 { "-".to_owned() } else { format!("{value:.3}") }
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
