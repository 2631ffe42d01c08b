//! The opened vault in memory: one block of locked pages, and an index into it.
//!
//! Each credential is kept as the answer line that a client gets, so that serving one is a look-up
//! and a write. Dropping a snapshot wipes the block.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::io;
use std::ops::Range;

use common::clock::Timestamp;

use crate::credential::Credential;
use crate::error::Candidate;
use crate::grant::Grant;
use crate::service;
use crate::store::Opened;
use crate::sys::Pages;

/// A piece of the block.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: usize,
    len: usize,
}

impl Span {
    fn range(self) -> Range<usize> {
        self.start..self.start + self.len
    }
}

struct Entry {
    id: i64,
    answer: Span,
    service: Span,
    username: Span,
    expires_at: Option<Timestamp>,
}

/// All credentials, ready to be served.
pub(crate) struct Snapshot {
    pages: Pages,
    /// Sorted by service, username, id.
    entries: Vec<Entry>,
    /// From the hash of a service to the places of its entries.
    places: HashMap<u64, Range<usize>>,
    hasher: RandomState,
    broken: Vec<i64>,
    grants: Vec<Grant>,
    /// Grants that could not be decrypted still mean that a token is required.
    n_broken_grants: usize,
}

/// What a look-up found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The place of the one credential that was meant.
    One(usize),
    Ambiguous(Vec<Candidate>),
    Nothing,
}

