//! A credential: who it belongs to, what it opens, and how it is written.
//!
//! Its identity is the pair of service and username. It is kept as one JSON text inside one
//! sealed token, and served as one JSON line in the form of the Python original.

use std::fmt::Write as _;

use common::clock::Timestamp;
use serde::{Deserialize, Serialize};

use crate::protocol::push_string;
use crate::secret::Secret;

/// The names of fields that every credential has; others are its own.
pub(crate) const BUILT_IN: [&str; 5] = ["password", "username", "url", "note", "service"];

/// One credential, opened.
pub(crate) struct Credential {
    /// The row of the vault; 0 before it is stored.
    pub(crate) id: i64,
    pub(crate) service: String,
    pub(crate) username: String,
    pub(crate) urls: Vec<String>,
    pub(crate) password: Secret,
    /// A note can hold recovery codes, so it is as secret as the password.
    pub(crate) note: Secret,
    /// Further fields by name, as `totp`; in the order in which they were added.
    pub(crate) fields: Vec<(String, Secret)>,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// What is sealed, borrowed for writing. Short names: there can be 100,000 of these.
#[derive(Serialize)]
struct Written<'a> {
    s: &'a str,
    u: &'a str,
    p: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    l: &'a [String],
    #[serde(skip_serializing_if = "str::is_empty")]
    n: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    f: Vec<(&'a str, &'a str)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    e: Option<i64>,
    c: i64,
    m: i64,
}

/// The same, owned by whoever reads it; it is taken apart at once.
#[derive(Deserialize)]
struct Read {
    s: String,
    u: String,
    p: String,
    #[serde(default)]
    l: Vec<String>,
    #[serde(default)]
    n: String,
    #[serde(default)]
    f: Vec<(String, String)>,
    e: Option<i64>,
    c: i64,
    m: i64,
}

impl Credential {
    /// The text that is sealed.
    pub(crate) fn to_plain(&self) -> Secret {
        let written = Written {
            s: &self.service,
            u: &self.username,
            p: self.password.expose(),
            l: &self.urls,
            n: self.note.expose(),
            f: self.fields.iter().map(|(name, value)| (name.as_str(), value.expose())).collect(),
            e: self.expires_at.map(|at| at.0),
            c: self.created_at.0,
            m: self.updated_at.0,
        };
        // Strings and numbers always become JSON.
        Secret::new(serde_json::to_string(&written).unwrap_or_default())
    }

    /// Reads what was sealed; `None` when it is not in this form.
    pub(crate) fn from_plain(id: i64, plain: &[u8]) -> Option<Self> {
        let read: Read = serde_json::from_slice(plain).ok()?;
        Some(Self {
            id,
            service: read.s,
            username: read.u,
            urls: read.l,
            password: Secret::new(read.p),
            note: Secret::new(read.n),
            fields: read.f.into_iter().map(|(name, value)| (name, Secret::new(value))).collect(),
            expires_at: read.e.map(Timestamp),
            created_at: Timestamp(read.c),
            updated_at: Timestamp(read.m),
        })
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        match name {
            "password" => Some(self.password.expose()),
            "username" => Some(&self.username),
            "url" => Some(self.urls.first().map_or("", String::as_str)),
            "note" => Some(self.note.expose()),
            "service" => Some(&self.service),
            _ => self.fields.iter().find(|(own, _)| own == name).map(|(_, value)| value.expose()),
        }
    }

