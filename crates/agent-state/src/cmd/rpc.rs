//! `rpc`: requests on standard input, answers on standard output.

use std::io;
use std::os::fd::AsFd as _;

use common::exit::Exit;

use super::context::Ctx;
use super::session::Session;
use super::talk::{self, End, Patience, Talk};
use crate::wire::call::Caller;

pub(crate) fn run(ctx: &mut Ctx) -> anyhow::Result<Exit> {
    // Whoever started us shares its directory and its run with us.
    let caller = Caller {
        run: ctx.outer_run.as_ref().map(|run| run.as_str().to_owned()),
        is_elsewhere: false,
    };
    let is_wanted = || !talk::is_gone(io::stdout().as_fd());
    let mut session =
        Session::new(&ctx.database, caller, is_wanted).with_agent(ctx.outer_agent.clone());
    let (stdin, stdout) = (io::stdin(), io::stdout());
    let talk = Talk {
        input: stdin.as_fd(),
        output: stdout.as_fd(),
        ending: None,
        patience: Patience::default(),
    };
    match talk.serve(&mut session).map_err(common::Error::Output)? {
        End::Done => Ok(Exit::Done),
        End::Refused => Ok(Exit::Usage),
    }
}
