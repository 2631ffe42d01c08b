//! `audit`: who used what, and whether the trail is as it was written.

use common::clock::Timestamp;
use common::duration;
use common::exit::Exit;
use common::table::Columns;
use serde_json::json;

use super::Context;
use crate::audit::read::{self, Record, Verdict};
use crate::cli::{AuditArgs, AuditVerb};
use crate::error::{Error, count};

pub(super) fn run(args: &AuditArgs, context: &mut Context) -> anyhow::Result<Exit> {
    match args.verb {
        Some(AuditVerb::Verify) => verify(context),
        None => show(args, context),
    }
}

fn show(args: &AuditArgs, context: &mut Context) -> anyhow::Result<Exit> {
    context.home.check()?;
    let since = match &args.since {
        Some(text) => Some(moment(text, Context::now())?),
        None => None,
    };
    let place = context.home.audit();
    let mut records = Vec::new();
    let n_others = read::each(&place, |record| {
        if matches(&record, args, since) {
            records.push(record);
        }
    })?;
    if n_others > 0 {
        common::report::warn(
            crate::TOOL,
            &format!(
                "{} of the trail {} no record; see `credential-proxy audit verify`",
                count(usize::try_from(n_others).unwrap_or(usize::MAX), "line"),
                if n_others == 1 { "is" } else { "are" }
            ),
        );
    }
    if context.json {
        for record in &records {
            context.out.json(record)?;
        }
        return Ok(Exit::Done);
    }
    let mut table = Columns::new([
        "WHEN", "SERVICE", "USERNAME", "MODE", "DECISION", "TOKEN", "PROGRAM", "PID", "RUN",
    ]);
    for record in &records {
        table.row([
            record.at.clone(),
            match record.lost {
                Some(n_lost) => format!("({} not recorded)", read::accesses(n_lost)),
                None => record.service.clone(),
            },
            record.username.clone(),
            record.mode.clone(),
            record.decision.clone(),
            record.token.clone().unwrap_or_default(),
            record.exe.clone().unwrap_or_default(),
            record.pid.map(|pid| pid.to_string()).unwrap_or_default(),
            record.run_id.clone().unwrap_or_default(),
        ]);
    }
    if !records.is_empty() {
        context.out.line(table.render())?;
    }
    Ok(Exit::Done)
}

fn matches(record: &Record, args: &AuditArgs, since: Option<Timestamp>) -> bool {
    let client = args.client.as_deref();
    // A gap may hide what was asked for.
    if record.lost.is_some() {
        return since.is_none_or(|since| record.moment() >= since);
    }
    let is_client = |client: &str| {
        record.token.as_deref() == Some(client)
            || record.run_id.as_deref() == Some(client)
            || record.pid.is_some_and(|pid| pid.to_string() == client)
            || record
                .exe
                .as_deref()
                .is_some_and(|exe| exe == client || exe.rsplit('/').next() == Some(client))
    };
    since.is_none_or(|since| record.moment() >= since)
        && args.service.as_deref().is_none_or(|service| {
            record.service == service || record.service == crate::service::normal(service)
        })
        && client.is_none_or(is_client)
}

/// A duration back from now, a date, or a moment.
fn moment(text: &str, now: Timestamp) -> Result<Timestamp, Error> {
    if let Ok(back) = duration::parse(text) {
        return Ok(now.minus(back));
    }
    super::details::expiry(text, now)?
        .ok_or_else(|| Error::Usage { message: "--since needs a time".to_owned() })
}

/// What is to be said of a sound trail.
pub(super) fn sound(n_records: u64, n_lost: u64) -> String {
    let gap = match n_lost {
        0 => String::new(),
        1 => "; 1 access is not in them".to_owned(),
        _ => format!("; {n_lost} accesses are not in them"),
    };
    format!("{n_records} records, all as they were written{gap}")
}

fn verify(context: &mut Context) -> anyhow::Result<Exit> {
    let place = context.home.audit();
    let key = context.vault()?.audit_key()?;
    let verdict = read::verify(&place, &key)?;
    let problem = match verdict {
        Verdict::Sound { n_records, n_lost } if place.damaged().is_empty() => {
            if context.json {
                context
                    .out
                    .json(&json!({ "sound": true, "records": n_records, "lost": n_lost }))?;
            } else {
                context.out.line(sound(n_records, n_lost))?;
            }
            return Ok(Exit::Done);
        }
        Verdict::Sound { .. } => {
            let shown: Vec<String> =
                place.damaged().iter().map(|path| common::place::for_people(path)).collect();
            format!("an earlier trail was damaged and put aside: {}", shown.join(", "))
        }
        Verdict::Tampered(problem) => problem,
    };
    Err(Error::Audit { path: place.folder().to_path_buf(), problem }.into())
}
