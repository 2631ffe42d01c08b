//! Everything that is said about a server, by source: the URL before the service file before the environment.
//!
//! It knows the order and which parameters exist; what a value means is decided in [`super::server`].

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::keyword::{self, Kind};
use super::service;
use super::surroundings::Surroundings;
use super::url::{self, Value};
use super::wrong::ServerError;
use crate::place;

/// Where a parameter was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// In the URL.
    Url,
    /// In a file of services.
    Service(PathBuf),
    /// In the environment, by the name of the variable.
    Variable(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url => f.write_str("the URL of the database"),
            Self::Service(path) => {
                write!(f, "the service file {}", place::for_people(path))
            }
            Self::Variable(name) => write!(f, "the variable {name}"),
        }
    }
}

/// A value and where it comes from.
pub(super) struct Setting {
    pub(super) value: Value,
    pub(super) source: Source,
}

/// The parameters that were said, each once.
pub(super) struct Settings(BTreeMap<&'static str, Setting>);

impl Settings {
    /// Collects what `url`, the service that it or the environment names, and the environment say.
    pub(super) fn collect(url: &str, around: &Surroundings) -> Result<Self, ServerError> {
        let mut settings = Self(BTreeMap::new());
        let mut had_password = false;
        for (name, value) in url::parse(url)? {
            // What follows a password with a bare & would look like a parameter.
            let shown = (!had_password && is_a_word(&name)).then_some(name.as_str());
            had_password |= name == "password";
            // libpq's own shorthand, for URLs that were written for JDBC.
            if name == "ssl" && value.as_str() == "true" {
                settings.override_with(
                    "sslmode",
                    Value::new("require".to_owned()),
                    Source::Url,
                    None,
                )?;
            } else {
                settings.override_with(&name, value, Source::Url, shown)?;
            }
        }
        if let Some(name) = settings.service(around)? {
            for (name, value, path) in service::find(&name, around)? {
                settings.add(&name, value, Source::Service(path))?;
            }
        }
        for (keyword, variable) in keyword::with_variables() {
            let Some(value) = around.variable(variable) else { continue };
            let source = Source::Variable(variable);
            let value = value.into_string().map_err(|_| ServerError::Value {
                name: keyword.name,
                expected: "UTF-8 text",
                source_: source.clone(),
            })?;
            settings.add(keyword.name, Value::new(value), source)?;
        }
        Ok(settings)
    }

    /// The name of the service that is asked for.
    fn service(&self, around: &Surroundings) -> Result<Option<String>, ServerError> {
        if let Some(setting) = self.0.get("service") {
            return Ok(Some(setting.value.to_string()));
        }
        around
            .variable("PGSERVICE")
            .map(|name| {
                name.into_string().map_err(|_| ServerError::Value {
                    name: "service",
                    expected: "UTF-8 text",
                    source_: Source::Variable("PGSERVICE"),
                })
            })
            .transpose()
    }

    /// Takes a value unless an earlier source had one.
    fn add(&mut self, name: &str, value: Value, source: Source) -> Result<(), ServerError> {
        if self.0.contains_key(name) {
            return Ok(());
        }
        let shown = name.to_owned();
        self.override_with(name, value, source, Some(&shown))
    }

    /// Takes a value; of two in one URL the later one holds. `shown` is what an error may say of the name.
    fn override_with(
        &mut self,
        name: &str,
        value: Value,
        source: Source,
        shown: Option<&str>,
    ) -> Result<(), ServerError> {
        let Some(keyword) = keyword::find(name) else {
            return Err(ServerError::Unknown { name: shown.map(str::to_owned), source_: source });
        };
        if value.contains('\0') {
            return Err(ServerError::Value {
                name: keyword.name,
                expected: "text without a zero byte",
                source_: source,
            });
        }
        match keyword.kind {
            Kind::Used => {
                self.0.insert(keyword.name, Setting { value, source });
            }
            Kind::Ignored => {}
            // An empty value is libpq's way to say nothing.
            Kind::Only(values) if value.is_empty() || values.contains(&value.as_str()) => {}
            Kind::Refused if value.is_empty() => {}
            Kind::Only(_) | Kind::Refused => {
                return Err(ServerError::Unsupported { name: keyword.name, source_: source });
            }
        }
        Ok(())
    }

    /// What was said of `name`; an empty value counts as nothing said.
    pub(super) fn get(&self, name: &'static str) -> Option<&Setting> {
        self.0.get(name).filter(|setting| !setting.value.is_empty())
    }

    /// The text of `name`.
    pub(super) fn text(&self, name: &'static str) -> Option<&str> {
        self.get(name).map(|setting| setting.value.as_str())
    }

    /// The value of `name` as `read` understands it; `expected` says what it can be.
    pub(super) fn read<T>(
        &self,
        name: &'static str,
        expected: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ServerError> {
        let Some(setting) = self.get(name) else { return Ok(None) };
        match read(setting.value.trim()) {
            Some(value) => Ok(Some(value)),
            None => Err(ServerError::Value { name, expected, source_: setting.source.clone() }),
        }
    }
}

/// Whether `name` has the form of a parameter's name, so that an error may repeat it.
fn is_a_word(name: &str) -> bool {
    name.len() <= 40 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
