//! What every command takes and answers, as one JSON document for programs.

use serde_json::{Value, json};

use super::{Facts, Input, Kind, Method, Param, Reply, faults, methods, results, tree};
use crate::wire::{MAX_CLIENTS, MAX_REQUEST};

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
        "errors": faults::describe(),
        "requests": requests(),
        "methods": methods,
    })
}

/// How `rpc` and `serve` are spoken to.
fn requests() -> Value {
    json!({
        "form": "one JSON object a line, answered by one line, in order: {\"id\":…,\"method\":…,\"params\":{…}} by {\"id\":…,\"result\":…} or {\"id\":…,\"error\":{\"code\":…,\"message\":…,\"hint\":…,\"data\":…}}",
        "id": "any JSON, given back as it was; null in the answer where there was none. Every request is answered",
        "result": "the document that the command prints with --json; a list where the reply is `lines`. The `result` of a method names its keys, those within others behind a dot",
        "params": [{
            "name": "run_id",
            "type": Kind::String,
            "help": "the run that the command belongs to, as AGENT_STATE_RUN_ID names it on the command line; every method takes it, and what is written for an agent is refused with `no_run` where there is no such run",
        }],
        "max_request_bytes": MAX_REQUEST,
        "max_clients": MAX_CLIENTS,
        "errors": {
            "bad_request": "the line is no request",
            "no_run": "there is no run of the id in `run_id`",
            "too_large": "the line has more than 1 MiB; the connection is closed",
            "slow": "the line was begun and not ended within 10 seconds; the connection is closed",
            "too_many_clients": "as many clients are being served as can be; the connection is closed",
            "no_method": "no command has this name",
            "not_callable": "the command, or the parameter, makes sense on a command line only",
            "answer_too_large": "the result has more than 64 MiB",
        },
    })
}

fn describe_method(method: &Method) -> Value {
    let Method { name, command, facts, .. } = method;
    let errors = [facts.no, facts.faults].concat();
    json!({
        "method": name,
        "command": method.words.join(" "),
        "about": command.get_about().map(ToString::to_string),
        "callable": facts.is_callable(),
        "params": method.params.iter().map(Param::describe).collect::<Vec<_>>(),
        "input": facts.input.map(|input| describe_input(method, input)),
        "reply": facts.reply,
        "result": results::of(name),
        "errors": errors,
        "exit_codes": exit_codes(facts),
    })
}

/// What a request may give in the place of standard input.
fn describe_input(method: &Method, input: Input) -> Value {
    match input.place {
        Some(place) => json!({
            "name": input.name,
            // Without its place in a request there is no other way to say it.
            "required": method.params.iter().any(|param| param.name == place && param.is_local),
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
