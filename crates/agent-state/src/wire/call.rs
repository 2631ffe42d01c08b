//! A request as the command that it names, through the parser of the command line.
//!
//! No shell is involved, and nothing of the server's environment gets into a request.

use std::collections::HashMap;
use std::ffi::OsString;
use std::sync::{Mutex, OnceLock, PoisonError};

use clap::{Command, FromArgMatches as _};
use common::report;

use super::given::Given;
use super::{Failure, Request};
use crate::cli::Cli;
use crate::surface::{self, Facts, Method};

/// As much of what was sent as an error repeats.
const MOST_REPEATED: usize = 400;

/// Whose requests these are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Caller {
    /// The run of a request that names none.
    pub(crate) run: Option<String>,
    /// The caller's working directory is not ours, so that a relative path means nothing.
    pub(crate) is_elsewhere: bool,
}

/// A command with what stands beside it in a request.
pub(crate) struct Call {
    pub(crate) cli: Cli,
    pub(crate) facts: &'static Facts,
    /// What `AGENT_STATE_RUN_ID` would say.
    pub(crate) run: Option<String>,
    /// The request itself names the run, and not the surroundings of whoever sent it.
    pub(crate) names_run: bool,
    /// What standard input would hold.
    pub(crate) input: Option<Vec<u8>>,
}

/// The parser of requests; built once, since that costs more than most commands.
pub(crate) struct Parser {
    root: Command,
    methods: HashMap<String, Method>,
    /// Copies of the root that nobody uses at the moment: parsing needs one of its own.
    spare: Mutex<Vec<Command>>,
}

impl Parser {
    /// The parser of this program.
    pub(crate) fn get() -> &'static Self {
        static PARSER: OnceLock<Parser> = OnceLock::new();
        PARSER.get_or_init(|| {
            let root = surface::tree();
            let methods = surface::methods(&root).into_iter();
            Self {
                methods: methods.map(|method| (method.name.clone(), method)).collect(),
                root: without_environment(root),
                spare: Mutex::default(),
            }
        })
    }

    /// The command that a request names, or why there is none.
    pub(crate) fn read(&self, request: &Request<'_>, caller: &Caller) -> Result<Call, Failure> {
        let Some(method) = self.methods.get(request.method.as_ref()) else {
            let name = shortened(&request.method);
            return Err(Failure::new("no_method", format!("there is no method `{name}`"))
                .with_hint("`capabilities` describes every method"));
        };
        if !method.facts.is_callable() {
            let why = "it runs a command, never ends, or prints no JSON";
            let message = format!("`{}` cannot be called in a request: {why}", method.name);
            return Err(Failure::new("not_callable", message)
                .with_hint(format!("run `agent-state {}`", method.words.join(" "))));
        }
        let given = Given::sort(method, request)?;
        let run = given.run.clone().or_else(|| caller.run.clone());
        let words = given.words(method, run.as_deref(), caller)?;
        let cli = self.parse(words)?;
        let names_run = given.run.is_some();
        Ok(Call { cli, facts: method.facts, run, names_run, input: given.input })
    }

    fn parse(&self, words: Vec<OsString>) -> Result<Cli, Failure> {
        let spare = || self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = spare().pop();
        let mut parser = kept.unwrap_or_else(|| self.root.clone());
        let parsed = parser
            .try_get_matches_from_mut(words)
            .and_then(|mut matches| Cli::from_arg_matches_mut(&mut matches))
            .map_err(|error| Failure::new("usage", shortened(&report::usage_message(error))));
        spare().push(parser);
        parsed
    }
}

/// The same commands, deaf for environment variables.
fn without_environment(command: Command) -> Command {
    command.mut_args(|arg| arg.env(None::<&'static str>)).mut_subcommands(without_environment)
}

/// The beginning of what was sent, safe for a terminal.
pub(super) fn shortened(text: &str) -> String {
    let short: String = text.chars().take(MOST_REPEATED).collect();
    common::out::sanitize(&short).into_owned()
}
