//! What every command takes and answers, as data: the same tree that parses the command line.
//!
//! The parameters come from the parser itself; the table here adds what a parser cannot know. A test holds
//! both against each other, so that a new command cannot be forgotten.

use std::any::TypeId;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Command, CommandFactory as _};
use common::fleet::RUN_ID_VARIABLE;
use serde::Serialize;
use serde_json::{Value, json};

use crate::cli::Cli;
use crate::wire::{MAX_CLIENTS, MAX_REQUEST};

/// How a command answers with `--json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply {
    /// One object.
    Object,
    /// One object a line.
    Lines,
    /// Text, whatever was asked for.
    Text,
    /// The output of the command that it runs.
    Command,
    /// It answers requests until it is ended.
    Stream,
}

/// What a parser cannot know of a command.
pub(crate) struct Facts {
    pub(crate) reply: Reply,
    /// The words of its own honest "no"s, which leave with exit code 1.
    pub(crate) no: &'static [&'static str],
    /// What a request gives instead of standard input.
    pub(crate) input: Option<Input>,
    /// Parameters that are any JSON, beside those whose value is called JSON on the command line.
    pub(crate) json: &'static [&'static str],
    /// Flags that only a command line can use: those that never end, or that change how it prints.
    pub(crate) local: &'static [&'static str],
}

/// The parameter that stands for standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Input {
    pub(crate) name: &'static str,
    /// The parameter that is `-` on the command line for it; without one the command always reads stdin.
    pub(crate) place: Option<&'static str>,
}

const fn facts(reply: Reply, no: &'static [&'static str]) -> Facts {
    Facts { reply, no, input: None, json: &[], local: &[] }
}

impl Facts {
    /// The parameter `place` can be `-` for standard input, which a request gives as `input`.
    const fn reads(self, place: &'static str) -> Self {
        self.reads_as(place, "input")
    }

    /// The same under a better name.
    const fn reads_as(mut self, place: &'static str, name: &'static str) -> Self {
        self.input = Some(Input { name, place: Some(place) });
        self
    }

    /// Standard input is read always, and a request gives it as `content`.
    const fn reads_content(mut self) -> Self {
        self.input = Some(Input { name: "content", place: None });
        self
    }

    const fn takes_json(mut self, names: &'static [&'static str]) -> Self {
        self.json = names;
        self
    }

    const fn not_in_requests(mut self, names: &'static [&'static str]) -> Self {
        self.local = names;
        self
    }

    /// Whether a request can name it: it runs no command, and it answers with JSON.
    pub(crate) const fn is_callable(&self) -> bool {
        matches!(self.reply, Reply::Object | Reply::Lines)
    }
}

