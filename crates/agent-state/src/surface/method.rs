//! The commands of the parser, each with its parameters and with what the table says of it.

use std::any::TypeId;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Command, CommandFactory as _};
use common::fleet::RUN_ID_VARIABLE;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Facts, METHODS};
use crate::cli::Cli;

/// The whole command line, with the verbs that are otherwise built when they are named.
pub(crate) fn tree() -> Command {
    let mut tree = Cli::command();
    tree.build();
    tree
}

/// A command that does something.
pub(crate) struct Method {
    /// The subcommands with dots, and underscores in their words.
    pub(crate) name: String,
    /// The subcommands as they are typed.
    pub(crate) words: Vec<String>,
    pub(crate) params: Vec<Param>,
    pub(crate) facts: &'static Facts,
    pub(super) command: Command,
}

/// Every command of the tree with what the table says of it.
pub(crate) fn methods(tree: &Command) -> Vec<Method> {
    let known = leaves(tree).into_iter().filter_map(|(words, command)| {
        let name = method_name(&words);
        let (_, facts) = METHODS.iter().find(|(known, _)| *known == name)?;
        let args = command.get_arguments().filter(|arg| !arg.is_global_set());
        let params = args.filter_map(|arg| Param::of(arg, facts)).collect();
        Some(Method { name, words, params, facts, command })
    });
    known.collect()
}

pub(super) fn method_name(words: &[String]) -> String {
    words.join(".").replace('-', "_")
}

/// The commands that do something, by the words that name them.
pub(super) fn leaves(root: &Command) -> Vec<(Vec<String>, Command)> {
    let mut leaves = Vec::new();
    for command in root.get_subcommands() {
        let name = command.get_name().to_owned();
        if command.has_subcommands() {
            for (below, leaf) in self::leaves(command) {
                leaves.push(([vec![name.clone()], below].concat(), leaf));
            }
        } else {
            leaves.push((vec![name], command.clone()));
        }
    }
    leaves
}

/// What a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// A flag without a value: `true`, `false`.
    Boolean,
    Integer,
    Number,
    String,
    /// A duration as text, or as a number of seconds.
    Duration,
    /// Any JSON, as it is.
    Json,
    /// Several texts.
    Array,
}

/// How a parameter stands on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// `--ttl`
    Long(String),
    /// `-E`
    Short(char),
    Positional,
}

/// A flag or an argument of a command.
#[derive(Debug)]
pub(crate) struct Param {
    /// The flag, or the place, with underscores.
    pub(crate) name: String,
    pub(crate) place: Place,
    pub(crate) kind: Kind,
    pub(crate) is_required: bool,
    /// Only a command line can use it.
    pub(crate) is_local: bool,
    /// It names a file.
    pub(crate) is_file: bool,
    /// On the command line the environment gives the run when it is left out.
    pub(crate) is_run: bool,
    values: Vec<String>,
    default: Option<String>,
    help: Option<String>,
}

impl Param {
    fn of(arg: &clap::Arg, facts: &Facts) -> Option<Self> {
        let kind = match arg.get_action() {
            ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version => {
                return None;
            }
            ArgAction::SetTrue | ArgAction::SetFalse | ArgAction::Count => Kind::Boolean,
            ArgAction::Append => Kind::Array,
            _ if arg.get_num_args().is_some_and(|range| range.max_values() > 1) => Kind::Array,
            _ => kind_of_value(arg),
        };
        let name = arg.get_long().unwrap_or(arg.get_id().as_str()).replace('-', "_");
        let kind = if facts.json.contains(&name.as_str()) { Kind::Json } else { kind };
        let place = match (arg.get_long(), arg.get_short()) {
            (Some(long), _) => Place::Long(format!("--{long}")),
            (None, Some(short)) => Place::Short(short),
            (None, None) => Place::Positional,
        };
        let is_boolean = kind == Kind::Boolean;
        let values = arg.get_possible_values();
        let default = arg.get_default_values().first().map(|text| text.to_string_lossy().into());
        Some(Self {
            is_required: arg.is_required_set(),
            is_local: facts.local.contains(&name.as_str()),
            is_file: arg.get_value_parser().type_id() == TypeId::of::<PathBuf>(),
            is_run: arg.get_env().is_some_and(|name| name == RUN_ID_VARIABLE),
            values: values.iter().map(|value| value.get_name().to_owned()).collect(),
            default: default.filter(|_| !is_boolean),
            help: arg.get_help().map(ToString::to_string),
            name,
            place,
            kind,
        })
    }

    pub(super) fn describe(&self) -> Value {
        let has_values = !self.values.is_empty() && self.kind != Kind::Boolean;
        json!({
            "name": self.name,
            "positional": self.place == Place::Positional,
            "required": self.is_required,
            "callable": !self.is_local,
            "type": self.kind,
            "values": has_values.then_some(&self.values),
            "default": self.default,
            "help": self.help,
        })
    }
}

fn kind_of_value(arg: &clap::Arg) -> Kind {
    let parsed = arg.get_value_parser().type_id();
    let is_one_of = |types: &[TypeId]| types.iter().any(|known| parsed == *known);
    if arg.get_value_names().is_some_and(|names| names.first().is_some_and(|name| name == "JSON")) {
        Kind::Json
    } else if is_one_of(&[
        TypeId::of::<i32>(),
        TypeId::of::<i64>(),
        TypeId::of::<u8>(),
        TypeId::of::<u32>(),
        TypeId::of::<u64>(),
        TypeId::of::<usize>(),
    ]) {
        Kind::Integer
    } else if is_one_of(&[TypeId::of::<f64>()]) {
        Kind::Number
    } else if is_one_of(&[TypeId::of::<Duration>()]) {
        Kind::Duration
    } else {
        Kind::String
    }
}
