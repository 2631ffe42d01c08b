//! The errors that are no honest "no": the words of what was asked wrongly, and of what is broken or busy.

use serde_json::{Map, Value, json};

/// Each word with its exit code and what it says.
const FAULTS: &[(&str, u8, &str)] = &[
    ("usage", 2, "the parameters are wrong"),
    (
        "bad_name",
        2,
        "a name is empty, too long, has control characters, or is the id of another agent",
    ),
    ("bad_value", 2, "a value is no JSON, or too large, or nested too deeply"),
    ("bad_json", 2, "what must be a JSON object is none"),
    ("bad_graph", 2, "a graph has a cycle, an unknown or a double id, or is none"),
    ("too_large", 2, "a file has more than 1 MiB"),
    ("same_file", 2, "a copy of the database would overwrite it"),
    ("server_database", 3, "a server keeps the database, and the command is for a file"),
    ("password_in_argument", 2, "the password of a database stands in an argument"),
    ("not_a_file", 3, "a path leads to no regular file"),
    ("not_importable", 3, "a file is no database of the Python tool"),
    ("other_fingerprint", 3, "the key of an action is used for another deed"),
    ("copy_differs", 3, "a copied database differs from the original, and was undone"),
    ("damaged", 3, "the database is damaged"),
    ("database", 3, "the database cannot be used"),
    ("newer_database", 3, "the database is that of a newer release"),
    ("foreign_database", 3, "the database is that of another program"),
    ("scheme", 3, "the database is a URL that this build cannot open"),
    ("not_a_url", 2, "what was meant to name a server is no URL"),
    ("file", 3, "a file or a directory cannot be read, made or written"),
    ("process", 3, "the system refused something about processes"),
    ("output", 3, "standard output cannot be written"),
    ("no_home", 3, "there is no home directory"),
    ("failed", 3, "something else went wrong"),
    ("url", 3, "the URL of the database is wrong"),
    ("parameter", 3, "a parameter of the URL, or a variable for it, is wrong"),
    ("service", 3, "the service file of the database is wrong, or does not have the service"),
    ("connect", 3, "the server of the database lets nobody in as it was asked to"),
    ("busy", 4, "the database stayed busy past its time"),
    ("unreachable", 4, "the server of the database cannot be reached now"),
    ("bug", 70, "a bug of ours"),
];

/// What any command can meet; the others stand at the commands that answer with them.
const ANYWHERE: &[&str] = &[
    "usage",
    "password_in_argument",
    "database",
    "newer_database",
    "foreign_database",
    "scheme",
    "not_a_url",
    "file",
    "process",
    "output",
    "no_home",
    "failed",
    "url",
    "parameter",
    "service",
    "connect",
    "busy",
    "unreachable",
    "bug",
];

/// All of them by their words.
pub(super) fn describe() -> Value {
    let described = FAULTS.iter().map(|(word, exit_code, about)| {
        let anywhere = ANYWHERE.contains(word);
        let facts = json!({ "exit_code": exit_code, "about": about, "anywhere": anywhere });
        ((*word).to_owned(), facts)
    });
    Value::Object(described.collect::<Map<_, _>>())
}

/// The words that some commands answer with.
#[cfg(test)]
pub(super) fn of_some_commands() -> Vec<&'static str> {
    FAULTS.iter().map(|(word, ..)| *word).filter(|word| !ANYWHERE.contains(word)).collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use common::Error as Shared;
    use common::report::Explain;

    use super::*;
    use crate::error::Error;
    use crate::task::graph::GraphError;
    use crate::value::ValueError;

    /// Words whose errors cannot be made here: tests of the command line meet them.
    const MET_ELSEWHERE: [&str; 9] = [
        "usage",
        "bug",
        "failed",
        "other_fingerprint",
        "url",
        "parameter",
        "service",
        "connect",
        "unreachable",
    ];

    #[test]
    fn the_table_says_of_each_error_what_it_says_itself() {
        let path = || PathBuf::from("x");
        let io = || std::io::Error::from(std::io::ErrorKind::Other);
        let source = || rusqlite::Error::InvalidQuery;
        let errors: Vec<Box<dyn Explain>> = vec![
            Box::new(Error::Name(common::name::NameError::Empty)),
            Box::new(Error::Value(ValueError::TooLarge)),
            Box::new(Error::NotAnObject { what: "x", why: String::new() }),
            Box::new(Error::Graph(GraphError::Empty)),
            Box::new(Error::FileTooLarge { path: path() }),
            Box::new(Error::BackupOntoItself { path: path() }),
            Box::new(Error::BackupOfServer { name: path() }),
            #[cfg(feature = "postgres")]
            Box::new(Shared::PasswordInArgument),
            Box::new(Error::NotAFile { path: path(), what: "x" }),
            Box::new(Error::NotImportable { path: path() }),
            Box::new(Error::CopyDiffers { table: "x" }),
            Box::new(Error::Damaged { path: path(), damage: String::new() }),
            Box::new(Shared::Database { doing: "x", path: path(), source: source() }),
            Box::new(Shared::Newer { path: path(), found: 2, known: 1 }),
            Box::new(Shared::Foreign { path: path() }),
            Box::new(Shared::Scheme { scheme: String::new() }),
            Box::new(Shared::NotAUrl),
            Box::new(Shared::File { doing: "x", path: path(), source: io() }),
            Box::new(Shared::Process { doing: "x", source: io() }),
            Box::new(Shared::Output(io())),
            Box::new(Shared::NoHome),
            Box::new(Shared::Busy { path: path(), source: source().into() }),
        ];
        let said: Vec<(&str, u8)> =
            errors.iter().map(|error| (error.code(), error.exit().code())).collect();
        let listed: Vec<(&str, u8)> = FAULTS
            .iter()
            .map(|(word, exit_code, _)| (*word, *exit_code))
            .filter(|(word, _)| !MET_ELSEWHERE.contains(word))
            .collect();
        assert_eq!(said, listed);
    }
}
