//! The parameters of a request as the words of the command line that says the same.
//!
//! Each becomes one word that the parser cannot take for anything else: a flag with its value behind `=`, a
//! positional behind `--`.

use std::collections::HashSet;
use std::ffi::OsString;

use serde_json::json;
use serde_json::value::RawValue;

use super::call::{Caller, shortened};
use super::{Failure, Request};
use crate::surface::{Kind, Method, Param, Place};

/// The parameters of a request, each with what it is for.
pub(super) struct Given<'a> {
    values: Vec<(&'a Param, &'a RawValue)>,
    pub(super) run: Option<String>,
    pub(super) input: Option<Vec<u8>>,
}

impl<'a> Given<'a> {
    /// Finds out what each parameter is; `null` is as good as absent, unless it stands where JSON must.
    pub(super) fn sort(method: &'a Method, request: &'a Request<'_>) -> Result<Self, Failure> {
        let mut given = Self { values: Vec::new(), run: None, input: None };
        let mut seen: HashSet<&str> = HashSet::new();
        let mut unknown = Vec::new();
        let mut nulls = Vec::new();
        for (name, value) in &request.params.0 {
            if !seen.insert(name) {
                return Err(wrong(method, &format!("the parameter `{name}` stands there twice")));
            }
            if value.get() == "null" {
                let is_value = |param: &&Param| param.kind == Kind::Json && param.is_required;
                let param = method.params.iter().find(|param| param.name == *name);
                nulls.extend(param.filter(is_value).map(|param| (param, *value)));
                continue;
            }
            let input = method.facts.input.map_or("", |input| input.name);
            if let Some(param) = method.params.iter().find(|param| param.name == *name) {
                if param.is_local {
                    let message =
                        format!("`{name}` of `{}` makes sense on a command line only", method.name);
                    return Err(Failure::new("not_callable", message));
                }
                given.values.push((param, value));
            } else if name == "run_id" {
                given.run = Some(text(method, name, value)?);
            } else if !input.is_empty() && name == input {
                let text = match Shape::of(value) {
                    Shape::String => text(method, name, value)?,
                    _ => value.get().to_owned(),
                };
                given.set_input(method, text.into_bytes())?;
            } else if method.facts.input.is_some_and(|input| input.place.is_none())
                && name.strip_suffix("_hex") == Some(input)
            {
                let bytes = bytes_of_hex(&text(method, name, value)?)
                    .ok_or_else(|| wrong(method, &format!("`{name}` is not hex digits")))?;
                given.set_input(method, bytes)?;
            } else {
                unknown.push(shortened(name));
            }
        }
        // A client that says all it could say leaves one of the two open.
        if given.input.is_none() {
            given.values.extend(nulls);
        }
        if unknown.is_empty() { Ok(given) } else { Err(unknown_params(method, &unknown)) }
    }

    fn set_input(&mut self, method: &Method, bytes: Vec<u8>) -> Result<(), Failure> {
        if self.input.replace(bytes).is_some() {
            return Err(wrong(method, "its input is given twice"));
        }
        Ok(())
    }

    /// The words of the command line that says the same.
    pub(super) fn words(
        &self,
        method: &Method,
        run: Option<&str>,
        caller: &Caller,
    ) -> Result<Vec<OsString>, Failure> {
        let mut words: Vec<OsString> = vec![crate::TOOL.into(), "--json".into()];
        words.extend(method.words.iter().map(Into::into));
        let mut positionals = Vec::new();
        let mut missing = Vec::new();
        let stdin = method.facts.input;
        if stdin.is_some_and(|input| input.place.is_none()) && self.input.is_none() {
            missing.extend(stdin.map(|input| input.name));
        }
        for param in &method.params {
            let value = self.values.iter().find(|(known, _)| known.name == param.name);
            let is_dash = self.input.is_some()
                && stdin.is_some_and(|input| input.place == Some(param.name.as_str()));
            match value {
                Some((_, value)) if is_dash => {
                    if text(method, &param.name, value).as_deref() != Ok("-") {
                        let message = format!("give `{}` or the input, not both", param.name);
                        return Err(wrong(method, &message));
                    }
                    positionals.push("-".to_owned());
                }
                Some((_, value)) => {
                    self.say(method, param, value, caller, &mut words, &mut positionals)?;
                }
                None if is_dash => positionals.push("-".to_owned()),
                None if param.is_run && run.is_some() => {
                    let run = run.unwrap_or_default().to_owned();
                    put(param, run, &mut words, &mut positionals);
                }
                None if param.is_required && param.is_local => {
                    missing.extend(stdin.map(|input| input.name));
                }
                None if param.is_required => missing.push(param.name.as_str()),
                None => {}
            }
        }
        if !missing.is_empty() {
            let message = format!("it needs {}", quoted(&missing));
            return Err(wrong(method, &message).with_data(json!({ "missing": missing })));
        }
        words.push("--".into());
        words.extend(positionals.into_iter().map(Into::into));
        Ok(words)
    }