/// The commands by their methods.
pub(crate) const METHODS: &[(&str, Facts)] = &[
    ("init", facts(Reply::Object, &[])),
    ("agent.register", facts(Reply::Object, &[])),
    ("agent.list", facts(Reply::Lines, &[])),
    ("agent.show", facts(Reply::Object, &["no_agent"])),
    ("agent.heartbeat", facts(Reply::Object, &["no_agent"])),
    ("agent.retire", facts(Reply::Object, &["no_agent"])),
    (
        "run.start",
        facts(Reply::Object, &["no_agent", "slot_taken"]).not_in_requests(&["export", "id_only"]),
    ),
    ("run.heartbeat", facts(Reply::Object, &["no_run", "run_ended"])),
    ("run.finish", facts(Reply::Object, &["no_run", "run_ended"])),
    ("run.list", facts(Reply::Lines, &["no_agent"])),
    ("run.show", facts(Reply::Object, &["no_run"])),
    ("run.reap", facts(Reply::Lines, &[])),
    ("exec", facts(Reply::Command, &["slot_taken", "held"])),
    ("state.get", facts(Reply::Object, &["no_agent", "no_value"])),
    (
        "state.set",
        facts(Reply::Object, &["no_agent", "version_differs", "value_exists"])
            .takes_json(&["value"])
            .reads("value"),
    ),
    ("state.list", facts(Reply::Lines, &["no_agent"])),
    ("state.delete", facts(Reply::Object, &["no_agent", "no_value", "version_differs"])),
    ("state.history", facts(Reply::Lines, &["no_agent", "no_value"])),
    ("state.restore", facts(Reply::Object, &["no_agent", "no_value"])),
    ("lock.acquire", facts(Reply::Object, &["no_agent", "held"]).not_in_requests(&["exit_code"])),
    ("lock.release", facts(Reply::Object, &["no_agent", "not_holder"])),
    ("lock.renew", facts(Reply::Object, &["no_agent", "stale_token"])),
    ("lock.check", facts(Reply::Object, &["free"])),
    ("lock.list", facts(Reply::Lines, &[])),
    ("lock.verify", facts(Reply::Object, &["stale_token"])),
    ("lock.break", facts(Reply::Lines, &["not_locked"])),
    ("lock.exec", facts(Reply::Command, &["no_agent", "held"])),
    ("file.get", facts(Reply::Object, &["no_file"])),
    (
        "file.put",
        facts(Reply::Object, &["no_agent", "file_changed", "held", "lock_lost"]).reads_content(),
    ),
    ("file.log", facts(Reply::Lines, &[])),
    ("file.restore", facts(Reply::Object, &["no_agent", "no_version", "held", "lock_lost"])),
    ("file.diff", facts(Reply::Object, &["no_version", "no_file"])),
    (
        "action.begin",
        facts(Reply::Object, &["no_agent", "done", "in_progress", "unknown", "needs_approval"]),
    ),
    ("action.done", facts(Reply::Object, &["no_action", "not_begun"])),
    ("action.fail", facts(Reply::Object, &["no_action", "not_begun"])),
    ("action.show", facts(Reply::Object, &["no_action"])),
    ("action.list", facts(Reply::Lines, &[])),
    ("action.resolve", facts(Reply::Object, &["no_action", "not_unknown"])),
    ("action.approve", facts(Reply::Object, &[])),
    (
        "once",
        facts(Reply::Command, &["no_agent", "done", "in_progress", "unknown", "needs_approval"]),
    ),
    ("coord.working_on", facts(Reply::Object, &["no_agent"])),
    ("coord.completed", facts(Reply::Object, &["no_agent"])),
    ("coord.blocked_by", facts(Reply::Object, &["no_agent"])),
    ("coord.note", facts(Reply::Object, &["no_agent"])),
    ("coord.check", facts(Reply::Object, &["nobody"])),
    ("coord.recent", facts(Reply::Lines, &[])),
    ("coord.bulletin", facts(Reply::Object, &[])),
    ("journal.add", facts(Reply::Object, &["no_agent"]).takes_json(&["text"]).reads("text")),
    ("journal.list", facts(Reply::Lines, &["no_agent"])),
    (
        "task.submit",
        facts(Reply::Object, &["task_exists"]).reads_as("file", "graph").not_in_requests(&["file"]),
    ),
    ("task.next", facts(Reply::Object, &["no_agent", "no_task", "task_ended", "nothing_ready"])),
    ("task.heartbeat", facts(Reply::Object, &["no_node", "stale_lease"]).takes_json(&["progress"])),
    ("task.done", facts(Reply::Object, &["no_node", "stale_lease", "other_result"])),
    ("task.fail", facts(Reply::Object, &["no_node", "stale_lease"])),
    ("task.status", facts(Reply::Object, &["no_task"]).not_in_requests(&["dot"])),
    ("task.list", facts(Reply::Lines, &[])),
    ("task.show", facts(Reply::Object, &["no_node"])),
    ("task.cancel", facts(Reply::Object, &["no_task", "task_ended"])),
    ("task.exec", facts(Reply::Command, &["no_task", "task_ended", "nothing_ready"])),
    ("board", facts(Reply::Object, &[]).not_in_requests(&["watch"])),
    ("events", facts(Reply::Lines, &[]).not_in_requests(&["follow"])),
    ("stats", facts(Reply::Object, &[])),
    ("doctor", facts(Reply::Object, &["findings"])),
    ("backup", facts(Reply::Object, &[])),
    ("prune", facts(Reply::Object, &[])),
    ("import", facts(Reply::Object, &[])),
    ("capabilities", facts(Reply::Object, &[])),
    ("completions", facts(Reply::Text, &[])),
    ("serve", facts(Reply::Stream, &["already_running"])),
    ("rpc", facts(Reply::Stream, &[])),
];

