//! What the rows of an export mean for the credentials of a vault.
//!
//! The identity is (service, username). The same password: one credential with all addresses.
//! Another password: both are kept, unless the user said otherwise; an overwrite never counts as
//! an import, and rows of one file never replace each other.

use std::collections::HashMap;

use common::clock::Timestamp;

use super::{Row, Skipped};
use crate::credential::Credential;
use crate::secret::Secret;
use crate::service;

/// What to do with an account that is there with another password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conflicts {
    KeepBoth,
    Skip,
    Replace,
}

/// An account that the vault or the file has with another password, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conflict {
    pub(crate) line: u64,
    pub(crate) service: String,
    pub(crate) username: String,
}

/// What is to be done.
#[derive(Default)]
pub(crate) struct Plan {
    pub(crate) new: Vec<Credential>,
    pub(crate) changed: Vec<Credential>,
    pub(crate) n_merged: usize,
    pub(crate) n_replaced: usize,
    pub(crate) conflicts: Vec<Conflict>,
    pub(crate) skipped: Vec<Skipped>,
}

/// The state of a credential while the rows go by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Untouched,
    Changed,
    New,
}

/// Decides about every row. `existing` is what the vault has.
pub(crate) fn plan(
    existing: Vec<Credential>,
    rows: &[Row],
    conflicts: Conflicts,
    now: Timestamp,
) -> Plan {
    let mut plan = Plan::default();
    let mut all: Vec<(Credential, State)> =
        existing.into_iter().map(|one| (one, State::Untouched)).collect();
    let mut accounts: HashMap<(String, String), Vec<usize>> =
        HashMap::with_capacity(all.len() + rows.len());
    for (place, (one, _)) in all.iter().enumerate() {
        accounts.entry((one.service.clone(), one.username.clone())).or_default().push(place);
    }
    for row in rows {
        let Some(service) = service_of(row) else {
            plan.skipped
                .push(Skipped { line: row.line, reason: "it has neither a URL nor a name" });
            continue;
        };
        let places = accounts.entry((service.clone(), row.username.clone())).or_default();
        let same = places.iter().copied().find(|place| {
            all.get(*place).is_some_and(|(one, _)| one.password.is_same(&row.password))
        });
        if let Some((one, state)) = same.and_then(|place| all.get_mut(place)) {
            if merge(one, row) && *state == State::Untouched {
                *state = State::Changed;
            }
            if *state == State::Changed {
                one.updated_at = now;
            }
            plan.n_merged += 1;
            continue;
        }
        if !places.is_empty() {
            plan.conflicts.push(Conflict {
                line: row.line,
                service: service.clone(),
                username: row.username.clone(),
            });
            let old = places
                .iter()
                .copied()
                .rfind(|place| all.get(*place).is_some_and(|(_, state)| *state != State::New));
            match (conflicts, old.and_then(|place| all.get_mut(place))) {
                (Conflicts::Skip, _) => {
                    plan.skipped.push(Skipped {
                        line: row.line,
                        reason: "the account is there with another password",
                    });
                    continue;
                }
                (Conflicts::Replace, Some((one, state))) => {
                    one.password = row.password.duplicate();
                    one.updated_at = now;
                    merge(one, row);
                    *state = State::Changed;
                    plan.n_replaced += 1;
                    continue;
                }
                (Conflicts::KeepBoth | Conflicts::Replace, _) => {}
            }
        }
        places.push(all.len());
        all.push((credential(row, service, now), State::New));
    }
    for (one, state) in all {
        match state {
            State::Untouched => {}
            State::Changed => plan.changed.push(one),
            State::New => plan.new.push(one),
        }
    }
    plan
}

/// The service that a row belongs to.
pub(crate) fn service_of(row: &Row) -> Option<String> {
    if row.is_named && !row.name.is_empty() {
        return Some(row.name.clone());
    }
    service::of(row.urls.first().map_or("", String::as_str), &row.name)
}

fn credential(row: &Row, service: String, now: Timestamp) -> Credential {
    let created_at = row.created_at.unwrap_or(now);
    Credential {
        id: 0,
        service,
        username: row.username.clone(),
        urls: row.urls.clone(),
        password: row.password.duplicate(),
        note: row.note.duplicate(),
        fields: row.fields.iter().map(|(name, value)| (name.clone(), value.duplicate())).collect(),
        expires_at: None,
        created_at,
        updated_at: row.updated_at.unwrap_or(created_at),
    }
}

/// Adds to a credential what a row of the same account knows more. Returns whether it changed.
fn merge(one: &mut Credential, row: &Row) -> bool {
    let mut is_changed = false;
    for url in &row.urls {
        if !one.urls.contains(url) {
            one.urls.push(url.clone());
            is_changed = true;
        }
    }
    if !one.note.expose().contains(row.note.expose()) {
        let joined = if one.note.is_empty() {
            row.note.duplicate()
        } else {
            Secret::new(format!("{}\n{}", one.note.expose(), row.note.expose()))
        };
        one.note = joined;
        is_changed = true;
    }
    for (name, value) in &row.fields {
        if !has_value(one, value) {
            let mut unique = name.clone();
            let mut number = 2;
            while one.field(&unique).is_some() {
                unique = format!("{name}-{number}");
                number += 1;
            }
            one.fields.push((unique, value.duplicate()));
            is_changed = true;
        }
    }
    is_changed
}

fn has_value(one: &Credential, value: &Secret) -> bool {
    one.fields.iter().any(|(_, own)| own.is_same(value))
}

