//! The wire protocol: one JSON object a line, in the words of the Python original.
//!
//! An old client sends `{"action":"get","service":"github.com"}` and reads one line. New clients
//! may add `username`, `id`, `token`, `mode`, `version` and more. An answer never repeats what a request
//! held, except for the service name and a plain action word, as the original did.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::audit::{Decision, Deed};

/// The version that our own clients send; its presence keeps a quiet connection open longer.
pub(crate) const VERSION: u32 = 1;

/// The longest request line.
pub(crate) const MAX_REQUEST: usize = 64 * 1024;

/// How a secret is to be used, and what a grant can be limited to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Mode {
    /// `exec` puts it into a child and masks the child's output.
    Inject,
    /// The caller gets the value.
    Print,
    /// A helper protocol: git, docker, AWS, askpass.
    Helper,
    /// Names, addresses and dates; the caller shows no secret.
    Show,
}

impl Mode {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Inject => "inject",
            Self::Print => "print",
            Self::Helper => "helper",
            Self::Show => "show",
        }
    }

    pub(crate) fn parse(word: &str) -> Option<Self> {
        [Self::Inject, Self::Print, Self::Helper, Self::Show]
            .into_iter()
            .find(|mode| mode.word() == word)
    }
}

/// A request in which everything has the kind that it should have: nearly all of them.
#[derive(Deserialize)]
struct Plain<'a> {
    #[serde(borrow)]
    action: Cow<'a, str>,
    #[serde(borrow)]
    service: Option<Cow<'a, str>>,
    #[serde(borrow)]
    username: Option<Cow<'a, str>>,
    id: Option<i64>,
    #[serde(borrow)]
    token: Option<Cow<'a, str>>,
    #[serde(borrow)]
    mode: Option<Cow<'a, str>>,
    #[serde(borrow)]
    run: Option<Cow<'a, str>>,
    version: Option<u32>,
    #[serde(borrow)]
    prefix: Option<Cow<'a, str>>,
    detail: Option<bool>,
    #[serde(borrow)]
    deed: Option<Cow<'a, str>>,
    #[serde(borrow)]
    decision: Option<Cow<'a, str>>,
}

impl From<Plain<'_>> for Request {
    fn from(plain: Plain<'_>) -> Self {
        let text = |text: Option<Cow<'_, str>>| {
            text.map_or(Value::Null, |text| Value::String(text.into_owned()))
        };
        Self {
            action: Value::String(plain.action.into_owned()),
            service: text(plain.service),
            prefix: text(plain.prefix),
            username: text(plain.username),
            id: plain.id.map_or(Value::Null, Value::from),
            token: text(plain.token),
            mode: text(plain.mode),
            run: text(plain.run),
            version: plain.version.map_or(Value::Null, Value::from),
            detail: plain.detail.map_or(Value::Null, Value::from),
            deed: text(plain.deed),
            decision: text(plain.decision),
        }
    }
}

/// One request, as far as it was understood.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Request {
    #[serde(default)]
    action: Value,
    #[serde(default)]
    service: Value,
    #[serde(default)]
    prefix: Value,
    #[serde(default)]
    username: Value,
    #[serde(default)]
    id: Value,
    #[serde(default)]
    token: Value,
    #[serde(default)]
    mode: Value,
    #[serde(default)]
    run: Value,
    #[serde(default)]
    pub(crate) version: Value,
    #[serde(default)]
    pub(crate) detail: Value,
    #[serde(default)]
    deed: Value,
    #[serde(default)]
    decision: Value,
}

