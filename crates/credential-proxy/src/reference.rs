//! How a credential is named on a command line: `SERVICE`, `SERVICE/FIELD`, `VAR=SERVICE[/FIELD]`.
//!
//! `@USERNAME` behind the service picks one of several accounts. A service may itself contain a
//! slash or an at sign, so a reference has several readings, tried in order: first that with an
//! account, since the others would be told to be ambiguous.

use std::str::FromStr;

use crate::credential::Credential;
use crate::error::{Candidate, Error};
use crate::service;

/// Which credential is meant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Wanted {
    pub(crate) service: String,
    pub(crate) username: Option<String>,
    pub(crate) id: Option<i64>,
}

impl Wanted {
    pub(crate) fn service(service: &str) -> Self {
        Self { service: service.to_owned(), ..Self::default() }
    }

    /// The one credential that is meant, among all of them: by the service as it was typed, else by its normal form.
    pub(crate) fn among(&self, all: Vec<Credential>) -> Result<Credential, Error> {
        let matches = |one: &Credential, service: &str| {
            one.service == service
                && self.username.as_ref().is_none_or(|username| &one.username == username)
                && self.id.is_none_or(|id| one.id == id)
        };
        let normal = service::normal(&self.service);
        let is_exact = all.iter().any(|one| matches(one, &self.service));
        let service = if is_exact { &self.service } else { &normal };
        let mut found: Vec<Credential> =
            all.into_iter().filter(|one| matches(one, service)).collect();
        match (found.pop(), found.is_empty()) {
            (Some(one), true) => Ok(one),
            (None, _) => Err(Error::NotFound { names: vec![self.service.clone()] }),
            (Some(last), false) => {
                found.push(last);
                let candidates = found
                    .iter()
                    .map(|one| Candidate { id: one.id, username: one.username.clone() })
                    .collect();
                Err(Error::Ambiguous { service: self.service.clone(), candidates })
            }
        }
    }
}

/// One reading of a reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) wanted: Wanted,
    pub(crate) field: String,
}

/// `SERVICE[/FIELD][@USERNAME]` as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference(String);

impl Reference {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// All readings, the most likely first.
    pub(crate) fn readings(&self) -> Vec<Reading> {
        let mut readings = Vec::new();
        for (at, _) in self.0.match_indices('@') {
            let (service, username) = (self.0.get(..at), self.0.get(at + 1..));
            if let (Some(service), Some(username)) = (service, username)
                && !service.is_empty()
                && !username.is_empty()
            {
                push_readings(&mut readings, service, Some(username));
            }
        }
        push_readings(&mut readings, &self.0, None);
        readings
    }
}

fn push_readings(readings: &mut Vec<Reading>, text: &str, username: Option<&str>) {
    let reading = |service: &str, field: &str| Reading {
        wanted: Wanted {
            service: service.to_owned(),
            username: username.map(str::to_owned),
            id: None,
        },
        field: field.to_owned(),
    };
    let is_url = text.contains("://");
    if let Some((service, field)) = text.rsplit_once('/')
        && !service.is_empty()
        && !field.is_empty()
        && !is_url
    {
        readings.push(reading(service, field));
    }
    readings.push(reading(text, "password"));
}

/// `VAR=SERVICE[/FIELD]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Assignment {
    pub(crate) variable: String,
    pub(crate) reference: Reference,
}

/// Why a text is no assignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AssignmentError {
    #[error("write it as VAR=SERVICE or VAR=SERVICE/FIELD")]
    Form,
    #[error("a variable is letters, digits and underscores, and does not begin with a digit")]
    Variable,
}

impl FromStr for Assignment {
    type Err = AssignmentError;

    fn from_str(text: &str) -> Result<Self, AssignmentError> {
        let (variable, reference) = text.split_once('=').ok_or(AssignmentError::Form)?;
        if reference.is_empty() {
            return Err(AssignmentError::Form);
        }
        let is_name = variable
            .starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && variable.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_name {
            return Err(AssignmentError::Variable);
        }
        Ok(Self { variable: variable.to_owned(), reference: Reference(reference.to_owned()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(text: &str) -> Vec<(String, String, Option<String>)> {
        let assignment: Assignment = format!("X={text}").parse().unwrap();
        assignment
            .reference
            .readings()
            .into_iter()
            .map(|one| (one.wanted.service, one.field, one.wanted.username))
            .collect()
    }

    #[test]
    fn a_reference_is_read_with_its_account_first_then_as_a_field_and_as_a_whole_name_last() {
        let plain = |service: &str, field: &str| (service.to_owned(), field.to_owned(), None);
        assert_eq!(readings("github.com"), [plain("github.com", "password")]);
        assert_eq!(
            readings("github.com/username"),
            [plain("github.com", "username"), plain("github.com/username", "password")]
        );
        assert_eq!(
            readings("github.com@me@x.org"),
            [
                ("github.com".to_owned(), "password".to_owned(), Some("me@x.org".to_owned())),
                ("github.com@me".to_owned(), "password".to_owned(), Some("x.org".to_owned())),
                plain("github.com@me@x.org", "password"),
            ]
        );
        let of_me = |service: &str, field: &str| {
            (service.to_owned(), field.to_owned(), Some("me".to_owned()))
        };
        assert_eq!(
            readings("github.com/api@me"),
            [
                of_me("github.com", "api"),
                of_me("github.com/api", "password"),
                plain("github.com", "api@me"),
                plain("github.com/api@me", "password"),
            ]
        );
    }

    #[test]
    fn a_variable_must_be_one_that_a_shell_could_set() {
        assert_eq!("1X=a".parse::<Assignment>(), Err(AssignmentError::Variable));
        assert_eq!("=a".parse::<Assignment>(), Err(AssignmentError::Variable));
        assert_eq!("A-B=a".parse::<Assignment>(), Err(AssignmentError::Variable));
        assert_eq!("A".parse::<Assignment>(), Err(AssignmentError::Form));
        assert_eq!("A=".parse::<Assignment>(), Err(AssignmentError::Form));
        assert!("_a1=x=y".parse::<Assignment>().is_ok());
    }
}
