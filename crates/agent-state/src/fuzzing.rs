//! What the fuzz targets call: one function a target, which panics where a promise is broken.
//!
//! Compiled by cargo-fuzz only, and never part of the tool.

use std::cell::RefCell;
use std::collections::HashMap;

use common::clock::Timestamp;
use common::fleet;
use common::fleet::liveness::Here;
use common::sql::{self, Value};
use common::sqlite::Database;

use crate::cmd::agent::object;
use crate::store::{Stop, import};
use crate::value::{Json, Reading};
use crate::wire::call::{Caller, Parser};
use crate::wire::{self, Request};

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

/// A line that comes in as a request: it is answered in one line of JSON, and what it names is what is called.
pub fn request(line: &[u8]) {
    // Lines are told apart before they are read.
    if line.contains(&b'\n') {
        return;
    }
    let text = match Request::read(line) {
        Ok(request) => {
            let caller = Caller { run: None, is_elsewhere: true };
            match Parser::get().read(&request, &caller) {
                Ok(call) => {
                    assert!(call.facts.is_callable(), "only what can be called is called");
                    assert!(call.cli.database.db.is_none(), "a request names no database");
                    assert!(call.cli.output.json, "a request is answered with JSON");
                    let noun = format!("{:?}", call.cli.noun).to_lowercase();
                    let first = request.method.split(['.', '_']).next().unwrap_or_default();
                    assert!(noun.starts_with(first), "{} became {noun}", request.method);
                    wire::answer(request.id, Ok("null"))
                }
                Err(failure) => wire::answer(request.id, Err(&failure)),
            }
        }
        Err((id, failure)) => wire::answer(id, Err(&failure)),
    };
    assert!(text.ends_with('\n') && text.matches('\n').count() == 1, "one line: {text:?}");
    let answer: serde_json::Value = match serde_json::from_str(&text) {
        Ok(answer) => answer,
        // An id may be deeper than a reader follows; it is given back all the same.
        Err(_) if text.matches(['[', '{']).count() > 120 => return,
        Err(error) => panic!("{error}: {text}"),
    };
    assert!(answer.get("result").is_some() != answer.get("error").is_some(), "{text}");
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
        let undone = database.write("import rows into", |tx| -> sql::Result<()> {
            for _ in 0..2 {
                match import::take_rows(tx, rows.clone(), &Here::now(), Timestamp(NOW)) {
                    Ok(_) => {}
                    Err(Stop::No(no)) => panic!("an import has no honest no: {no}"),
                    Err(Stop::Sql(error)) => panic!("the database refuses a row: {error}"),
                }
            }
            Err(sql::Error::NoRow)
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
