//! What two of the four tools need, and nothing that carries one tool's vocabulary.
//!
//! A thing enters this crate when two tools need it today. It knows paths, exit codes, errors as
//! text, output, time, names, child processes and the fleet database with its run journal. It
//! never parses a command line of its own and never prints except in [`report`] and [`out`].

#![warn(missing_docs)]

pub mod atomic;
pub mod child;
pub mod cli;
pub mod clock;
#[cfg(feature = "complete")]
pub mod complete;
pub mod daemon;
pub mod duration;
pub mod environment;
pub mod error;
pub mod exit;
#[cfg(feature = "fleet")]
pub mod fleet;
pub mod name;
pub mod out;
pub mod place;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "redact")]
pub mod redact;
pub mod report;
pub mod secret_forms;
#[cfg(feature = "sqlite")]
pub mod sql;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(any(target_os = "linux", feature = "fleet"))]
mod stat;
mod sys;
pub mod table;
#[cfg(test)]
mod turn;

pub use error::Error;
pub use exit::Exit;
