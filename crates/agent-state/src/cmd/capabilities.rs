//! `capabilities`: what this program can do, for programs.

use common::exit::Exit;

use super::context::Ctx;
use crate::surface;

pub(crate) fn run(ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let surface = surface::describe();
    if ctx.json {
        ctx.out.json(&surface)?;
    } else {
        ctx.out.line(format_args!("{surface:#}"))?;
    }
    Ok(Exit::Done)
}
