//! One request and one answer a line, as programs in other languages speak them.
//!
//! `{"id":1,"method":"lock.acquire","params":{…}}` is answered by `{"id":1,"result":…}` or by
//! `{"id":1,"error":{"code":…,"message":…,"hint":…,"data":…}}`. Only the form of the lines is decided here:
//! nothing is run, and nothing is read from or written to anywhere.

pub(crate) mod call;
mod given;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use common::report::Report;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// The longest request, in bytes without its newline.
pub(crate) const MAX_REQUEST: usize = 1 << 20;

/// The most clients that a server serves at once; fewer where the system grants it few open files.
pub(crate) const MAX_CLIENTS: usize = 256;

/// What one line asks for.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    /// As it was written, and absent where it was.
    pub(crate) id: Option<&'a RawValue>,
    pub(crate) method: Cow<'a, str>,
    pub(crate) params: Members<'a>,
}

/// The members of an object in their order, each value as it was written.
#[derive(Debug, Default)]
pub(crate) struct Members<'a>(pub(crate) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
                    members.push((name.0, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// A string of JSON, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Request<'a> {
    /// Reads a line. Where that fails, the id is given with the failure if it could be read.
    pub(crate) fn read(line: &'a [u8]) -> Result<Self, (Option<&'a RawValue>, Failure)> {
        let text = std::str::from_utf8(line)
            .map_err(|_| (None, Failure::bad_request("the line is not UTF-8 text")))?;
        let members: Members<'a> = serde_json::from_str(text).map_err(|error| {
            // What was sent is not repeated, only where it stops being a request.
            let what = match error.classify() {
                serde_json::error::Category::Data => "the line is not a JSON object",
                _ => "the line is not JSON",
            };
            (None, Failure::bad_request(&format!("{what} (column {})", error.column())))
        })?;
        let mut request = Self { id: None, method: Cow::Borrowed(""), params: Members::default() };
        let mut method = None;
        let mut failure = None;
        // A line of the longest size has room for a hundred thousand members.
        let mut seen: HashSet<&str> = HashSet::new();
        for (name, value) in &members.0 {
            if !seen.insert(name) {
                failure = Some(Failure::bad_request("a member stands there twice"));
            }
            match name.as_ref() {
                "id" => request.id = Some(value),
                "method" => method = Some(*value),
                "params" if value.get() == "null" => {}
                "params" => match serde_json::from_str(value.get()) {
                    Ok(params) => request.params = params,
                    Err(_) => failure = Some(Failure::bad_request("`params` is not an object")),
                },
                _ => {
                    failure = Some(Failure::bad_request(
                        "a request has the members `id`, `method` and `params`, and no others",
                    ));
                }
            }
        }
        match method.map(|method| serde_json::from_str::<Text<'a>>(method.get())) {
            Some(Ok(method)) => request.method = method.0,
            Some(Err(_)) => failure = Some(Failure::bad_request("`method` is not a string")),
            None => failure = Some(Failure::bad_request("there is no `method`")),
        }
        match failure {
            Some(failure) => Err((request.id, failure)),
            None => Ok(request),
        }
    }
}

/// Why there is no result: the error of an answer.
#[derive(Debug, PartialEq)]
pub(crate) struct Failure {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    pub(crate) data: Option<Box<Value>>,
}

impl Failure {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None, data: None }
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn with_data(mut self, data: Value) -> Self {
        self.data = Some(Box::new(data));
        self
    }

    /// A line that is no request.
    fn bad_request(message: &str) -> Self {
        Self::new("bad_request", message).with_hint(
            "send one object a line: {\"id\":1,\"method\":\"stats\",\"params\":{}}; `capabilities` describes the methods",
        )
    }

    /// A line of more than [`MAX_REQUEST`].
    pub(crate) fn too_large() -> Self {
        Self::new("too_large", "a request has at most 1 MiB")
    }

    /// A line that was begun and not ended in time.
    pub(crate) fn slow(seconds: u64) -> Self {
        Self::new("slow", format!("the line was not ended within {seconds} seconds"))
    }

    /// One client more than are served at once.
    pub(crate) fn too_many(n_clients: usize) -> Self {
        Self::new("too_many_clients", format!("{n_clients} clients are being served"))
            .with_hint("try again later, or close connections that are not used")
    }

    /// A bug of ours; what it was stands on the server's stderr.
    pub(crate) fn bug() -> Self {
        Self::new("bug", "this is a bug in agent-state")
            .with_hint("please report it with the request that you sent")
    }

    fn to_json(&self) -> Value {
        let mut error = Map::new();
        error.insert("code".into(), self.code.into());
        error.insert("message".into(), self.message.clone().into());
        if let Some(hint) = &self.hint {
            error.insert("hint".into(), hint.clone().into());
        }
        if let Some(data) = &self.data {
            error.insert("data".into(), data.as_ref().clone());
        }
        Value::Object(error)
    }
}

impl From<Report> for Failure {
    fn from(report: Report) -> Self {
        let Report { code, message, hint, data, .. } = report;
        Self { code, message, hint, data: data.map(Box::new) }
    }
}

/// The line that answers a request, with its newline. A result is a JSON text on one line.
pub(crate) fn answer(id: Option<&RawValue>, result: Result<&str, &Failure>) -> String {
    let id = id.map_or("null", RawValue::get);
    match result {
        Ok(result) => format!("{{\"id\":{id},\"result\":{result}}}\n"),
        Err(failure) => format!("{{\"id\":{id},\"error\":{}}}\n", failure.to_json()),
    }
}
