//! `migrate`: a fleet database moves from a file to a server, or back.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use common::exit::Exit;
use common::fleet::migrate::{self, Copied};
use common::fleet::{Database, DatabaseArgs, Place};
use common::{clock, place};
use serde_json::{Map, Value, json};

use super::context::Ctx;
use crate::cli::upkeep::Migrate;
use crate::error::Error;
use crate::store::stats;

pub(crate) fn run(args: &Migrate, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let [from, to] = [&args.from, &args.to].map(|place| named(place, ctx).place());
    let (from, to) = (from?, to?);
    if let Some(file) = from.file() {
        // Opening would create it, and an empty database is not what was meant.
        fs::metadata(file).map_err(common::error::file("find the database", file))?;
    }
    if is_same(&from, &to) {
        return Err(Error::MigrateOntoItself { name: from.name().to_owned() }.into());
    }
    let mut from = named(&args.from, ctx).open()?;
    refuse_while_in_use(&from, ctx)?;
    let mut to = named(&args.to, ctx).open()?;
    let counts = match migrate::copy(&mut from, &mut to)? {
        Copied::Whole(counts) => counts,
        Copied::NotEmpty(table) => {
            return Err(Error::NotEmpty { name: to.name().to_owned(), table }.into());
        }
        Copied::Differs(table) => return Err(Error::CopyDiffers { table }.into()),
    };
    let n_rows: u64 = counts.iter().map(|(_, n_rows)| n_rows).sum();
    let rows: Map<String, Value> =
        counts.into_iter().map(|(table, n_rows)| (table.to_owned(), json!(n_rows))).collect();
    let [was, is] = [&from, &to].map(|database| database.name().to_string_lossy());
    ctx.show(&json!({ "from": was, "to": is, "rows": rows }), || {
        format!("copied and compared {n_rows} rows to {}", place::for_people(to.name()))
    })?;
    Ok(Exit::Done)
}

fn named(place: &Path, ctx: &Ctx) -> DatabaseArgs {
    DatabaseArgs { db: Some(place.to_owned()), ..ctx.database.clone() }
}

/// Whether both are one file, whatever it is called, or the server's database of one name.
fn is_same(one: &Place, other: &Place) -> bool {
    let file = |place: &Place| {
        let found = fs::metadata(place.file()?).ok()?;
        Some((found.dev(), found.ino()))
    };
    match (file(one), file(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one.name() == other.name(),
    }
}

/// Refuses while somebody would go on writing to the original, and be lost.
fn refuse_while_in_use(from: &Database, ctx: &Ctx) -> anyhow::Result<()> {
    let now = clock::now();
    let alive = from.read("look at", |connection| stats::alive(connection, ctx.here(), now))?;
    let what: Vec<String> = alive
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| format!("{n} {what}{}", if n == 1 { "" } else { "s" }))
        .collect();
    if what.is_empty() {
        return Ok(());
    }
    let what = format!(
        "{} of it {}",
        what.join(", "),
        if what.len() == 1 { "is alive" } else { "are alive" }
    );
    Err(Error::StillRunning { name: from.name().to_owned(), what }.into())
}
