//! `status`, `reload`, `lock`, `unlock`: a running daemon asked and told.

use std::time::Duration;

use common::duration;
use common::exit::Exit;
use common::out::Tone;
use common::place::for_people;
use serde_json::{Value, json};

use super::Context;
use crate::client::{Client, LONG_PATIENCE, SHORT_PATIENCE};
use crate::error::Error;
use crate::launch;

pub(super) fn run(context: &mut Context) -> anyhow::Result<Exit> {
    let mut client = daemon(context)?.with_patience(SHORT_PATIENCE);
    let answer = client.ask(json!({ "action": "status" }))?;
    if context.json {
        context.out.json(&answer)?;
        return Ok(Exit::Done);
    }
    let number = |key: &str| answer.get(key).and_then(Value::as_u64).unwrap_or_default();
    let text = |key: &str| answer.get(key).and_then(Value::as_str).unwrap_or_default();
    let is = |key: &str| answer.get(key).and_then(Value::as_bool).unwrap_or_default();
    let uptime = duration::human(Duration::from_secs(number("uptime_seconds")));
    let state = if is("locked") {
        context.out.paint(Tone::Warning, "locked")
    } else {
        context.out.paint(Tone::Good, "running")
    };
    context.out.line(format_args!(
        "daemon       {state}, pid {}, up {uptime}, version {}",
        number("pid"),
        text("version")
    ))?;
    context.out.line(format_args!("credentials  {}", number("credentials")))?;
    context
        .out
        .line(format_args!("vault        {}", for_people(std::path::Path::new(text("vault")))))?;
    context
        .out
        .line(format_args!("socket       {}", for_people(std::path::Path::new(text("socket")))))?;
    if !is("locked") {
        let memory = if is("memory_locked") {
            "locked against swap".to_owned()
        } else {
            context
                .out
                .paint(Tone::Warning, "not locked against swap; raise the limit with `ulimit -l`")
        };
        context.out.line(format_args!("memory       {memory}"))?;
    }
    if number("undecryptable") > 0 {
        let warning = format!(
            "{} cannot be decrypted; see `credential-proxy verify`",
            number("undecryptable")
        );
        context
            .out
            .line(format_args!("broken       {}", context.out.paint(Tone::Bad, &warning)))?;
    }
    if !text("problem").is_empty() {
        context
            .out
            .line(format_args!("problem      {}", context.out.paint(Tone::Bad, text("problem"))))?;
    }
    Ok(Exit::Done)
}

fn daemon(context: &Context) -> Result<Client, Error> {
    context.home.check()?;
    context.running()?.ok_or_else(|| launch::absent(&context.home))
}

fn tell(context: &mut Context, action: &str, done: &str) -> anyhow::Result<Exit> {
    let mut client = daemon(context)?.with_patience(LONG_PATIENCE);
    let answer = client.ask(json!({ "action": action }))?;
    if context.json {
        context.out.json(&answer)?;
    } else if context.out.is_terminal() {
        context.out.line(done)?;
    }
    Ok(Exit::Done)
}

pub(super) fn reload(context: &mut Context) -> anyhow::Result<Exit> {
    tell(context, "reload", "the vault was read again")
}

pub(super) fn lock(context: &mut Context) -> anyhow::Result<Exit> {
    tell(
        context,
        "lock",
        "locked: the daemon has forgotten everything until `credential-proxy unlock`",
    )
}

pub(super) fn unlock(context: &mut Context) -> anyhow::Result<Exit> {
    tell(context, "unlock", "unlocked")
}
