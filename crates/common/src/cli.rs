//! Flags that all tools share, so that they read the same everywhere.

use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};

use crate::environment;
use crate::out::Color;

/// A path that a flag or `variable` names. A variable that was emptied names nothing, and the path is empty then;
/// an empty flag is a mistake.
pub fn path_or(variable: &'static str) -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().try_map(move |text| {
        if text.is_empty() && !environment::is_emptied(variable) {
            return Err("a path must not be empty");
        }
        Ok(PathBuf::from(text))
    })
}

/// How a command prints.
#[derive(Debug, Clone, clap::Args)]
pub struct OutputArgs {
    /// Print JSON instead of text, errors included
    #[arg(long, global = true, help_heading = "Output")]
    pub json: bool,
    /// When to color what people read
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        help_heading = "Output"
    )]
    pub color: Color,
}
