//! A value of the state: any JSON up to 1 MiB, kept as it was written.
//!
//! Numbers are never read as numbers: one with thirty digits comes out as it went in.

use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// The longest value, in bytes of its text as it is given.
pub(crate) const MAX_BYTES: usize = 1 << 20;

/// The deepest nesting of a value that others are handed: many parsers, serde_json's among them, take 128.
const MAX_DEPTH: usize = 100;

/// How the text of a value is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// As JSON where it parses, else as a string.
    Guess,
    /// As a string, always.
    String,
    /// As JSON, or not at all.
    Json,
}

/// Why a text is no value.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ValueError {
    /// It has more than [`MAX_BYTES`].
    #[error("a value has at most 1 MiB, and this one has more")]
    TooLarge,
    /// It is nested too deeply to be handed to others.
    #[error("a value is nested at most {MAX_DEPTH} levels deep, this one {0}")]
    TooDeep(usize),
    /// It is no text.
    #[error("the value is not UTF-8 text")]
    NotUtf8,
    /// It was to be JSON and is not.
    #[error("the value is not JSON: {0}")]
    NotJson(String),
}

/// A JSON text on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Json(String);

impl Json {
    /// Reads the text of a value.
    pub(crate) fn read(text: &str, reading: Reading) -> Result<Self, ValueError> {
        if text.len() > MAX_BYTES {
            return Err(ValueError::TooLarge);
        }
        Ok(match reading {
            Reading::String => Self::string(text),
            Reading::Json => {
                Self::parse(text).map_err(|error| ValueError::NotJson(error.to_string()))?
            }
            Reading::Guess => Self::parse(text).unwrap_or_else(|_| Self::string(text)),
        })
    }

    /// A JSON text, checked, with the blanks between its parts taken out.
    pub(crate) fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str::<IgnoredAny>(text)?;
        let mut compact = String::with_capacity(text.len());
        let (mut in_string, mut escaped) = (false, false);
        for character in text.chars() {
            if in_string {
                in_string = escaped || character != '"';
                escaped = !escaped && character == '\\';
            } else if matches!(character, ' ' | '\t' | '\n' | '\r') {
                continue;
            } else {
                in_string = character == '"';
            }
            compact.push(character);
        }
        Ok(Self(compact))
    }

    /// The same, unless it is so deep that those who are handed it could not parse it.
    pub(crate) fn handed_on(self) -> Result<Self, ValueError> {
        let (mut depth, mut deepest) = (0_usize, 0);
        let (mut in_string, mut escaped) = (false, false);
        for byte in self.0.bytes() {
            if in_string {
                in_string = escaped || byte != b'"';
                escaped = !escaped && byte == b'\\';
                continue;
            }
            match byte {
                b'"' => in_string = true,
                b'[' | b'{' => depth += 1,
                b']' | b'}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            deepest = deepest.max(depth);
        }
        if deepest > MAX_DEPTH { Err(ValueError::TooDeep(deepest)) } else { Ok(self) }
    }

    /// A text as a JSON string.
    pub(crate) fn string(text: &str) -> Self {
        Self(serde_json::Value::from(text).to_string())
    }

    /// The JSON text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The text of a JSON string without quotes and escapes; other JSON as it is.
    pub(crate) fn raw(&self) -> String {
        serde_json::from_str::<String>(&self.0).unwrap_or_else(|_| self.0.clone())
    }
}

impl From<String> for Json {
    /// What a database holds was checked when it went in.
    fn from(stored: String) -> Self {
        Self(stored)
    }
}

impl serde::Serialize for Json {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serde_json::from_str::<&RawValue>(&self.0) {
            Ok(raw) => raw.serialize(serializer),
            // Somebody wrote into the database by other means; the text is shown for what it is.
            Err(_) => serializer.serialize_str(&self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_json_where_it_parses_and_the_flags_remove_the_guess() {
        for (text, reading, expect) in [
            ("123", Reading::Guess, "123"),
            ("123", Reading::String, "\"123\""),
            ("{\"a\" : [1,\n \"b c\\\" d\" ]}", Reading::Guess, "{\"a\":[1,\"b c\\\" d\"]}"),
            ("hello there", Reading::Guess, "\"hello there\""),
            ("", Reading::Guess, "\"\""),
            ("null", Reading::Guess, "null"),
            (
                "123456789012345678901234567890.10",
                Reading::Json,
                "123456789012345678901234567890.10",
            ),
        ] {
            assert_eq!(Json::read(text, reading).unwrap().as_str(), expect, "{text:?}");
        }
        assert!(matches!(Json::read("hello", Reading::Json), Err(ValueError::NotJson(_))));
    }

    #[test]
    fn a_string_comes_out_raw_and_other_json_as_it_is() {
        assert_eq!(Json::string("a \"b\"\n").raw(), "a \"b\"\n");
        assert_eq!(Json::parse("[1, 2]").unwrap().raw(), "[1,2]");
        assert_eq!(serde_json::to_string(&Json::parse("1e400").unwrap()).unwrap(), "1e400");
    }

    #[test]
    fn a_mebibyte_is_taken_whatever_its_quoting_makes_of_it_and_more_is_refused() {
        for most in ["x".repeat(MAX_BYTES), "\"".repeat(MAX_BYTES)] {
            assert_eq!(Json::read(&most, Reading::Guess).unwrap().raw(), most);
            let more = format!("{most}x");
            assert!(matches!(Json::read(&more, Reading::String), Err(ValueError::TooLarge)));
        }
    }

    #[test]
    fn what_is_handed_on_can_be_parsed_by_others() {
        let nested = |depth: usize| {
            let text = format!("{}\"]\\\"[\"{}", "[".repeat(depth), "]".repeat(depth));
            Json::parse(&text).unwrap().handed_on()
        };
        let most = nested(MAX_DEPTH).unwrap();
        assert!(serde_json::from_str::<serde_json::Value>(most.as_str()).is_ok());
        assert!(matches!(nested(MAX_DEPTH + 1), Err(ValueError::TooDeep(101))));
    }

    #[test]
    fn deeply_nested_json_is_a_string_and_not_a_crash() {
        let deep = "[".repeat(100_000);
        assert_eq!(Json::read(&deep, Reading::Guess).unwrap(), Json::string(&deep));
        assert!(Json::read(&deep, Reading::Json).is_err());
    }
}
