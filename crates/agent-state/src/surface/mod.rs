//! What every command takes and answers, as data: the same tree that parses the command line.
//!
//! The parameters come from the parser itself; the table here adds what a parser cannot know. A test holds
//! both against each other, so that a new command cannot be forgotten.

mod describe;
mod faults;
mod method;
mod results;

use serde::Serialize;

pub(crate) use describe::describe;
pub(crate) use method::{Kind, Method, Param, Place, methods, tree};

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
    /// The words of its other errors, beside those that any command can meet.
    faults: &'static [&'static str],
    /// What a request gives instead of standard input.
    pub(crate) input: Option<Input>,
    /// Parameters that are any JSON, beside those whose value is called JSON on the command line.
    pub(crate) json: &'static [&'static str],
    /// Flags that only a command line can use: those that never end, or that change how it prints.
    pub(crate) local: &'static [&'static str],
    /// Whether only a command line can use it: it names other databases than the one that is served.
    pub(crate) is_local: bool,
}

/// The parameter that stands for standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Input {
    pub(crate) name: &'static str,
    /// The parameter that is `-` on the command line for it; without one the command always reads stdin.
    pub(crate) place: Option<&'static str>,
}

const fn facts(reply: Reply, no: &'static [&'static str]) -> Facts {
    Facts { reply, no, faults: &[], input: None, json: &[], local: &[], is_local: false }
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

    const fn fails_with(mut self, words: &'static [&'static str]) -> Self {
        self.faults = words;
        self
    }

    const fn not_in_requests(mut self, names: &'static [&'static str]) -> Self {
        self.local = names;
        self
    }

    const fn never_in_requests(mut self) -> Self {
        self.is_local = true;
        self
    }

    /// Whether a request can name it: it runs no command, and it answers with JSON, from the served database.
    pub(crate) const fn is_callable(&self) -> bool {
        matches!(self.reply, Reply::Object | Reply::Lines) && !self.is_local
    }
}