/// The rows that a vault does not hold exactly; none after an import that went well.
pub(crate) fn missing_from(stored: &[Credential], rows: &[Row]) -> Vec<u64> {
    let mut accounts: HashMap<(&str, &str), Vec<&Credential>> =
        HashMap::with_capacity(stored.len());
    for one in stored {
        accounts.entry((&one.service, &one.username)).or_default().push(one);
    }
    let is_there = |row: &Row| {
        let Some(service) = service_of(row) else { return false };
        accounts.get(&(service.as_str(), row.username.as_str())).is_some_and(|candidates| {
            candidates.iter().any(|one| {
                one.password.is_same(&row.password)
                    && row.urls.iter().all(|url| one.urls.contains(url))
                    && one.note.expose().contains(row.note.expose())
                    && row.fields.iter().all(|(_, value)| has_value(one, value))
            })
        })
    };
    rows.iter().filter(|row| !is_there(row)).map(|row| row.line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_767_225_600_000);

    fn row(line: u64, url: &str, username: &str, password: &str) -> Row {
        let mut row = Row::new(line);
        row.urls = vec![url.to_owned()];
        username.clone_into(&mut row.username);
        row.password = Secret::new(password);
        row
    }

    /// The credentials of a vault after a plan.
    fn applied(existing: Vec<Credential>, plan: Plan) -> Vec<Credential> {
        let mut all = existing;
        for changed in plan.changed {
            all.retain(|one| one.id != changed.id);
            all.push(changed);
        }
        for (id, mut new) in (100..).zip(plan.new) {
            new.id = id;
            all.push(new);
        }
        all
    }

    fn copies(all: &[Credential]) -> Vec<Credential> {
        all.iter().map(Credential::duplicate).collect()
    }

    #[test]
    fn two_accounts_of_one_site_are_two_credentials() {
        let rows =
            [row(2, "https://github.com/", "a", "1"), row(3, "https://github.com/", "b", "2")];
        let plan = plan(Vec::new(), &rows, Conflicts::KeepBoth, NOW);
        assert_eq!((plan.new.len(), plan.n_merged, plan.conflicts.len()), (2, 0, 0));
    }

    #[test]
    fn the_same_login_is_merged_and_its_addresses_joined() {
        let mut second = row(3, "https://www.github.com/login", "a", "1");
        second.note = Secret::new("codes");
        second.add_field("totp", "otpauth://x".to_owned());
        let rows = [row(2, "https://github.com/", "a", "1"), second];
        let plan = plan(Vec::new(), &rows, Conflicts::KeepBoth, NOW);
        assert_eq!((plan.new.len(), plan.n_merged), (1, 1));
        assert_eq!(plan.new[0].urls, ["https://github.com/", "https://www.github.com/login"]);
        assert_eq!(plan.new[0].field("note"), Some("codes"));
        assert!(missing_from(&plan.new, &rows).is_empty());
    }

    #[test]
    fn another_password_is_kept_beside_the_old_one_and_reported() {
        let rows = [row(2, "https://a.com/", "a", "1"), row(3, "https://a.com/", "a", "2")];
        let plan = plan(Vec::new(), &rows, Conflicts::KeepBoth, NOW);
        assert_eq!(plan.new.len(), 2);
        assert_eq!(
            plan.conflicts,
            [Conflict { line: 3, service: "a.com".to_owned(), username: "a".to_owned() }]
        );
        assert!(missing_from(&plan.new, &rows).is_empty());
    }

    #[test]
    fn a_second_import_of_the_same_file_changes_nothing() {
        let rows = [row(2, "https://a.com/", "a", "1"), row(3, "https://a.com/", "a", "2")];
        let first = applied(Vec::new(), plan(Vec::new(), &rows, Conflicts::KeepBoth, NOW));
        let again = plan(copies(&first), &rows, Conflicts::KeepBoth, NOW);
        assert_eq!((again.new.len(), again.changed.len(), again.n_merged), (0, 0, 2));
    }

    #[test]
    fn skip_keeps_the_old_password_and_replace_takes_the_new_one_but_not_within_one_file() {
        let old = applied(
            Vec::new(),
            plan(Vec::new(), &[row(1, "https://a.com/", "a", "old")], Conflicts::KeepBoth, NOW),
        );
        let rows = [row(2, "https://a.com/", "a", "new")];
        let skipped = plan(copies(&old), &rows, Conflicts::Skip, NOW);
        assert_eq!((skipped.new.len(), skipped.changed.len(), skipped.skipped.len()), (0, 0, 1));
        assert_eq!(missing_from(&old, &rows), [2]);

        let replaced = plan(copies(&old), &rows, Conflicts::Replace, NOW);
        assert_eq!((replaced.new.len(), replaced.n_replaced), (0, 1));
        assert_eq!(replaced.changed[0].password.expose(), "new");

        let twice = [row(2, "https://b.com/", "b", "1"), row(3, "https://b.com/", "b", "2")];
        assert_eq!(plan(Vec::new(), &twice, Conflicts::Replace, NOW).new.len(), 2);
    }

    #[test]
    fn a_row_that_belongs_nowhere_is_listed() {
        let rows = [row(5, "", "a", "1")];
        let plan = plan(Vec::new(), &rows, Conflicts::KeepBoth, NOW);
        assert_eq!(plan.skipped, [Skipped { line: 5, reason: "it has neither a URL nor a name" }]);
    }
}
