//! What every command takes and answers, as data: the same tree that parses the command line.
//!
//! The parameters come from the parser itself; the table here adds what a parser cannot know. A test holds
//! both against each other, so that a new command cannot be forgotten.

use clap::{ArgAction, Command, CommandFactory as _};
use serde::Serialize;
use serde_json::{Value, json};

use crate::cli::Cli;

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
}

/// What a parser cannot know of a command.
pub(crate) struct Facts {
    pub(crate) reply: Reply,
    /// The words of its own honest "no"s, which leave with exit code 1.
    pub(crate) no: &'static [&'static str],
}

const fn facts(reply: Reply, no: &'static [&'static str]) -> Facts {
    Facts { reply, no }
}

/// The commands by their methods.
pub(crate) const METHODS: &[(&str, Facts)] = &[
    ("init", facts(Reply::Object, &[])),
    ("agent.register", facts(Reply::Object, &[])),
    ("agent.list", facts(Reply::Lines, &[])),
    ("agent.show", facts(Reply::Object, &["no_agent"])),
    ("agent.heartbeat", facts(Reply::Object, &["no_agent"])),
    ("agent.retire", facts(Reply::Object, &["no_agent"])),
    ("run.start", facts(Reply::Object, &["no_agent", "slot_taken"])),
    ("run.heartbeat", facts(Reply::Object, &["no_run", "run_ended"])),
    ("run.finish", facts(Reply::Object, &["no_run", "run_ended"])),
    ("run.list", facts(Reply::Lines, &["no_agent"])),
    ("run.show", facts(Reply::Object, &["no_run"])),
    ("run.reap", facts(Reply::Lines, &[])),
    ("exec", facts(Reply::Command, &["slot_taken", "held"])),
    ("state.get", facts(Reply::Object, &["no_agent", "no_value"])),
    ("state.set", facts(Reply::Object, &["no_agent", "version_differs", "value_exists"])),
    ("state.list", facts(Reply::Lines, &["no_agent"])),
    ("state.delete", facts(Reply::Object, &["no_agent", "no_value", "version_differs"])),
    ("state.history", facts(Reply::Lines, &["no_agent", "no_value"])),
    ("state.restore", facts(Reply::Object, &["no_agent", "no_value"])),
    ("lock.acquire", facts(Reply::Object, &["no_agent", "held"])),
    ("lock.release", facts(Reply::Object, &["no_agent", "not_holder"])),
    ("lock.renew", facts(Reply::Object, &["no_agent", "stale_token"])),
    ("lock.check", facts(Reply::Object, &[])),
    ("lock.list", facts(Reply::Lines, &[])),
    ("lock.verify", facts(Reply::Object, &["stale_token"])),
    ("lock.break", facts(Reply::Lines, &["not_locked"])),
    ("lock.exec", facts(Reply::Command, &["no_agent", "held"])),
    ("file.get", facts(Reply::Object, &["no_file"])),
    ("file.put", facts(Reply::Object, &["no_agent", "file_changed", "held", "lock_lost"])),
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
    ("coord.check", facts(Reply::Object, &[])),
    ("coord.recent", facts(Reply::Lines, &[])),
    ("coord.bulletin", facts(Reply::Object, &[])),
    ("journal.add", facts(Reply::Object, &["no_agent"])),
    ("journal.list", facts(Reply::Lines, &["no_agent"])),
    ("task.submit", facts(Reply::Object, &["task_exists"])),
    ("task.next", facts(Reply::Object, &["no_agent", "no_task", "task_ended", "nothing_ready"])),
    ("task.heartbeat", facts(Reply::Object, &["no_node", "stale_lease"])),
    ("task.done", facts(Reply::Object, &["no_node", "stale_lease", "other_result"])),
    ("task.fail", facts(Reply::Object, &["no_node", "stale_lease"])),
    ("task.status", facts(Reply::Object, &["no_task"])),
    ("task.list", facts(Reply::Lines, &[])),
    ("task.show", facts(Reply::Object, &["no_node"])),
    ("task.cancel", facts(Reply::Object, &["no_task", "task_ended"])),
    ("task.exec", facts(Reply::Command, &["no_task", "task_ended", "nothing_ready"])),
    ("board", facts(Reply::Object, &[])),
    ("events", facts(Reply::Lines, &[])),
    ("stats", facts(Reply::Object, &[])),
    ("doctor", facts(Reply::Object, &[])),
    ("backup", facts(Reply::Object, &[])),
    ("prune", facts(Reply::Object, &[])),
    ("import", facts(Reply::Object, &[])),
    ("capabilities", facts(Reply::Object, &[])),
    ("completions", facts(Reply::Text, &[])),
];

