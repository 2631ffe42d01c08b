//! The only printer of errors: `tool: message: cause`, then `  hint: …`, or one JSON object.
//!
//! It also owns the frame of every `main`: exit code, flushed output, closed pipes that end quietly,
//! and panics, which leave with 70 and never show their payload, since that could hold a secret.

use std::io::{self, Write as _};
use std::panic;
use std::process::ExitCode;

use serde_json::{Map, Value, json};

use crate::exit::Exit;
use crate::out::sanitize;
use crate::sys;

/// An error that knows its exit code, its stable word for programs, and the next step for people.
pub trait Explain: std::error::Error + Send + Sync + 'static {
    /// How the process ends when this error reaches `main`.
    fn exit(&self) -> Exit;
    /// A stable snake_case word for programs, as `busy`.
    fn code(&self) -> &'static str;
    /// The next step, as a sentence without a final period.
    fn hint(&self) -> Option<String>;
    /// Facts for programs, as the holder of a lock.
    fn data(&self) -> Option<Value> {
        None
    }
}

/// What [`main`] prints and returns for an error.
#[derive(Debug)]
pub struct Report {
    /// How the process ends.
    pub exit: Exit,
    /// The stable word.
    pub code: &'static str,
    /// The message with its causes, in one line, safe for a terminal.
    pub message: String,
    /// The next step.
    pub hint: Option<String>,
    /// Facts for programs.
    pub data: Option<Value>,
}

impl Report {
    /// Finds what `error` means: the tool's own enum `E` first, then [`crate::Error`].
    pub fn of<E: Explain>(error: &anyhow::Error) -> Self {
        let known: Option<&dyn Explain> = error
            .downcast_ref::<E>()
            .map(|known| known as &dyn Explain)
            .or_else(|| error.downcast_ref::<crate::Error>().map(|known| known as &dyn Explain))
            .or_else(|| {
                error
                    .chain()
                    .find_map(|cause| cause.downcast_ref::<crate::Error>())
                    .map(|known| known as &dyn Explain)
            });
        Self {
            exit: known.map_or(Exit::Failed, Explain::exit),
            code: known.map_or("failed", Explain::code),
            message: one_line(error),
            hint: known.and_then(Explain::hint),
            data: known.and_then(Explain::data),
        }
    }

    /// The error object that `--json` prints on stderr.
    pub fn to_json(&self) -> Value {
        let mut error = Map::new();
        error.insert("code".into(), self.code.into());
        error.insert("message".into(), self.message.clone().into());
        if let Some(hint) = &self.hint {
            error.insert("hint".into(), hint.clone().into());
        }
        if let Some(data) = &self.data {
            error.insert("data".into(), data.clone());
        }
        json!({ "error": error })
    }
}

/// The message and its causes, each said once: thiserror's transparent variants repeat theirs.
fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        if line.ends_with(&text) {
            continue;
        }
        if !line.is_empty() {
            line.push_str(": ");
        }
        line.push_str(&text);
    }
    sanitize(&line).into_owned()
}

/// Runs `body` as the whole of a tool, prints what went wrong, and gives the exit code.
pub fn main<E: Explain>(
    tool: &'static str,
    json: bool,
    body: impl FnOnce() -> anyhow::Result<Exit>,
) -> ExitCode {
    panic::set_hook(Box::new(move |info| {
        let place = info
            .location()
            .map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
        let _ = writeln!(
            io::stderr(),
            "{tool}: this is a bug in {tool}{place}\n  hint: please report it with the command that you ran"
        );
    }));
    let exit = match panic::catch_unwind(panic::AssertUnwindSafe(body)) {
        Ok(Ok(exit)) => exit,
        Ok(Err(error)) => fail::<E>(tool, json, &error),
        Err(_) => Exit::Bug,
    };
    if let Exit::Signal(signal) = exit {
        sys::die_of(signal);
    }
    exit.into()
}

/// Prints `error` to stderr and says how the process should end.
pub fn fail<E: Explain>(tool: &str, json: bool, error: &anyhow::Error) -> Exit {
    if is_closed_pipe(error) {
        return Exit::Done;
    }
    let report = Report::of::<E>(error);
    // Nothing is left to do when stderr is closed, too; the exit code still tells.
    let _ = if json {
        writeln!(io::stderr(), "{}", report.to_json())
    } else {
        let hint = match (&report.hint, report.exit) {
            (Some(hint), exit) if exit != Exit::No => format!("\n  hint: {hint}"),
            _ => String::new(),
        };
        writeln!(io::stderr(), "{tool}: {}{hint}", report.message)
    };
    report.exit
}

/// Prints one warning line for people; it changes no exit code.
pub fn warn(tool: &str, message: &str) {
    let _ = writeln!(io::stderr(), "{tool}: warning: {}", sanitize(message));
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| match cause.downcast_ref::<crate::Error>() {
        Some(crate::Error::Output(source)) => source.kind() == io::ErrorKind::BrokenPipe,
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    #[test]
    fn an_error_under_context_keeps_its_exit_code_and_says_each_cause_once() {
        let error = anyhow::Error::from(Error::NoHome).context("cannot open the journal");
        let report = Report::of::<Error>(&error);
        assert_eq!(report.exit, Exit::Failed);
        assert_eq!(
            report.message,
            "cannot open the journal: cannot find the home directory of this user"
        );
        assert_eq!(report.to_json()["error"]["code"], "no_home");
    }

    #[test]
    fn control_characters_of_a_message_do_not_reach_the_terminal() {
        let report = Report::of::<Error>(&anyhow::anyhow!("bad name \u{1b}[31m\nred"));
        assert_eq!(report.message, "bad name \\u{1b}[31m\\nred");
    }
}