impl Request {
    /// Reads one line; `Err` is the answer to send instead.
    pub(crate) fn parse(line: &[u8]) -> Result<Self, Value> {
        let is_object = line.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
        if is_object && let Ok(plain) = serde_json::from_slice::<Plain<'_>>(line) {
            return Self::from(plain).checked();
        }
        let value: Value =
            serde_json::from_slice(line).map_err(|_| json!({ "error": "invalid json" }))?;
        if !value.is_object() {
            return Err(json!({ "error": "a request must be a json object" }));
        }
        Self::deserialize(value).map_err(|_| json!({ "error": "invalid json" }))?.checked()
    }

    /// Refuses what would narrow the request and has the wrong kind: passed over, it would be answered
    /// with more than was asked for.
    fn checked(self) -> Result<Self, Value> {
        for (key, value) in [
            ("prefix", &self.prefix),
            ("username", &self.username),
            ("token", &self.token),
            ("mode", &self.mode),
        ] {
            if !value.is_string() && !value.is_null() {
                return Err(json!({ "error": format!("{key} must be a string") }));
            }
        }
        if !self.id.is_i64() && !self.id.is_null() {
            return Err(json!({ "error": "id must be a whole number" }));
        }
        if self.mode.as_str().is_some_and(|mode| Mode::parse(mode).is_none()) {
            return Err(json!({ "error": "unknown mode" }));
        }
        Ok(self)
    }

    pub(crate) fn action(&self) -> &str {
        self.action.as_str().unwrap_or_default()
    }

    /// The service; `Err` is the answer to send instead.
    pub(crate) fn service(&self) -> Result<&str, Value> {
        match &self.service {
            Value::String(service) if !service.is_empty() => Ok(service),
            other if is_nothing(other) => Err(json!({ "error": "service required" })),
            _ => Err(json!({ "error": "service must be a string" })),
        }
    }

    pub(crate) fn prefix(&self) -> &str {
        self.prefix.as_str().unwrap_or_default()
    }

    pub(crate) fn username(&self) -> Option<&str> {
        self.username.as_str()
    }

    pub(crate) fn id(&self) -> Option<i64> {
        self.id.as_i64()
    }

    pub(crate) fn token(&self) -> Option<&str> {
        self.token.as_str().filter(|token| !token.is_empty())
    }

    /// The mode; a client that says nothing, as the original's, is given the value.
    pub(crate) fn mode(&self) -> Mode {
        self.mode.as_str().and_then(Mode::parse).unwrap_or(Mode::Print)
    }

    /// What a command did, or is about to do, that opens the vault itself.
    pub(crate) fn deed(&self) -> Option<Deed> {
        self.deed.as_str().and_then(Deed::parse)
    }

    /// What came of it.
    pub(crate) fn decision(&self) -> Option<Decision> {
        self.decision.as_str().and_then(Decision::parse)
    }

    /// The run that the caller belongs to, when it says so and it can stand in a log.
    pub(crate) fn run(&self) -> Option<&str> {
        self.run.as_str().filter(|run| {
            run.len() <= 64 && run.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        })
    }

    /// The answer to an action that nobody knows; only a plain word is repeated.
    pub(crate) fn unknown(&self) -> Value {
        let action = self.action();
        let is_word = action.len() <= 24
            && action.bytes().all(|b| b.is_ascii_lowercase() || b"_-".contains(&b));
        if is_word && !self.action.is_number() {
            json!({ "error": format!("unknown action: {action}") })
        } else {
            json!({ "error": "unknown action" })
        }
    }
}

/// Whether the original, written in Python, took this for no value at all.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(is_true) => !is_true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

/// A value as Python's `json.dumps` writes it: blanks after commas and colons, ASCII only.
pub(crate) fn python_json(value: &Value) -> String {
    let mut text = String::new();
    push_value(&mut text, value);
    text
}

fn push_value(into: &mut String, value: &Value) {
    match value {
        Value::String(text) => push_string(into, text),
        Value::Array(items) => {
            into.push('[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    into.push_str(", ");
                }
                push_value(into, item);
            }
            into.push(']');
        }
        Value::Object(map) => {
            into.push('{');
            for (position, (key, item)) in map.iter().enumerate() {
                if position > 0 {
                    into.push_str(", ");
                }
                push_string(into, key);
                into.push_str(": ");
                push_value(into, item);
            }
            into.push('}');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            let _ = write!(into, "{value}");
        }
    }
}

