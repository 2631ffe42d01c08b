//! Completions of service names. They are as secret as the vault is, so only a daemon that runs
//! already is asked, with the token at hand; whatever goes wrong, nothing is offered.

use std::ffi::OsStr;
use std::time::Duration;

use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use common::environment;
use serde_json::json;

use crate::cli;
use crate::client::{Caller, Client};
use crate::home::Home;

/// The variable by which the shell's script asks for completions; a name that nobody else sets.
pub(crate) const VARIABLE: &str = "_CREDENTIAL_PROXY_COMPLETE";

/// Nobody waits longer than this for a list of names.
const PATIENCE: Duration = Duration::from_millis(500);

/// Answers the shell's script, if it is the one that asks. Returns whether it was.
pub(crate) fn answer() -> bool {
    common::complete::answer(VARIABLE, cli::command)
}

/// Completes a service.
pub(crate) fn services() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| offer("", &typed.to_string_lossy()))
}

/// Completes the service in `VAR=SERVICE`.
pub(crate) fn assignments() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let typed = typed.to_string_lossy();
        typed
            .split_once('=')
            .map(|(variable, service)| offer(&format!("{variable}="), service))
            .unwrap_or_default()
    })
}

fn offer(before: &str, typed: &str) -> Vec<CompletionCandidate> {
    names(typed)
        .unwrap_or_default()
        .into_iter()
        .map(|name| CompletionCandidate::new(format!("{before}{name}")))
        .collect()
}

fn names(prefix: &str) -> Option<Vec<String>> {
    let path = |name| environment::os(name).map(Into::into);
    let home = Home::new(path("CREDENTIAL_PROXY_HOME"), path("CREDENTIAL_PROXY_SOCKET")).ok()?;
    home.check().ok()?;
    let caller = Caller { token: crate::cmd::token_of_caller().ok()?, run: None };
    let mut client = Client::connect(&home, caller).ok()??.with_patience(PATIENCE);
    let answer = client.ask(json!({ "action": "list", "prefix": prefix })).ok()?;
    let services = answer.get("services")?.as_array()?;
    // A name with a control character would do something to the shell's line.
    let names = services.iter().filter_map(|name| name.as_str());
    Some(names.filter(|name| !name.chars().any(char::is_control)).map(str::to_owned).collect())
}