    /// Adds one parameter to the words.
    fn say(
        &self,
        method: &Method,
        param: &Param,
        value: &RawValue,
        caller: &Caller,
        words: &mut Vec<OsString>,
        positionals: &mut Vec<String>,
    ) -> Result<(), Failure> {
        let name = &param.name;
        let is_switched_on = |name: &str| {
            self.values.iter().any(|(param, value)| param.name == name && value.get() == "true")
        };
        let texts = match (param.kind, Shape::of(value)) {
            (Kind::Boolean, Shape::Boolean) if value.get() == "false" => return Ok(()),
            (Kind::Boolean, Shape::Boolean) => {
                words.push(match &param.place {
                    Place::Long(flag) => flag.into(),
                    Place::Short(flag) => format!("-{flag}").into(),
                    Place::Positional => {
                        return Err(wrong(method, &format!("`{name}` is no flag")));
                    }
                });
                return Ok(());
            }
            (Kind::Boolean, _) => {
                return Err(wrong(method, &format!("`{name}` is true or false")));
            }
            (Kind::Array, Shape::Compound) => list(method, name, value)?,
            // These two say how a text is to be read; without them JSON is what it is.
            (Kind::Json, _) if is_switched_on("string") || is_switched_on("json_value") => {
                vec![any_text(method, name, value)?]
            }
            (Kind::Json, _) => {
                // What was sent as JSON is JSON, or too deep, and never a text that looks like it.
                if method.params.iter().any(|param| param.name == "json_value") {
                    words.push("--json-value".into());
                }
                vec![value.get().to_owned()]
            }
            (_, Shape::Compound) => {
                return Err(wrong(
                    method,
                    &format!("`{name}` is one value, no list and no object"),
                ));
            }
            _ => vec![any_text(method, name, value)?],
        };
        let is_path = param.is_file || (name == "resource" && is_switched_on("path"));
        for text in texts {
            if is_path && caller.is_elsewhere && !text.starts_with('/') {
                let message = format!("`{name}` must be an absolute path");
                return Err(wrong(method, &message).with_hint(
                    "the server has a working directory of its own; send the whole path",
                ));
            }
            put(param, text, words, positionals);
        }
        Ok(())
    }
}

/// Puts a value where the parser can take it for nothing else.
fn put(param: &Param, text: String, words: &mut Vec<OsString>, positionals: &mut Vec<String>) {
    match &param.place {
        Place::Long(flag) => words.push(format!("{flag}={text}").into()),
        Place::Short(flag) => words.push(format!("-{flag}={text}").into()),
        Place::Positional => positionals.push(text),
    }
}

/// What kind of JSON a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    String,
    Number,
    Boolean,
    Compound,
}

impl Shape {
    fn of(value: &RawValue) -> Self {
        match value.get().as_bytes().first() {
            Some(b'"') => Self::String,
            Some(b'{' | b'[') => Self::Compound,
            Some(b't' | b'f') => Self::Boolean,
            _ => Self::Number,
        }
    }
}

/// The text of a string.
fn text(method: &Method, name: &str, value: &RawValue) -> Result<String, Failure> {
    serde_json::from_str(value.get())
        .map_err(|_| wrong(method, &format!("`{}` is not a string", shortened(name))))
}

/// The text of a string, and other JSON as it was written.
fn any_text(method: &Method, name: &str, value: &RawValue) -> Result<String, Failure> {
    match Shape::of(value) {
        Shape::String => text(method, name, value),
        _ => Ok(value.get().to_owned()),
    }
}

fn list(method: &Method, name: &str, value: &RawValue) -> Result<Vec<String>, Failure> {
    let values: Vec<&RawValue> = serde_json::from_str(value.get())
        .map_err(|_| wrong(method, &format!("`{name}` is a list")))?;
    values
        .into_iter()
        .map(|value| match (Shape::of(value), value.get()) {
            (Shape::Compound, _) | (_, "null") => {
                Err(wrong(method, &format!("`{name}` is a list of texts")))
            }
            _ => any_text(method, name, value),
        })
        .collect()
}

fn bytes_of_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|n| u8::try_from(n).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect()
}

fn unknown_params(method: &Method, unknown: &[String]) -> Failure {
    let unknown: Vec<&str> = unknown.iter().map(String::as_str).collect();
    let mut known: Vec<&str> = method
        .params
        .iter()
        .filter(|param| !param.is_local)
        .map(|param| param.name.as_str())
        .collect();
    known.extend(method.facts.input.map(|input| input.name));
    known.push("run_id");
    let message = format!("it has no {}; it has {}", quoted(&unknown), quoted(&known));
    wrong(method, &message).with_data(json!({ "unknown": unknown, "params": known }))
}

fn quoted(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

/// Wrong parameters.
fn wrong(method: &Method, what: &str) -> Failure {
    Failure::new("usage", format!("the parameters of `{}` are wrong: {what}", method.name))
}
