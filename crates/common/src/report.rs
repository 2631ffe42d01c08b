//! The only printer of errors: `tool: message: cause`, then `  hint: …`, or one JSON object.
//!
//! It also owns the frame of every `main`: exit code, flushed output, closed pipes that end quietly,
//! and panics, which leave with 70 and never show their payload, since that could hold a secret.

use std::io::{self, Write as _};
use std::panic;
use std::path::Path;
use std::process::ExitCode;

use clap::error::ContextValue;
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
        if line.ends_with(&text) || repeats_sqlite(cause) {
            continue;
        }
        if !line.is_empty() {
            line.push_str(": ");
        }
        line.push_str(&text);
    }
    sanitize(&line).into_owned()
}

/// Whether the cause only says again, with a number, what the error of SQLite above it said.
#[cfg(feature = "sqlite")]
fn repeats_sqlite(cause: &(dyn std::error::Error + 'static)) -> bool {
    cause.downcast_ref::<rusqlite::ffi::Error>().is_some()
}

#[cfg(not(feature = "sqlite"))]
fn repeats_sqlite(_cause: &(dyn std::error::Error + 'static)) -> bool {
    false
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
        say(&if json {
            let message = format!("this is a bug in {tool}{place}");
            json!({ "error": { "code": "bug", "message": message, "hint": BUG_HINT } }).to_string()
        } else {
            format!("{tool}: this is a bug in {tool}{place}\n  hint: {BUG_HINT}")
        });
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
    let report = Report::of::<E>(error);
    if report.code == OUTPUT && is_closed_pipe(error) {
        return Exit::Done;
    }
    if json {
        say(&report.to_json().to_string());
    } else {
        let hint = match (&report.hint, report.exit) {
            (Some(hint), exit) if exit != Exit::No => format!("\n  hint: {hint}"),
            _ => String::new(),
        };
        say(&format!("{tool}: {}{hint}", report.message));
    }
    report.exit
}

/// Prints help, the version, or what is wrong with the arguments, and says how the process ends.
///
/// Wrong arguments are a JSON object for those who asked for JSON before any `--`. What was typed is
/// repeated in the message, so it is made safe for a terminal like everything else.
pub fn usage(mut error: clap::Error) -> ExitCode {
    escape_what_was_typed(&mut error);
    let text = error.to_string();
    let wants_json = std::env::args_os().take_while(|arg| arg != "--").any(|arg| arg == "--json");
    if !error.use_stderr() {
        let printed = error.print().and_then(|()| io::stdout().flush());
        return printed.map_or_else(unprinted, |()| Exit::Done).into();
    }
    // A closed stream leaves the exit code to tell.
    let _ = if wants_json {
        let mut object =
            json!({ "error": { "code": "usage", "message": first_paragraph(&error.to_string()) } });
        let tip = text.lines().find_map(|line| line.trim_start().strip_prefix("tip: "));
        if let (Some(tip), Some(error)) = (tip, object["error"].as_object_mut()) {
            error.insert("hint".to_owned(), tip.into());
        }
        writeln!(io::stderr(), "{object}")
    } else {
        let safe: Vec<_> = text.lines().map(sanitize).collect();
        writeln!(io::stderr().lock(), "{}", safe.join("\n"))
    };
    u8::try_from(error.exit_code()).map_or(Exit::Usage.into(), ExitCode::from)
}

/// A line break that was typed stays within the line that repeats it.
fn escape_what_was_typed(error: &mut clap::Error) {
    let typed: Vec<_> = error
        .context()
        .filter_map(|(kind, value)| match value {
            ContextValue::String(text) => Some((kind, sanitize(text).into_owned())),
            _ => None,
        })
        .collect();
    for (kind, text) in typed {
        error.insert(kind, ContextValue::String(text));
    }
}

/// How a tool ends that could not print its help or version: a pipe that was closed has had enough.
fn unprinted(error: io::Error) -> Exit {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Exit::Done;
    }
    let program = std::env::args_os().next().unwrap_or_default();
    let tool = Path::new(&program).file_name().unwrap_or_default().to_string_lossy();
    fail::<crate::Error>(&tool, false, &crate::Error::Output(error).into())
}

/// What is wrong with the arguments, in one line that names all of them.
pub fn usage_message(mut error: clap::Error) -> String {
    escape_what_was_typed(&mut error);
    first_paragraph(&error.to_string())
}

fn first_paragraph(text: &str) -> String {
    let mut lines = text.lines().take_while(|line| !line.is_empty()).map(str::trim);
    let first = lines.next().unwrap_or_default().trim_start_matches("error: ");
    let rest: Vec<&str> = lines.collect();
    if rest.is_empty() { first.to_owned() } else { format!("{first} {}", rest.join(", ")) }
}

/// Prints one warning line for people; it changes no exit code.
pub fn warn(tool: &str, message: &str) {
    say(&format!("{tool}: warning: {}", sanitize(message)));
}

/// Writes to stderr at once, so that the lines of many processes on one log do not mix.
fn say(text: &str) {
    // Nothing is left to do when stderr is closed, too; the exit code still tells.
    let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
}

const BUG_HINT: &str = "please report it with the command that you ran";

/// The word of [`crate::Error::Output`], also when an error of a tool is transparent and hides it.
const OUTPUT: &str = "output";

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|source| source.kind() == io::ErrorKind::BrokenPipe)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    #[test]
    fn wrong_arguments_are_named_in_one_line() {
        let command = clap::Command::new("tool")
            .args([clap::Arg::new("FROM").required(true), clap::Arg::new("TO").required(true)]);
        let error = command.try_get_matches_from(["tool"]).unwrap_err();
        assert_eq!(
            usage_message(error),
            "the following required arguments were not provided: <FROM>, <TO>"
        );
    }

    #[test]
    fn a_line_break_that_was_typed_does_not_break_the_message() {
        let command = clap::Command::new("tool")
            .arg(
                clap::Arg::new("JOB").value_parser(clap::builder::NonEmptyStringValueParser::new()),
            )
            .arg(clap::Arg::new("N").long("n").value_parser(clap::value_parser!(u8)));
        let mut error =
            command.try_get_matches_from(["tool", "--n", "a\nb\u{1b}[31m"]).unwrap_err();
        escape_what_was_typed(&mut error);
        let first = error.to_string().lines().next().unwrap_or_default().to_owned();
        assert!(first.contains("'a\\nb\\u{1b}[31m'") && first.contains("--n"), "{first}");
    }

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
    #[cfg(feature = "sqlite")]
    fn what_sqlite_says_is_said_once() {
        let failure = rusqlite::ffi::Error::new(778);
        let source = rusqlite::Error::SqliteFailure(failure, Some("disk I/O error".to_owned()));
        let error = crate::sqlite::error("open", std::path::Path::new("/x/state.db"))(source);
        let report = Report::of::<Error>(&error.into());
        assert_eq!(report.message, "cannot open the database /x/state.db: disk I/O error");
    }

    #[test]
    fn control_characters_of_a_message_do_not_reach_the_terminal() {
        let report = Report::of::<Error>(&anyhow::anyhow!("bad name \u{1b}[31m\nred"));
        assert_eq!(report.message, "bad name \\u{1b}[31m\\nred");
    }

    #[derive(Debug, thiserror::Error)]
    #[error(transparent)]
    struct OfTool(#[from] Error);

    impl Explain for OfTool {
        fn exit(&self) -> Exit {
            self.0.exit()
        }
        fn code(&self) -> &'static str {
            self.0.code()
        }
        fn hint(&self) -> Option<String> {
            self.0.hint()
        }
    }

    #[test]
    fn a_closed_pipe_is_quiet_also_inside_a_tools_own_error() {
        let closed = || Error::Output(io::ErrorKind::BrokenPipe.into());
        for error in [
            anyhow::Error::from(closed()),
            anyhow::Error::from(OfTool(closed())),
            anyhow::Error::from(OfTool(closed())).context("cannot list"),
        ] {
            assert_eq!(fail::<OfTool>("tool", false, &error), Exit::Done, "{error:?}");
        }
        let other = Error::File {
            doing: "write",
            path: "socket".into(),
            source: io::ErrorKind::BrokenPipe.into(),
        };
        assert_eq!(fail::<OfTool>("tool", false, &OfTool(other).into()), Exit::Failed);
    }

    const ROLE: &str = "COMMON_TEST_REPORT_ROLE";

    /// Not a test: a tool that fails or panics.
    #[test]
    #[expect(clippy::disallowed_methods, clippy::exit, reason = "the role ends like a tool")]
    fn role() {
        let Some(role) = crate::environment::text(ROLE) else { return };
        let code = main::<Error>("tool", role.contains("json"), || {
            assert!(!role.contains("panic"), "the payload holds a hunter2");
            Err(Error::Process { doing: "wait", source: io::ErrorKind::Other.into() }.into())
        });
        let code = if code == ExitCode::from(70) { 70 } else { 3 };
        std::process::exit(code);
    }

    /// The code of the role and each of its writes to stderr, which a socket keeps apart.
    fn writes_of(role: &str) -> (Option<i32>, Vec<String>) {
        use std::os::fd::OwnedFd;
        let _turn = crate::turn::beside_others();
        let (reader, writer) = std::os::unix::net::UnixDatagram::pair().unwrap();
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "report::tests::role", "--nocapture"])
            .env(ROLE, role)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::from(OwnedFd::from(writer)))
            .status()
            .unwrap();
        reader.set_nonblocking(true).unwrap();
        let mut seen = Vec::new();
        let mut piece = [0_u8; 4096];
        while let Ok(n_bytes) = reader.recv(&mut piece)
            && n_bytes > 0
        {
            seen.push(String::from_utf8_lossy(&piece[..n_bytes]).into_owned());
        }
        (status.code(), seen)
    }

    #[test]
    fn an_error_is_one_write_so_that_the_lines_of_many_processes_do_not_mix() {
        let (code, writes) = writes_of("text");
        assert_eq!((code, writes.len()), (Some(3), 1), "{writes:?}");
        let (code, writes) = writes_of("json");
        assert_eq!((code, writes.len()), (Some(3), 1), "{writes:?}");
        let object: Value = serde_json::from_str(&writes[0]).unwrap();
        assert_eq!(object["error"]["code"], "process");
    }

    #[test]
    fn a_panic_is_a_bug_that_is_told_without_its_payload() {
        for role in ["panic", "panic json"] {
            let (code, writes) = writes_of(role);
            assert_eq!((code, writes.len()), (Some(70), 1), "{writes:?}");
            assert!(!writes[0].contains("hunter2"));
            if role.contains("json") {
                let object: Value = serde_json::from_str(&writes[0]).unwrap();
                assert_eq!(object["error"]["code"], "bug");
                assert!(object["error"]["hint"].is_string());
            }
        }
    }
}