/// Everything about every command.
pub(crate) fn describe() -> Value {
    let methods: Vec<Value> = methods(&tree()).iter().map(describe_method).collect();
    json!({
        "tool": crate::TOOL,
        "version": env!("CARGO_PKG_VERSION"),
        "exit_codes": {
            "0": "done, or yes",
            "1": "an honest no",
            "2": "wrong usage",
            "3": "failed, and somebody must fix something",
            "4": "failed, and trying again later can work",
            "70": "a bug of ours",
            "124": "the command's time ran out",
            "125": "failed before the command was started",
            "126": "the command cannot be executed",
            "127": "the command cannot be found",
        },
        "requests": requests(),
        "methods": methods,
    })
}

/// How `rpc` and `serve` are spoken to.
fn requests() -> Value {
    json!({
        "form": "one JSON object a line, answered by one line, in order: {\"id\":…,\"method\":…,\"params\":{…}} by {\"id\":…,\"result\":…} or {\"id\":…,\"error\":{\"code\":…,\"message\":…,\"hint\":…,\"data\":…}}",
        "id": "any JSON, given back as it was; null in the answer where there was none. Every request is answered",
        "result": "the document that the command prints with --json; a list where the reply is `lines`",
        "params": [{
            "name": "run_id",
            "type": Kind::String,
            "help": "the run that the command belongs to, as AGENT_STATE_RUN_ID names it on the command line; every method takes it",
        }],
        "max_request_bytes": MAX_REQUEST,
        "max_clients": MAX_CLIENTS,
        "errors": {
            "bad_request": "the line is no request",
            "too_large": "the line has more than 1 MiB; the connection is closed",
            "slow": "the line was begun and not ended within 10 seconds; the connection is closed",
            "too_many_clients": "256 clients are being served; the connection is closed",
            "no_method": "no command has this name",
            "not_callable": "the command, or the parameter, makes sense on a command line only",
            "usage": "the parameters are wrong, as with exit code 2",
            "answer_too_large": "the result has more than 64 MiB",
            "busy": "the database stayed busy, as with exit code 4",
            "bug": "a bug of ours, as with exit code 70",
        },
    })
}

fn describe_method(method: &Method) -> Value {
    let Method { name, command, facts, .. } = method;
    json!({
        "method": name,
        "command": method.words.join(" "),
        "about": command.get_about().map(ToString::to_string),
        "callable": facts.is_callable(),
        "params": method.params.iter().map(Param::describe).collect::<Vec<_>>(),
        "input": facts.input.map(|input| describe_input(method, input)),
        "reply": facts.reply,
        "errors": facts.no,
        "exit_codes": exit_codes(facts),
    })
}

/// What a request may give in the place of standard input.
fn describe_input(method: &Method, input: Input) -> Value {
    match input.place {
        Some(place) => json!({
            "name": input.name,
            "required": false,
            "help": format!("what stdin holds when `{place}` is `-` on the command line; other JSON than a string is taken as its text"),
        }),
        None => json!({
            "name": input.name,
            "required": true,
            "help": format!("what `{}` reads from stdin on the command line; `{}_hex` gives bytes that are not text", method.name, input.name),
        }),
    }
}

/// The exit codes with which a command can leave.
fn exit_codes(facts: &Facts) -> Vec<u8> {
    let no = if facts.no.is_empty() { vec![] } else { vec![1] };
    let command = if facts.reply == Reply::Command { vec![124, 125, 126, 127] } else { vec![] };
    [vec![0], no, vec![2, 3, 4, 70], command].concat()
}

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
    command: Command,
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

fn method_name(words: &[String]) -> String {
    words.join(".").replace('-', "_")
}

/// The commands that do something, by the words that name them.
fn leaves(root: &Command) -> Vec<(Vec<String>, Command)> {
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

    fn describe(&self) -> Value {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_and_the_parser_know_the_same_commands() {
        let mut parsed: Vec<String> =
            leaves(&tree()).into_iter().map(|(words, _)| method_name(&words)).collect();
        let mut listed: Vec<String> =
            METHODS.iter().map(|(method, _)| (*method).to_owned()).collect();
        parsed.sort();
        listed.sort();
        assert_eq!(parsed, listed);
    }

    #[test]
    fn every_command_has_help_with_two_examples() {
        for Method { name: method, command, .. } in methods(&tree()) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let (_, examples) = help.split_once("Examples:\n").unwrap_or_default();
            let n_examples = examples.lines().filter(|line| line.starts_with("  ")).count();
            assert!(n_examples >= 2, "{method} has {n_examples} examples");
            assert!(command.get_about().is_some(), "{method} says nothing about itself");
        }
    }
}
