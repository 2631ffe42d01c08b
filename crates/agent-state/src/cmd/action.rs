//! `action …` and the beginning that `once` shares with it.

use common::exit::Exit;
use common::fleet::liveness::Holder;
use common::out::sanitize;
use common::table::Columns;
use serde_json::json;

use super::context::Ctx;
use crate::action::{Action, Tier, Verdict, Wanted};
use crate::cli::action::{Begin, Deed, Done, Fail, Finding, Key, List, Resolve, Verb};
use crate::error::Error;
use crate::store;
use crate::store::actions::{self, Beginning, Ending};
use crate::value::{Json, Reading};

pub(crate) fn run(verb: &Verb, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    match verb {
        Verb::Begin(args) => begin(args, ctx),
        Verb::Done(args) => done(args, ctx),
        Verb::Fail(args) => fail(args, ctx),
        Verb::Show(args) => show(args, ctx),
        Verb::List(args) => list(args, ctx),
        Verb::Resolve(args) => resolve(args, ctx),
        Verb::Approve(args) => approve(args, ctx),
    }
}

/// How long an action counts, and whose process it is.
pub(super) struct Terms {
    pub(super) tier: Tier,
    pub(super) lease: std::time::Duration,
    pub(super) window: std::time::Duration,
    pub(super) holder: Option<Holder>,
}

/// Writes the intention. The "no" is an error, after what is known was printed.
pub(super) fn intend(ctx: &mut Ctx, deed: &Deed, terms: &Terms) -> anyhow::Result<Action> {
    let key = deed.key.as_str();
    let (verdict, action) = ctx.write("begin an action in", |tx, now| {
        let agent = store::agent(tx, deed.agent.as_str())?;
        let beginning = Beginning {
            run: ctx.run_of(tx, &agent)?,
            agent: agent.agent_id,
            holder: terms.holder.clone(),
            lease: terms.lease,
            window: terms.window,
        };
        let wanted = Wanted {
            tier: terms.tier,
            irreversible: deed.irreversible,
            fingerprint: deed.fingerprint.clone(),
            is_approved: false,
        };
        actions::begin(tx, key, wanted, &beginning, ctx.here(), now)
    })?;
    let action = match verdict {
        Verdict::Fresh | Verdict::Retry => return Ok(action),
        Verdict::OtherFingerprint => {
            return Err(Error::OtherFingerprint { action: Box::new(action) }.into());
        }
        Verdict::Done | Verdict::InProgress | Verdict::Unknown | Verdict::Approval => action,
    };
    if ctx.json {
        ctx.out.json(&json!({ "answer": "no", "action": action }))?;
    } else if let Some(result) = &action.result {
        ctx.out.line(result.as_str())?;
    }
    ctx.out.flush()?;
    Err(Error::ActionNo { verdict, action: Box::new(action) }.into())
}

fn begin(args: &Begin, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let terms =
        Terms { tier: args.tier, lease: args.lease, window: args.deed.window, holder: None };
    let action = intend(ctx, &args.deed, &terms)?;
    ctx.show(&json!({ "answer": "proceed", "action": action }), || "proceed".to_owned())?;
    Ok(Exit::Done)
}

fn end(ctx: &mut Ctx, key: &str, ending: Ending<'_>) -> anyhow::Result<Exit> {
    let action =
        ctx.write("end an action in", |tx, now| actions::end(tx, key, ending, ctx.here(), now))?;
    if ctx.json {
        ctx.out.json(&action)?;
    }
    Ok(Exit::Done)
}

fn done(args: &Done, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let read = |text: &String| Json::read(text, Reading::Json).map_err(Error::from);
    let result = args.result.as_ref().map(read).transpose()?;
    end(ctx, args.key.as_str(), Ending::Done(result.as_ref()))
}

fn fail(args: &Fail, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    end(ctx, args.key.as_str(), Ending::Failed(args.error.as_deref()))
}

fn show(args: &Key, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let action = ctx.read("read an action in", |connection, now| {
        actions::seen(connection, args.key.as_str(), ctx.here(), now)
    })?;
    ctx.show(&action, || describe(&action))?;
    Ok(Exit::Done)
}

fn describe(action: &Action) -> String {
    let mut table = Columns::new(["action", action.key.as_str()]);
    let mut add = |label: &str, value: Option<String>| {
        if let Some(value) = value {
            table.row([label.to_owned(), value]);
        }
    };
    add("state", Some(action.state.as_str().to_owned()));
    add("tier", Some(action.tier.as_str().to_owned()));
    add("irreversible", action.irreversible.then(|| "yes".to_owned()));
    add("fingerprint", action.fingerprint.clone());
    add("agent", action.agent.clone());
    add("run", action.run_id.as_ref().map(ToString::to_string));
    add("attempts", Some(action.attempts.to_string()));
    add("begun", Some(action.begun_at.to_string()));
    add("ended", action.ended_at.map(|at| at.to_string()));
    add("result", action.result.as_ref().map(|result| result.as_str().to_owned()));
    add("error", action.error.clone());
    add("reason", action.reason.clone());
    table.render()
}

fn list(args: &List, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let (actions, now) = ctx.read("list actions in", |connection, now| {
        Ok((actions::list(connection, args.state, args.limit, ctx.here(), now)?, now))
    })?;
    if ctx.json {
        for action in &actions {
            ctx.out.json(action)?;
        }
        return Ok(Exit::Done);
    }
    let mut table = Columns::new(["ACTION", "STATE", "TIER", "AGENT", "BEGUN", "NOTE"]);
    for action in actions {
        let note = action.reason.or(action.error);
        table.row([
            action.key,
            action.state.as_str().to_owned(),
            action.tier.as_str().to_owned(),
            action.agent.unwrap_or_else(|| "-".to_owned()),
            ctx.moment(action.begun_at, now),
            note.or(action.result.map(|result| result.as_str().to_owned())).unwrap_or_default(),
        ]);
    }
    ctx.out.line(table.render())?;
    Ok(Exit::Done)
}

fn resolve(args: &Resolve, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let is_done = matches!(args.finding, Finding::Done);
    let action = ctx.write("resolve an action in", |tx, now| {
        actions::resolve(tx, args.key.as_str(), is_done, args.reason.as_str(), ctx.here(), now)
    })?;
    if ctx.json {
        ctx.out.json(&action)?;
    }
    Ok(Exit::Done)
}

fn approve(args: &Key, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    ctx.write("approve an action in", |tx, now| Ok(actions::approve(tx, args.key.as_str(), now)?))?;
    let text = || sanitize(&format!("one attempt of `{}` is approved", args.key)).into_owned();
    ctx.show(&json!({ "key": args.key, "status": "approved" }), text)?;
    Ok(Exit::Done)
}