    /// Appends the answer of the wire protocol: the keys of the original in its order and
    /// spelling, then what only newer clients know, then the newline.
    pub(crate) fn answer(&self, into: &mut String) {
        let _ = write!(into, "{{\"id\": {}", self.id);
        let first_url = self.urls.first().map_or("", String::as_str);
        let (created, updated) = (python_time(self.created_at), python_time(self.updated_at));
        for (key, value) in [
            ("service", self.service.as_str()),
            ("url", first_url),
            ("username", &self.username),
            ("note", self.note.expose()),
            ("created_at", &created),
            ("updated_at", &updated),
            ("password", self.password.expose()),
        ] {
            push_key(into, key);
            push_string(into, value);
        }
        if self.urls.len() > 1 {
            push_key(into, "urls");
            into.push('[');
            for (position, url) in self.urls.iter().enumerate() {
                if position > 0 {
                    into.push_str(", ");
                }
                push_string(into, url);
            }
            into.push(']');
        }
        if !self.fields.is_empty() {
            push_key(into, "fields");
            into.push('{');
            for (position, (name, value)) in self.fields.iter().enumerate() {
                if position > 0 {
                    into.push_str(", ");
                }
                push_string(into, name);
                into.push_str(": ");
                push_string(into, value.expose());
            }
            into.push('}');
        }
        if let Some(at) = self.expires_at {
            push_key(into, "expires_at");
            push_string(into, &at.to_string());
        }
        into.push_str("}\n");
    }
}

fn push_key(into: &mut String, key: &str) {
    into.push_str(", \"");
    into.push_str(key);
    into.push_str("\": ");
}

/// A moment as Python's `datetime.isoformat` writes it in UTC.
fn python_time(at: Timestamp) -> String {
    at.to_utc().to_rfc3339_opts(chrono::SecondsFormat::Micros, false)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A credential for tests of any module.
    pub(crate) fn sample(service: &str, username: &str, password: &str) -> Credential {
        Credential {
            id: 1,
            service: service.to_owned(),
            username: username.to_owned(),
            urls: vec![format!("https://{service}/")],
            password: Secret::new(password),
            note: Secret::default(),
            fields: Vec::new(),
            expires_at: None,
            created_at: Timestamp(1_767_225_600_123),
            updated_at: Timestamp(1_767_225_600_123),
        }
    }

    impl Credential {
        pub(crate) fn duplicate(&self) -> Self {
            Self {
                id: self.id,
                service: self.service.clone(),
                username: self.username.clone(),
                urls: self.urls.clone(),
                password: self.password.duplicate(),
                note: self.note.duplicate(),
                fields: self
                    .fields
                    .iter()
                    .map(|(name, value)| (name.clone(), value.duplicate()))
                    .collect(),
                expires_at: self.expires_at,
                created_at: self.created_at,
                updated_at: self.updated_at,
            }
        }
    }

    #[test]
    fn what_is_sealed_comes_back_whole() {
        let mut before = sample("github.com", "me", " spaces kept \n\"ü\" ");
        before.urls.push("https://gist.github.com/".to_owned());
        before.note = Secret::new("codes:\n1");
        before.fields.push(("totp".to_owned(), Secret::new("otpauth://x")));
        before.expires_at = Some(Timestamp(5));
        let after = Credential::from_plain(7, before.to_plain().expose().as_bytes()).unwrap();
        assert_eq!(after.id, 7);
        assert_eq!(after.urls, before.urls);
        assert_eq!(after.field("totp"), Some("otpauth://x"));
        assert_eq!(after.field("password"), Some(" spaces kept \n\"ü\" "));
        assert_eq!(after.field("note"), Some("codes:\n1"));
        assert_eq!(after.expires_at, Some(Timestamp(5)));
        assert_eq!(after.field("absent"), None);
    }

    #[test]
    fn the_answer_is_byte_for_byte_that_of_the_python_original() {
        let mut line = String::new();
        sample("github.com", "mé", "p\"w\n😀").answer(&mut line);
        assert_eq!(
            line,
            "{\"id\": 1, \"service\": \"github.com\", \"url\": \"https://github.com/\", \"username\": \"m\\u00e9\", \"note\": \"\", \
             \"created_at\": \"2026-01-01T00:00:00.123000+00:00\", \"updated_at\": \"2026-01-01T00:00:00.123000+00:00\", \
             \"password\": \"p\\\"w\\n\\ud83d\\ude00\"}\n"
        );
    }
}