/// The commands by their methods.
pub(crate) const METHODS: &[(&str, Facts)] = &[
    ("init", facts(Reply::Object, &[])),
    ("agent.register", facts(Reply::Object, &[]).fails_with(&["bad_name", "bad_json"])),
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
    ("exec", facts(Reply::Command, &["slot_taken", "held", "run_ended"])),
    ("state.get", facts(Reply::Object, &["no_agent", "no_value"])),
    (
        "state.set",
        facts(Reply::Object, &["no_agent", "version_differs", "value_exists"])
            .takes_json(&["value"])
            .reads("value")
            .fails_with(&["bad_value"]),
    ),
    ("state.list", facts(Reply::Lines, &["no_agent"])),
    ("state.delete", facts(Reply::Object, &["no_agent", "no_value", "version_differs"])),
    ("state.history", facts(Reply::Lines, &["no_agent", "no_value"])),
    ("state.restore", facts(Reply::Object, &["no_agent", "no_value"])),
    (
        "lock.acquire",
        facts(Reply::Object, &["no_agent", "held", "run_ended"])
            .not_in_requests(&["exit_code"])
            .fails_with(&["bad_name"]),
    ),
    ("lock.release", facts(Reply::Object, &["no_agent", "not_holder"]).fails_with(&["bad_name"])),
    ("lock.renew", facts(Reply::Object, &["no_agent", "stale_token"]).fails_with(&["bad_name"])),
    ("lock.check", facts(Reply::Object, &["free"]).fails_with(&["bad_name"])),
    ("lock.list", facts(Reply::Lines, &[])),
    ("lock.verify", facts(Reply::Object, &["stale_token"]).fails_with(&["bad_name"])),
    ("lock.break", facts(Reply::Lines, &["not_locked"]).fails_with(&["bad_name"])),
    (
        "lock.exec",
        facts(Reply::Command, &["no_agent", "held", "run_ended"]).fails_with(&["bad_name"]),
    ),
    ("file.get", facts(Reply::Object, &["no_file"]).fails_with(&["not_a_file", "too_large"])),
    (
        "file.put",
        facts(Reply::Object, &["no_agent", "file_changed", "held", "lock_lost"])
            .reads_content()
            .fails_with(&["not_a_file", "too_large"]),
    ),
    ("file.log", facts(Reply::Lines, &[]).fails_with(&["not_a_file"])),
    (
        "file.restore",
        facts(Reply::Object, &["no_agent", "no_version", "held", "lock_lost"])
            .fails_with(&["not_a_file", "too_large"]),
    ),
    (
        "file.diff",
        facts(Reply::Object, &["no_version", "no_file"]).fails_with(&["not_a_file", "too_large"]),
    ),
    (
        "action.begin",
        facts(
            Reply::Object,
            &["no_agent", "done", "in_progress", "unknown", "needs_approval", "run_ended"],
        )
        .fails_with(&["other_fingerprint"]),
    ),
    ("action.done", facts(Reply::Object, &["no_action", "not_begun"]).fails_with(&["bad_value"])),
    ("action.fail", facts(Reply::Object, &["no_action", "not_begun"])),
    ("action.show", facts(Reply::Object, &["no_action"])),
    ("action.list", facts(Reply::Lines, &[])),
    ("action.resolve", facts(Reply::Object, &["no_action", "not_unknown"])),
    ("action.approve", facts(Reply::Object, &[])),
    (
        "once",
        facts(
            Reply::Command,
            &["no_agent", "done", "in_progress", "unknown", "needs_approval", "run_ended"],
        )
        .fails_with(&["other_fingerprint"]),
    ),
    ("coord.working_on", facts(Reply::Object, &["no_agent", "run_ended"])),
    ("coord.completed", facts(Reply::Object, &["no_agent"])),
    ("coord.blocked_by", facts(Reply::Object, &["no_agent"])),
    ("coord.note", facts(Reply::Object, &["no_agent"])),
    ("coord.check", facts(Reply::Object, &["nobody"])),
    ("coord.recent", facts(Reply::Lines, &[])),
    ("coord.bulletin", facts(Reply::Object, &[])),
    (
        "journal.add",
        facts(Reply::Object, &["no_agent"])
            .takes_json(&["text"])
            .reads("text")
            .fails_with(&["bad_value"]),
    ),
    ("journal.list", facts(Reply::Lines, &["no_agent"])),
    (
        "task.submit",
        facts(Reply::Object, &["task_exists"])
            .reads_as("file", "graph")
            .not_in_requests(&["file"])
            .fails_with(&["bad_graph"]),
    ),
    (
        "task.next",
        facts(Reply::Object, &["no_agent", "no_task", "task_ended", "nothing_ready", "run_ended"]),
    ),
    (
        "task.heartbeat",
        facts(Reply::Object, &["no_node", "stale_lease"])
            .takes_json(&["progress"])
            .fails_with(&["bad_value"]),
    ),
    (
        "task.done",
        facts(Reply::Object, &["no_node", "stale_lease", "other_result"])
            .fails_with(&["bad_value"]),
    ),
    ("task.fail", facts(Reply::Object, &["no_node", "stale_lease"]).fails_with(&["bad_value"])),
    ("task.status", facts(Reply::Object, &["no_task"]).not_in_requests(&["dot"])),
    ("task.list", facts(Reply::Lines, &[])),
    ("task.show", facts(Reply::Object, &["no_node"])),
    ("task.cancel", facts(Reply::Object, &["no_task", "task_ended"])),
    ("task.exec", facts(Reply::Command, &["no_task", "task_ended", "nothing_ready", "run_ended"])),
    ("board", facts(Reply::Object, &[]).not_in_requests(&["watch"])),
    ("events", facts(Reply::Lines, &[]).not_in_requests(&["follow"])),
    ("stats", facts(Reply::Object, &[])),
    ("doctor", facts(Reply::Object, &["findings"])),
    (
        "backup",
        facts(Reply::Object, &[]).fails_with(&[
            "same_file",
            "server_database",
            "not_a_file",
            "damaged",
        ]),
    ),
    ("prune", facts(Reply::Object, &[])),
    ("import", facts(Reply::Object, &[]).fails_with(&["not_importable"])),
    (
        "migrate",
        facts(Reply::Object, &["still_running", "not_empty"])
            .never_in_requests()
            .fails_with(&["same_file", "copy_differs"]),
    ),
    ("capabilities", facts(Reply::Object, &[])),
    ("completions", facts(Reply::Text, &[])),
    ("serve", facts(Reply::Stream, &["already_running"])),
    ("rpc", facts(Reply::Stream, &[])),
];

#[cfg(test)]
mod tests {
    use super::method::{leaves, method_name};
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
    fn every_error_of_a_command_is_described_and_none_is_described_in_vain() {
        let faults = faults::of_some_commands();
        let listed = || METHODS.iter().flat_map(|(_, facts)| facts.faults.iter().copied());
        for word in listed() {
            assert!(faults.contains(&word), "{word} is not described");
        }
        for word in faults {
            assert!(listed().any(|listed| listed == word), "no command answers {word}");
        }
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
