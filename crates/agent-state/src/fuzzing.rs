//! What the fuzz targets call: one function a target, which panics where a promise is broken.
//!
//! Compiled by cargo-fuzz only, and never part of the tool.

use std::cell::RefCell;
use std::collections::HashMap;

use common::clock::Timestamp;
use common::fleet;
use common::fleet::liveness::Here;
use common::sqlite::Database;
use rusqlite::types::Value;

use crate::cmd::agent::object;
use crate::store::{Stop, import};
use crate::value::{Json, Reading};

/// A text that comes in as a value, an entry or metadata: what is taken as JSON stays the JSON that it was.
pub fn json(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    let quoted = Json::string(text);
    assert_eq!(quoted.raw(), text, "a string comes out as it went in");
    let Ok(guessed) = Json::read(text, Reading::Guess) else { return };
    match Json::read(text, Reading::Json) {
        Ok(json) => {
            assert_eq!(json, guessed, "what is JSON is taken as JSON");
            let meaning = |text| serde_json::from_str::<serde_json::Value>(text).ok();
            assert_eq!(meaning(text), meaning(json.as_str()), "blanks do not change the meaning");
        }
        Err(_) => assert_eq!(guessed, quoted, "what is no JSON is a string"),
    }
    let again = Json::read(guessed.as_str(), Reading::Json);
    assert!(again.is_ok_and(|again| again == guessed), "what is stored is read again: {guessed:?}");
    let shown = serde_json::to_string(&guessed);
    assert!(
        shown.is_ok_and(|shown| shown == guessed.as_str()),
        "it is shown as stored: {guessed:?}"
    );
    let _ = guessed.raw();
    if let Ok(metadata) = object(text) {
        assert!(object(&metadata.to_string()).is_ok(), "metadata stays an object: {metadata}");
    }
}

/// A graph of work: what is accepted can be walked from its first nodes to its last.
pub fn graph(text: &[u8]) {
    crate::task::graph::check::graph(text);
}

/// Rows of the Python tool, one a line: they are taken or skipped, and stop neither the tool nor the database.
///
/// A line is `table<TAB>column=value<TAB>…`; `#` begins an integer, `~` a real number, `!` a blob.
pub fn import(rows: &[u8]) {
    thread_local! {
        static FLEET: RefCell<Option<(tempfile::TempDir, Database)>> = RefCell::new(open());
    }
    let Ok(text) = std::str::from_utf8(rows) else { return };
    let rows: Vec<_> = text.lines().take(16).map(row).collect();
    FLEET.with_borrow_mut(|fleet| {
        let Some((_, database)) = fleet else { panic!("the database for the fuzz target opens") };
        // Nothing is kept, so that each input meets the same empty database.
        let undone = database.write("import rows into", |tx| -> rusqlite::Result<()> {
            for _ in 0..2 {
                match import::take_rows(tx, rows.clone(), &Here::now(), Timestamp(NOW)) {
                    Ok(_) => {}
                    Err(Stop::No(no)) => panic!("an import has no honest no: {no}"),
                    Err(Stop::Sql(error)) => panic!("the database refuses a row: {error}"),
                }
            }
            Err(rusqlite::Error::QueryReturnedNoRows)
        });
        assert!(undone.is_err());
    });
}

/// 2026-01-01, so that some leases of the rows still run and others do not.
const NOW: i64 = 1_767_225_600_000;

fn open() -> Option<(tempfile::TempDir, Database)> {
    let folder = tempfile::tempdir().ok()?;
    let database = fleet::open_for_test(folder.path()).ok()?;
    Some((folder, database))
}

fn row(line: &str) -> (String, HashMap<String, Value>) {
    let mut parts = line.split('\t');
    let table = parts.next().unwrap_or_default().to_owned();
    let fields = parts.filter_map(|part| part.split_once('='));
    (table, fields.map(|(column, text)| (column.to_owned(), value(text))).collect())
}

fn value(text: &str) -> Value {
    match text.split_at_checked(1) {
        Some(("#", number)) => number.parse().map_or(Value::Null, Value::Integer),
        Some(("~", number)) => number.parse().map_or(Value::Null, Value::Real),
        Some(("!", bytes)) => Value::Blob(bytes.into()),
        _ => Value::Text(text.to_owned()),
    }
}