/// Appends a string literal as Python's `json.dumps` writes it.
pub(crate) fn push_string(into: &mut String, text: &str) {
    into.push('"');
    for character in text.chars() {
        match character {
            '"' => into.push_str("\\\""),
            '\\' => into.push_str("\\\\"),
            '\n' => into.push_str("\\n"),
            '\r' => into.push_str("\\r"),
            '\t' => into.push_str("\\t"),
            '\u{8}' => into.push_str("\\b"),
            '\u{c}' => into.push_str("\\f"),
            ' '..='~' => into.push(character),
            _ => {
                let mut units = [0_u16; 2];
                for unit in character.encode_utf16(&mut units) {
                    let _ = write!(into, "\\u{unit:04x}");
                }
            }
        }
    }
    into.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn error_of(line: &str) -> String {
        match Request::parse(line.as_bytes()) {
            Err(answer) => python_json(&answer),
            Ok(request) => match request.service() {
                Err(answer) => python_json(&answer),
                Ok(_) => python_json(&request.unknown()),
            },
        }
    }

    #[test]
    fn a_request_that_is_no_request_has_an_answer_that_does_not_repeat_it() {
        for (line, answer) in [
            ("", "{\"error\": \"invalid json\"}"),
            ("{\"action\":", "{\"error\": \"invalid json\"}"),
            ("[1]", "{\"error\": \"a request must be a json object\"}"),
            ("\"hunter2\"", "{\"error\": \"a request must be a json object\"}"),
            ("{\"action\":\"get\"}", "{\"error\": \"service required\"}"),
            ("{\"action\":\"get\",\"service\":\"\"}", "{\"error\": \"service required\"}"),
            ("{\"action\":\"get\",\"service\":0}", "{\"error\": \"service required\"}"),
            ("{\"action\":\"get\",\"service\":[]}", "{\"error\": \"service required\"}"),
            ("{\"action\":\"get\",\"service\":5}", "{\"error\": \"service must be a string\"}"),
            ("{\"action\":\"zz\",\"service\":\"x\"}", "{\"error\": \"unknown action: zz\"}"),
            ("{\"action\":\"Hunter2!\",\"service\":\"x\"}", "{\"error\": \"unknown action\"}"),
            (
                "{\"action\":\"get\",\"service\":\"x\",\"username\":[\"hunter2\"]}",
                "{\"error\": \"username must be a string\"}",
            ),
            ("{\"action\":\"list\",\"prefix\":7}", "{\"error\": \"prefix must be a string\"}"),
            (
                "{\"action\":\"get\",\"service\":\"x\",\"token\":{}}",
                "{\"error\": \"token must be a string\"}",
            ),
            (
                "{\"action\":\"get\",\"service\":\"x\",\"id\":\"1\"}",
                "{\"error\": \"id must be a whole number\"}",
            ),
            (
                "{\"action\":\"get\",\"service\":\"x\",\"id\":1.5}",
                "{\"error\": \"id must be a whole number\"}",
            ),
            (
                "{\"action\":\"get\",\"service\":\"x\",\"mode\":\"hunter2\"}",
                "{\"error\": \"unknown mode\"}",
            ),
            (
                "{\"action\":\"zz\",\"username\":null,\"id\":null,\"mode\":null,\"service\":\"x\"}",
                "{\"error\": \"unknown action: zz\"}",
            ),
        ] {
            assert_eq!(error_of(line), answer, "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_line_panics_and_every_answer_is_one_json_line(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            let answer = match Request::parse(&line) {
                Err(answer) => python_json(&answer),
                Ok(request) => python_json(&request.unknown()),
            };
            prop_assert!(!answer.contains('\n'));
            prop_assert!(serde_json::from_str::<Value>(&answer).is_ok());
        }

        #[test]
        fn any_text_survives_the_python_form(text in ".*") {
            let written = python_json(&Value::String(text.clone()));
            prop_assert!(written.is_ascii());
            prop_assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
        }
    }
}