/// Everything about every command.
pub(crate) fn describe() -> Value {
    let methods: Vec<Value> = leaves(&tree())
        .into_iter()
        .map(|(method, command)| describe_method(&method, &command))
        .collect();
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
        "methods": methods,
    })
}

fn describe_method(method: &str, command: &Command) -> Value {
    let facts = METHODS.iter().find(|(name, _)| *name == method).map(|(_, facts)| facts);
    json!({
        "method": method,
        "command": method.replace('.', " ").replace('_', "-"),
        "about": command.get_about().map(ToString::to_string),
        "params": params(command),
        "reply": facts.map(|facts| facts.reply),
        "errors": facts.map(|facts| facts.no),
    })
}

/// The whole command line, with the verbs that are otherwise built when they are named.
fn tree() -> Command {
    let mut tree = Cli::command();
    tree.build();
    tree
}

/// The commands that do something, by their methods: subcommands with dots, words with underscores.
pub(crate) fn leaves(root: &Command) -> Vec<(String, Command)> {
    let mut leaves = Vec::new();
    for command in root.get_subcommands() {
        let name = command.get_name().replace('-', "_");
        if command.has_subcommands() {
            for (below, leaf) in self::leaves(command) {
                leaves.push((format!("{name}.{below}"), leaf));
            }
        } else {
            leaves.push((name, command.clone()));
        }
    }
    leaves
}

/// The name of a parameter: its flag, or its place, with underscores.
pub(crate) fn param_name(arg: &clap::Arg) -> String {
    arg.get_long().unwrap_or(arg.get_id().as_str()).replace('-', "_")
}

fn params(command: &Command) -> Vec<Value> {
    command
        .get_arguments()
        .filter(|arg| !arg.is_global_set())
        .filter(|arg| {
            let action = arg.get_action();
            !matches!(
                action,
                ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version
            )
        })
        .map(|arg| {
            let is_many = matches!(arg.get_action(), ArgAction::Append)
                || arg.get_num_args().is_some_and(|range| range.max_values() > 1);
            let values: Vec<String> =
                arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
            let defaults: Vec<String> =
                arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
            let is_switch = matches!(arg.get_action(), ArgAction::SetTrue);
            json!({
                "name": param_name(arg),
                "positional": arg.is_positional(),
                "required": arg.is_required_set(),
                "type": if is_switch { "boolean" } else if is_many { "array" } else { "string" },
                "values": if is_switch { None } else { Some(values).filter(|values| !values.is_empty()) },
                "default": if is_switch { None } else { defaults.first() },
                "help": arg.get_help().map(ToString::to_string),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_and_the_parser_know_the_same_commands() {
        let mut parsed: Vec<String> =
            leaves(&tree()).into_iter().map(|(method, _)| method).collect();
        let mut listed: Vec<String> =
            METHODS.iter().map(|(method, _)| (*method).to_owned()).collect();
        parsed.sort();
        listed.sort();
        assert_eq!(parsed, listed);
    }

    #[test]
    fn every_command_has_help_with_two_examples() {
        for (method, command) in leaves(&tree()) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let (_, examples) = help.split_once("Examples:\n").unwrap_or_default();
            let n_examples = examples.lines().filter(|line| line.starts_with("  ")).count();
            assert!(n_examples >= 2, "{method} has {n_examples} examples");
            assert!(command.get_about().is_some(), "{method} says nothing about itself");
        }
    }
}
