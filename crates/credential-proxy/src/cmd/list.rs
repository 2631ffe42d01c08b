//! `list`: what is there, never a secret.

use common::exit::Exit;
use common::table::Columns;
use serde_json::{Value, json};

use super::{Context, broken, shown};
use crate::cli::ListArgs;
use crate::client::moment;

pub(super) fn run(args: &ListArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let answer = context
        .client()?
        .ask(json!({ "action": "list", "prefix": args.prefix, "detail": true }))?;
    // What can be shown is shown first.
    let undecryptable: Vec<i64> = answer
        .get("undecryptable")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_i64)
        .collect();
    if context.json {
        context.out.json(&answer)?;
        return broken::refuse(context, undecryptable).map(|()| Exit::Done);
    }
    let none = Vec::new();
    let credentials = answer.get("credentials").and_then(Value::as_array).unwrap_or(&none);
    let mut table = Columns::new(["SERVICE", "USERNAME", "ID", "EXPIRES"]);
    for one in credentials {
        let text = |key: &str| one.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let expires = text("expires_at");
        let expires = if expires.is_empty() { expires } else { shown(moment(&expires), context) };
        table.row([
            text("service"),
            text("username"),
            one.get("id").map(ToString::to_string).unwrap_or_default(),
            expires,
        ]);
    }
    if credentials.is_empty() {
        if context.out.is_terminal() {
            context.out.line("no credentials; add one with `credential-proxy add SERVICE`")?;
        }
    } else {
        context.out.line(table.render())?;
    }
    broken::refuse(context, undecryptable).map(|()| Exit::Done)
}
