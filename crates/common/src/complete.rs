//! Completions that ask the program itself: the script that a shell sources, and the answers to it.
//!
//! Whatever goes wrong while somebody types, nothing is offered and nothing is said. What the names are and where
//! they live is each tool's own.

use std::ffi::OsStr;

use clap::Command;
use clap_complete::engine::CompletionCandidate;
use clap_complete::env::{CompleteEnv, Shells};

use crate::error::Error;

/// Answers the shell's script if it is the one that asks, by `variable`. Returns whether it was.
///
/// Every other command pays nothing for it: the command line is not even built.
pub fn answer(variable: &'static str, command: fn() -> Command) -> bool {
    crate::environment::os(variable).is_some()
        && CompleteEnv::with_factory(command)
            .var(variable)
            .try_complete(std::env::args_os(), std::env::current_dir().ok().as_deref())
            .unwrap_or(false)
}

/// The script that a shell sources; it asks `tool` by `variable`.
pub fn script(variable: &str, tool: &str, shell: clap_complete::Shell) -> Result<Vec<u8>, Error> {
    let mut script = Vec::new();
    if let Some(shell) = Shells::builtins().completer(&shell.to_string()) {
        shell.write_registration(variable, tool, tool, tool, &mut script).map_err(Error::Output)?;
    }
    Ok(script)
}

/// Those of the names that begin with what is typed.
pub fn offer(typed: &OsStr, names: impl IntoIterator<Item = String>) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    names
        .into_iter()
        .filter(|name| name.starts_with(typed.as_ref()))
        .map(CompletionCandidate::new)
        .collect()
}

/// The fleet database, if there is one, for reading names in it.
///
/// A completion must not create a database, and whoever typed does not wait long for one that is busy.
#[cfg(feature = "fleet")]
pub fn fleet() -> Option<crate::fleet::Database> {
    let database = crate::fleet::DatabaseArgs {
        db: crate::environment::os("AGENT_STATE_DB").map(Into::into),
        busy_timeout: std::time::Duration::from_millis(200),
    };
    let exists = database.place().is_ok_and(|place| place.may_exist());
    exists.then(|| database.open_read_only().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_begin_with_what_is_typed_are_offered() {
        let names = ["k6-weekly", "k6", "triage"].map(str::to_owned);
        let offered = offer(OsStr::new("k6"), names);
        let offered: Vec<_> = offered.iter().map(|it| it.get_value().to_owned()).collect();
        assert_eq!(offered, ["k6-weekly", "k6"]);
    }

    #[test]
    fn the_script_of_every_shell_asks_the_tool_by_its_variable() {
        use clap::ValueEnum as _;

        for shell in clap_complete::Shell::value_variants() {
            let script = script("_TOOL_COMPLETE", "tool", *shell).unwrap();
            let script = String::from_utf8(script).unwrap();
            assert!(script.contains("_TOOL_COMPLETE") && script.contains("tool"), "{shell}");
        }
    }

    #[test]
    fn a_start_without_the_variable_is_no_question() {
        assert!(!answer("_NOBODY_SETS_THIS_COMPLETE", || unreachable!("nobody asked")));
    }
}
