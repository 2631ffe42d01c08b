//! The one place that reads environment variables.
//!
//! An empty variable counts as absent: crontabs and units clear a variable by emptying it.

use std::ffi::OsString;

/// The value of `name`, or `None` when it is absent or empty.
#[expect(clippy::disallowed_methods, reason = "this is the place that the rule points to")]
pub fn os(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Whether `name` is there and empty.
#[expect(clippy::disallowed_methods, reason = "this is the place that the rule points to")]
pub fn is_emptied(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| value.is_empty())
}

/// The value of `name` as text, or `None` when it is absent, empty or not UTF-8.
pub fn text(name: &str) -> Option<String> {
    os(name).and_then(|value| value.into_string().ok())
}

/// Whether `name` is there and empty, for readers of the environment that do not know that rule.
#[expect(clippy::disallowed_methods, reason = "this is the place that the rule points to")]
pub fn is_cleared(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| value.is_empty())
}
