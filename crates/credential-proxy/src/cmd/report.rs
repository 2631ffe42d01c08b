//! `report`: what about the vault deserves a look.

use common::exit::Exit;
use common::table::Columns;
use serde_json::{Value, json};

use super::{Context, broken};
use crate::audit::read;
use crate::review::{self, Finding, Kind};

pub(super) fn run(context: &mut Context) -> anyhow::Result<Exit> {
    let now = Context::now();
    let opened = context.vault()?.credentials()?;
    let (used, rejected) = read::history(&context.home.audit())?;
    let findings = review::review(&opened.rows, &used, &rejected, now);
    let needs_attention = findings.iter().any(|one| one.kind.needs_attention());
    if context.json {
        let list: Vec<Value> = findings
            .iter()
            .map(|one| {
                json!({
                    "kind": one.kind.word(),
                    "service": one.service,
                    "username": one.username,
                    "at": one.at,
                    "also": one.also,
                })
            })
            .collect();
        context.out.json(&json!({
            "credentials": opened.rows.len(),
            "needs_attention": needs_attention,
            "findings": list,
        }))?;
    } else if findings.is_empty() {
        context.out.line(format_args!(
            "{}, nothing to say about any",
            crate::error::count(opened.rows.len(), "credential")
        ))?;
    } else {
        let mut table = Columns::new(["FINDING", "SERVICE", "USERNAME", "DETAIL"]);
        for one in &findings {
            table.row([
                one.kind.word().replace('_', " "),
                one.service.clone(),
                one.username.clone(),
                detail(one),
            ]);
        }
        context.out.line(table.render())?;
    }
    broken::refuse(context, opened.broken)?;
    Ok(if needs_attention { Exit::No } else { Exit::Done })
}

fn detail(one: &Finding) -> String {
    let at = one.at.map(|at| at.to_string()).unwrap_or_default();
    match one.kind {
        Kind::Rejected => format!("by git on {at}"),
        Kind::Expired => format!("since {at}"),
        Kind::Expiring => format!("on {at}"),
        Kind::SamePassword => format!("as {}", one.also.join(", ")),
        Kind::NeverUsed => String::new(),
        Kind::Unused => format!("last on {at}"),
        Kind::Old => format!("unchanged since {at}"),
    }
}
