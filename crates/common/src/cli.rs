//! Flags that all tools share, so that they read the same everywhere.

use crate::out::Color;

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
