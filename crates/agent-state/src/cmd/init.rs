//! `init`: creates the database.

use common::exit::Exit;
use common::place;
use serde_json::json;

use super::context::Ctx;

pub(crate) fn run(ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let database = ctx.open()?;
    let path = database.name().to_owned();
    ctx.show(&json!({ "path": path.to_string_lossy() }), || {
        format!("the database is {}", place::for_people(&path))
    })?;
    Ok(Exit::Done)
}
