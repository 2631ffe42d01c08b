//! `once`: a command that does not do its deed twice.

use std::time::Duration;

use common::child::End;
use common::exit::Exit;
use common::fleet::liveness::Holder;
use common::report;

use super::action::{Terms, intend};
use super::context::Ctx;
use super::keeper::Keeper;
use super::wrap::{self, Ended};
use crate::TOOL;
use crate::action::Tier;
use crate::cli::action::Once;
use crate::error::Error;
use crate::store::actions::{self, Ending};
use crate::value::Json;

/// How long the deed counts as in progress on another machine, where its process cannot be seen.
const LEASE: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) fn run(args: &Once, ctx: &mut Ctx) -> Exit {
    wrap::guarded(ctx, |ctx| {
        let terms = Terms {
            tier: args.tier,
            lease: LEASE,
            window: if args.until_finished { Duration::ZERO } else { args.deed.window },
            holder: Holder::this_process(ctx.here()),
        };
        let tier = intend(ctx, &args.deed, &terms)?.tier;
        let command = wrap::command(&args.command, ctx);
        match wrap::run(command, &wrap::Terms::default(), Keeper::new(ctx)) {
            Ok(ended) => {
                record(ctx, args, &ended, tier);
                Ok(ended.fate.exit())
            }
            Err(error) => {
                end(ctx, args, Ending::Failed(Some("not started")));
                Err(error)
            }
        }
    })
}

fn record(ctx: &Ctx, args: &Once, ended: &Ended, tier: Tier) {
    let done = Json::parse("{\"exit_code\":0}").ok();
    let (code, signal);
    let ending = match ended.fate.end {
        End::Code(0) => Ending::Done(done.as_ref()),
        End::Code(number) => {
            code = format!("exit code {number}");
            Ending::Failed(Some(&code))
        }
        End::Signal(number) => {
            signal = format!("killed by signal {number}");
            // A command that was killed could not say how far it came.
            if tier == Tier::Mutate {
                Ending::Unknown(&signal)
            } else {
                Ending::Failed(Some(&signal))
            }
        }
    };
    end(ctx, args, ending);
}

fn end(ctx: &Ctx, args: &Once, ending: Ending<'_>) {
    let ended = ctx.record("end an action in", |tx, now| {
        actions::end(tx, args.deed.key.as_str(), ending, ctx.here(), now)
    });
    if let Err(error) = ended {
        // The command has run, and its code is what the caller asked for; the deed stays open and is judged
        // by its tier.
        report::fail::<Error>(TOOL, ctx.json, &error);
    }
}
