//! Decrypts a vault once, when its daemon starts, and serves credentials over a private Unix socket.
//!
//! Reading order: [`credential`] and [`service`] say what is kept, [`seal`], [`key`], [`home`] and
//! [`store`] how it is kept, [`access`] opens it; [`import`] fills it; [`protocol`], [`daemon`],
//! [`client`] and [`launch`] serve it; [`mask`] keeps it out of the output of others. Each command
//! is one file in [`cmd`].
//!
//! Invariant: nothing of a credential reaches a disk but inside a sealed token, and no secret
//! stands in an error, a log, an argument list, or a type that can be printed.

mod access;
mod address;
mod audit;
mod cli;
mod client;
mod cmd;
mod complete;
mod credential;
mod daemon;
mod error;
#[cfg(any(fuzzing, test))]
pub mod fuzzing;
mod git;
mod grant;
mod guard;
mod home;
mod import;
mod key;
mod launch;
mod mask;
mod protocol;
mod reference;
mod relay;
mod review;
mod run;
mod seal;
mod secret;
mod service;
mod store;
mod sys;
mod terminal;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use common::report;

/// The name that errors begin with.
pub(crate) const TOOL: &str = "credential-proxy";

/// The whole program.
pub fn main() -> ExitCode {
    if complete::answer() {
        return ExitCode::SUCCESS;
    }
    let args = by_name(std::env::args_os().collect());
    let cli = match cli::parse(&args) {
        Ok(cli) => cli,
        Err(error) => return report::usage(error),
    };
    report::main::<error::Error>(TOOL, cli.output.json, || cmd::run(cli))
}

/// The command line as data: man pages are made of it.
#[must_use]
pub fn command() -> clap::Command {
    cli::command()
}

/// A link to this program can have the name that git, docker or ssh look for.
fn by_name(mut args: Vec<OsString>) -> Vec<OsString> {
    let name = args.first().map(Path::new).and_then(Path::file_name).unwrap_or_default();
    let name = name.to_string_lossy();
    let verb = if name.starts_with("docker-credential-") {
        "docker-credential"
    } else if name.starts_with("git-credential-") {
        "git-credential"
    } else if name == "credential-proxy-askpass" {
        "askpass"
    } else {
        return args;
    };
    args.insert(1, verb.into());
    args
}
