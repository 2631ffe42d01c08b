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
    let mut planner = Planner::new(existing, conflicts, now);
    for row in rows {
        match service_of(row) {
            Some(service) => planner.take(row, service),
            None => planner.skip(row, "it has neither a URL nor a name"),
        }
    }
    let mut plan = planner.plan;
    for (one, state) in planner.all {
        match state {
            State::Untouched => {}
            State::Changed => plan.changed.push(one),
            State::New => plan.new.push(one),
        }
    }
    plan
}

/// The credentials while the rows go by, and what was decided so far.
struct Planner {
    plan: Plan,
    conflicts: Conflicts,
    now: Timestamp,
    all: Vec<(Credential, State)>,
    /// From service and username to the places in `all`.
    accounts: HashMap<(String, String), Vec<usize>>,
}

impl Planner {
    fn new(existing: Vec<Credential>, conflicts: Conflicts, now: Timestamp) -> Self {
        let mut accounts: HashMap<_, Vec<usize>> = HashMap::with_capacity(existing.len());
        for (place, one) in existing.iter().enumerate() {
            accounts.entry((one.service.clone(), one.username.clone())).or_default().push(place);
        }
        let all = existing.into_iter().map(|one| (one, State::Untouched)).collect();
        Self { plan: Plan::default(), conflicts, now, all, accounts }
    }

    fn skip(&mut self, row: &Row, reason: &'static str) {
        self.plan.skipped.push(Skipped::at(row.line, reason));
    }

    fn take(&mut self, row: &Row, service: String) {
        let account = (service, row.username.clone());
        let places = self.accounts.get(&account).cloned().unwrap_or_default();
        if self.merges(row, &places) || self.settles_conflict(row, &account.0, &places) {
            return;
        }
        self.all.push((credential(row, account.0.clone(), self.now), State::New));
        self.accounts.entry(account).or_default().push(self.all.len() - 1);
    }

    /// Whether the account is there with this password, and has taken in what the row knows more.
    fn merges(&mut self, row: &Row, places: &[usize]) -> bool {
        let is_same = |place: &usize| {
            self.all.get(*place).is_some_and(|(one, _)| one.password.is_same(&row.password))
        };
        let same = places.iter().copied().find(is_same);
        let Some((one, state)) = same.and_then(|place| self.all.get_mut(place)) else {
            return false;
        };
        if merge(one, row) && *state == State::Untouched {
            *state = State::Changed;
        }
        if *state == State::Changed {
            one.updated_at = self.now;
        }
        self.plan.n_merged += 1;
        true
    }

    /// Whether the account is there with another password, and that was the end of the row.
    fn settles_conflict(&mut self, row: &Row, service: &str, places: &[usize]) -> bool {
        if places.is_empty() {
            return false;
        }
        self.plan.conflicts.push(Conflict {
            line: row.line,
            service: service.to_owned(),
            username: row.username.clone(),
        });
        let is_old =
            |place: &usize| self.all.get(*place).is_some_and(|(_, state)| *state != State::New);
        let old = places.iter().copied().rfind(is_old);
        match (self.conflicts, old.and_then(|place| self.all.get_mut(place))) {
            (Conflicts::Skip, _) => {
                self.skip(row, "the account is there with another password");
                true
            }
            (Conflicts::Replace, Some((one, state))) => {
                one.password = row.password.duplicate();
                one.updated_at = self.now;
                merge(one, row);
                *state = State::Changed;
                self.plan.n_replaced += 1;
                true
            }
            (Conflicts::KeepBoth | Conflicts::Replace, _) => false,
        }
    }
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
        assert_eq!(plan.skipped, [Skipped::at(5, "it has neither a URL nor a name")]);
    }
}