impl Snapshot {
    /// Takes over the opened credentials; they must be sorted.
    pub(crate) fn new(credentials: &[Credential], broken: Vec<i64>) -> io::Result<Self> {
        let mut line = String::new();
        let mut size = 0;
        for one in credentials {
            line.clear();
            one.answer(&mut line);
            size += line.len() + one.service.len() + one.username.len();
        }
        let mut pages = Pages::new(size)?;
        let mut entries = Vec::with_capacity(credentials.len());
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            let span = Span { start: at, len: bytes.len() };
            if let Some(place) = pages.bytes_mut().get_mut(span.range()) {
                place.copy_from_slice(bytes);
            }
            at += bytes.len();
            span
        };
        for one in credentials {
            line.clear();
            one.answer(&mut line);
            entries.push(Entry {
                id: one.id,
                answer: put(line.as_bytes()),
                service: put(one.service.as_bytes()),
                username: put(one.username.as_bytes()),
                expires_at: one.expires_at,
            });
        }
        let hasher = RandomState::new();
        let mut places: HashMap<u64, Range<usize>> = HashMap::with_capacity(entries.len());
        for (place, one) in credentials.iter().enumerate() {
            let range = places.entry(hasher.hash_one(one.service.as_str())).or_insert(place..place);
            range.end = place + 1;
        }
        Ok(Self { pages, entries, places, hasher, broken, grants: Vec::new(), n_broken_grants: 0 })
    }

    /// Adds who may use what.
    pub(crate) fn with_grants(mut self, grants: Opened<Grant>) -> Self {
        self.grants = grants.rows;
        self.n_broken_grants = grants.broken.len();
        self
    }

    pub(crate) fn grants(&self) -> &[Grant] {
        &self.grants
    }

    /// Whether a request without a token is refused.
    pub(crate) fn requires_token(&self) -> bool {
        !self.grants.is_empty() || self.n_broken_grants > 0
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many rows could not be decrypted.
    pub(crate) fn n_broken(&self) -> usize {
        self.broken.len()
    }

    /// The ids of the rows that could not be decrypted.
    pub(crate) fn broken(&self) -> &[i64] {
        &self.broken
    }

    /// Whether the secrets cannot be swapped out.
    pub(crate) fn is_locked_in_memory(&self) -> bool {
        self.pages.is_locked()
    }

    fn bytes(&self, span: Span) -> &[u8] {
        self.pages.bytes().get(span.range()).unwrap_or_default()
    }

    fn text(&self, span: Span) -> &str {
        std::str::from_utf8(self.bytes(span)).unwrap_or_default()
    }

    fn entry(&self, place: usize) -> Option<&Entry> {
        self.entries.get(place)
    }

    /// The answer line for the credential at a place.
    pub(crate) fn answer(&self, place: usize) -> &[u8] {
        self.entry(place).map(|entry| self.bytes(entry.answer)).unwrap_or_default()
    }

    pub(crate) fn service(&self, place: usize) -> &str {
        self.entry(place).map(|entry| self.text(entry.service)).unwrap_or_default()
    }

    pub(crate) fn username(&self, place: usize) -> &str {
        self.entry(place).map(|entry| self.text(entry.username)).unwrap_or_default()
    }

    pub(crate) fn id(&self, place: usize) -> i64 {
        self.entry(place).map(|entry| entry.id).unwrap_or_default()
    }

    pub(crate) fn expires_at(&self, place: usize) -> Option<Timestamp> {
        self.entry(place).and_then(|entry| entry.expires_at)
    }

    /// Finds a credential by the service as it was typed, else by its normal form.
    pub(crate) fn find(&self, service: &str, username: Option<&str>, id: Option<i64>) -> Found {
        match self.find_exactly(service, username, id) {
            Found::Nothing => {
                let normal = service::normal(service);
                if normal == service {
                    Found::Nothing
                } else {
                    self.find_exactly(&normal, username, id)
                }
            }
            found => found,
        }
    }

    fn find_exactly(&self, service: &str, username: Option<&str>, id: Option<i64>) -> Found {
        let range = self.places.get(&self.hasher.hash_one(service)).cloned().unwrap_or_default();
        // Two services can share a hash, so every entry is asked for its name.
        let mut matching = range.filter(|place| {
            self.service(*place) == service
                && username.is_none_or(|username| self.username(*place) == username)
                && id.is_none_or(|id| self.id(*place) == id)
        });
        let Some(first) = matching.next() else { return Found::Nothing };
        let rest: Vec<usize> = matching.collect();
        if rest.is_empty() {
            return Found::One(first);
        }
        let candidate =
            |place| Candidate { id: self.id(place), username: self.username(place).to_owned() };
        Found::Ambiguous(std::iter::once(first).chain(rest).map(candidate).collect())
    }

    /// The places of all credentials whose service begins with `prefix`, capitals or not.
    pub(crate) fn with_prefix(&self, prefix: &str) -> impl Iterator<Item = usize> {
        (0..self.entries.len()).filter(move |place| {
            self.service(*place)
                .as_bytes()
                .get(..prefix.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::tests::sample;

    fn snapshot() -> Snapshot {
        let mut all = [
            sample("a.com", "one", "1"),
            sample("a.com", "two", "2"),
            sample("b.com", "me", "3"),
            sample("Wi-Fi", "", "4"),
        ];
        for (id, one) in (1..).zip(&mut all) {
            one.id = id;
        }
        Snapshot::new(&all, Vec::new()).unwrap()
    }

    #[test]
    fn look_ups_are_exact_and_several_accounts_are_listed() {
        let snapshot = snapshot();
        assert_eq!(snapshot.find("b.com", None, None), Found::One(2));
        assert_eq!(snapshot.find("https://www.B.com/login", None, None), Found::One(2));
        assert_eq!(snapshot.find("b", None, None), Found::Nothing);
        assert_eq!(snapshot.find("wi-fi", None, None), Found::Nothing);
        assert_eq!(snapshot.find("a.com", Some("two"), None), Found::One(1));
        assert_eq!(snapshot.find("a.com", None, Some(1)), Found::One(0));
        assert_eq!(snapshot.find("a.com", Some("three"), None), Found::Nothing);
        let Found::Ambiguous(candidates) = snapshot.find("a.com", None, None) else { panic!() };
        assert_eq!(candidates.iter().map(|one| one.id).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn a_prefix_is_literal_and_does_not_mind_capitals() {
        let snapshot = snapshot();
        assert_eq!(snapshot.with_prefix("").count(), 4);
        assert_eq!(snapshot.with_prefix("A.").count(), 2);
        assert_eq!(snapshot.with_prefix("%").count(), 0);
        assert_eq!(snapshot.with_prefix("wi").count(), 1);
    }

    #[test]
    fn the_answer_is_the_line_of_the_wire() {
        let snapshot = snapshot();
        let mut line = String::new();
        let mut one = sample("b.com", "me", "3");
        one.id = 3;
        one.answer(&mut line);
        assert_eq!(snapshot.answer(2), line.as_bytes());
    }
}
