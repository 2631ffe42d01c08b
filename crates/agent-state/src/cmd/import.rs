//! `import`: the database of the Python tool, once or again.

use common::exit::Exit;
use common::table::Columns;
use serde_json::{Map, Value, json};

use super::context::Ctx;
use crate::cli::upkeep::Import;
use crate::store::import;

pub(crate) fn run(args: &Import, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let source = import::open(&args.file)?;
    let counts = ctx.write("import into", |tx, now| import::take(tx, &source, ctx.here(), now))?;
    if ctx.json {
        let tables: Map<String, Value> =
            counts.iter().map(|(table, count)| ((*table).to_owned(), json!(count))).collect();
        ctx.out.json(&json!({ "tables": tables }))?;
        return Ok(Exit::Done);
    }
    let mut table = Columns::new(["TABLE", "ROWS", "IMPORTED", "UPDATED", "PRESENT", "SKIPPED"]);
    for (name, count) in counts {
        let numbers = [count.rows, count.imported, count.updated, count.present, count.skipped];
        let [rows, imported, updated, present, skipped] = numbers.map(|number| number.to_string());
        table.row([name.to_owned(), rows, imported, updated, present, skipped]);
    }
    ctx.out.line(table.render())?;
    Ok(Exit::Done)
}
