//! Edits of `guard.toml` that keep its comments, its order and its spacing.

use std::collections::BTreeSet;
use std::path::Path;

use common::{atomic, place};
use toml_edit::{Array, DocumentMut, Item, Table, Value, value};

use super::Settings;
use crate::error::Error;

/// One change of a job's table.
pub(crate) enum Change {
    Text(&'static str, String),
    Number(&'static str, i64),
    Flag(&'static str, bool),
    List(&'static str, Vec<String>),
    /// Takes the key away: `every` and `schedule` exclude each other.
    Remove(&'static str),
}

/// What came of an edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edited {
    Done,
    /// It is declared already.
    Exists,
    /// It is not declared.
    Absent,
}

/// The file, ready for changes.
pub(crate) struct Editor {
    document: DocumentMut,
    begins_empty: bool,
    /// The jobs whose schedule was wrong before any change.
    misdeclared: BTreeSet<String>,
}

impl Editor {
    /// Opens the text of the file.
    pub(crate) fn parse(path: &Path, text: &str) -> Result<Self, Error> {
        let document = text.parse().map_err(|error: toml_edit::TomlError| {
            Error::settings(path, text, error.span(), error.message())
        })?;
        let misdeclared = Settings::parse(path.to_path_buf(), text.to_owned())
            .map(|before| before.misdeclared().into_keys().map(ToOwned::to_owned).collect())
            .unwrap_or_default();
        Ok(Self { document, begins_empty: text.starts_with('\n'), misdeclared })
    }

    /// Declares a job.
    pub(crate) fn add(&mut self, job: &str, changes: &[Change]) -> Edited {
        if self.job(job).is_some() {
            return Edited::Exists;
        }
        let jobs = self.document.entry("job").or_insert_with(|| {
            let mut jobs = Table::new();
            // Without this there would be an empty `[job]` in front of the jobs.
            jobs.set_implicit(true);
            Item::Table(jobs)
        });
        if let Some(jobs) = jobs.as_table_like_mut() {
            jobs.insert(job, Item::Table(Table::new()));
        }
        self.edit(job, changes)
    }

    /// Changes a declaration.
    pub(crate) fn edit(&mut self, job: &str, changes: &[Change]) -> Edited {
        let Some(table) = self.job(job) else { return Edited::Absent };
        for change in changes {
            match change {
                Change::Text(key, text) => put(table, key, text.as_str().into()),
                Change::Number(key, number) => put(table, key, (*number).into()),
                Change::Flag(key, flag) => put(table, key, (*flag).into()),
                Change::List(key, items) => {
                    put(table, key, items.iter().collect::<Array>().into());
                }
                Change::Remove(key) => {
                    table.remove(key);
                }
            }
        }
        Edited::Done
    }

    /// Removes a declaration.
    pub(crate) fn remove(&mut self, job: &str) -> Edited {
        let jobs = self.document.get_mut("job").and_then(Item::as_table_like_mut);
        match jobs.and_then(|jobs| jobs.remove(job)) {
            Some(_) => Edited::Done,
            None => Edited::Absent,
        }
    }

    /// Whether a job's table has no other keys than these.
    pub(crate) fn has_only(&mut self, job: &str, keys: &[&str]) -> bool {
        self.job(job).is_some_and(|table| table.iter().all(|(key, _)| keys.contains(&key)))
    }

    fn job(&mut self, job: &str) -> Option<&mut dyn toml_edit::TableLike> {
        self.document.get_mut("job")?.as_table_like_mut()?.get_mut(job)?.as_table_like_mut()
    }

    /// The file as it says now.
    pub(crate) fn text(&self) -> String {
        let text = self.document.to_string();
        // A table that was the first leaves the empty line behind it at the top.
        if self.begins_empty { text } else { text.trim_start_matches('\n').to_owned() }
    }

    /// The settings as they will be. What is wrong then was wrong in the change, for the file was read.
    pub(crate) fn outcome(&self, path: &Path) -> anyhow::Result<Settings> {
        let settings = Settings::parse(path.to_path_buf(), self.text()).and_then(|settings| {
            // What was wrong before must not keep anybody from changing another job.
            let mut wrong = settings.misdeclared();
            wrong.retain(|job, _| !self.misdeclared.contains(*job));
            let first = wrong.into_values().next();
            first.map_or(Ok(settings), |error| Err(error.into()))
        });
        settings.map_err(|error| match error.downcast::<Error>() {
            Ok(Error::Settings { message, .. }) => Error::Usage(message).into(),
            Ok(other) => other.into(),
            Err(error) => error,
        })
    }

    /// Writes the file, if what it says now is understood. Nothing is written otherwise.
    pub(crate) fn save(&self, path: &Path) -> anyhow::Result<()> {
        self.outcome(path)?;
        write(path, &self.text())?;
        Ok(())
    }
}

fn write(path: &Path, text: &str) -> Result<(), common::Error> {
    // The file may be a link into a repository; the link stays.
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    if let Some(folder) = target.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        place::private_dir(folder)?;
    }
    let mode = std::fs::metadata(&target)
        .map_or(0o600, |file| std::os::unix::fs::PermissionsExt::mode(&file.permissions()) & 0o777);
    atomic::write(&target, text.as_bytes(), mode)
}

/// Undoes a change: the file is again as it was when `before` was read, or gone where there was none.
pub(crate) fn restore(before: &Settings) -> Result<(), common::Error> {
    if before.exists {
        return write(&before.path, before.text());
    }
    std::fs::remove_file(&before.path).map_err(common::error::file("remove", &before.path))
}

/// Sets a key, and keeps the comment that stands behind its former value.
fn put(table: &mut dyn toml_edit::TableLike, key: &str, mut new: Value) {
    if let Some(old) = table.get(key).and_then(Item::as_value) {
        *new.decor_mut() = old.decor().clone();
    }
    table.insert(key, value(new));
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# The fleet.\n[defaults]\nthreshold = 3 # three strikes\n\n# Nightly things.\n[job.nightly]\nschedule = \"0 2 * * *\"   # after the backup\nowner = 'ops'\n";

    fn edited(change: impl FnOnce(&mut Editor) -> Edited) -> (Edited, String) {
        let mut editor = Editor::parse(Path::new("/g.toml"), FILE).unwrap();
        let edited = change(&mut editor);
        (edited, editor.document.to_string())
    }

    #[test]
    fn an_edit_changes_what_it_names_and_nothing_else() {
        let (done, text) = edited(|editor| {
            editor.edit("nightly", &[Change::Text("schedule", "0 3 * * *".into())])
        });
        assert_eq!(done, Edited::Done);
        assert_eq!(text, FILE.replace("0 2 * * *", "0 3 * * *"));
    }

    #[test]
    fn a_job_is_added_behind_the_others_and_removed_without_a_trace() {
        let (done, text) = edited(|editor| {
            editor.add(
                "new job",
                &[Change::Text("every", "1h".into()), Change::Number("threshold", 2)],
            )
        });
        assert_eq!(done, Edited::Done);
        assert_eq!(text, format!("{FILE}\n[job.\"new job\"]\nevery = \"1h\"\nthreshold = 2\n"));
        let mut editor = Editor::parse(Path::new("/g.toml"), &text).unwrap();
        assert_eq!(editor.remove("new job"), Edited::Done);
        assert_eq!(editor.document.to_string(), FILE);
        assert_eq!(editor.remove("new job"), Edited::Absent);
    }

    #[test]
    fn adding_twice_and_editing_nothing_are_told() {
        assert_eq!(edited(|editor| editor.add("nightly", &[])).0, Edited::Exists);
        assert_eq!(edited(|editor| editor.edit("other", &[])).0, Edited::Absent);
        let mut editor = Editor::parse(Path::new("/g.toml"), "").unwrap();
        assert_eq!(editor.add("a", &[]), Edited::Done);
        assert_eq!(editor.document.to_string(), "[job.a]\n");
    }
}
