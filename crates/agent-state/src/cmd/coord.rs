//! `coord …`: who works on what.

use std::time::Duration;

use common::clock::Timestamp;
use common::exit::Exit;
use common::out::sanitize;
use common::table::Columns;
use serde_json::json;

use super::board::Board;
use super::context::Ctx;
use crate::cli::coord::{Check, Post as PostArgs, Recent, Verb};
use crate::store;
use crate::store::coord::{self, Kind, NewPost, Post};

pub(crate) fn run(verb: &Verb, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    match verb {
        Verb::WorkingOn(args) => post(&args.post, Kind::WorkingOn, Some(args.lasting), ctx),
        Verb::Completed(args) => post(args, Kind::Completed, None, ctx),
        Verb::BlockedBy(args) => post(args, Kind::BlockedBy, None, ctx),
        Verb::Note(args) => post(args, Kind::Note, None, ctx),
        Verb::Check(args) => check(args, ctx),
        Verb::Recent(args) => recent(args, ctx),
        Verb::Bulletin => bulletin(ctx),
    }
}

fn post(
    args: &PostArgs,
    action: Kind,
    lasting: Option<Duration>,
    ctx: &mut Ctx,
) -> anyhow::Result<Exit> {
    let post = ctx.write("post to", |tx, now| {
        let agent = store::agent(tx, args.agent.as_str())?;
        let run = ctx.run_of(tx, &agent)?;
        let new = NewPost {
            run: run.as_ref(),
            agent: &agent,
            action,
            resource: args.resource.as_str(),
            detail: args.detail.as_deref(),
            expires_at: lasting.map(|lasting| now.plus(lasting)),
        };
        coord::post(tx, &new, ctx.here(), now)
    })?;
    if ctx.json {
        ctx.out.json(&post)?;
    }
    Ok(Exit::Done)
}

fn check(args: &Check, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let resource = args.resource.as_str();
    let (posts, now) = ctx.read("read posts in", |connection, now| {
        Ok((coord::current(connection, Some(resource), ctx.here(), now)?, now))
    })?;
    if ctx.json {
        ctx.out.json(&json!({ "resource": resource, "working_on": posts }))?;
    } else {
        for post in &posts {
            let since = ctx.moment(post.posted_at, now);
            ctx.out.line(sanitize(&format!("{}, since {since}{}", post.agent, detail(post))))?;
        }
    }
    Ok(if posts.is_empty() { Exit::No } else { Exit::Done })
}

/// The detail of a post behind a colon, short enough for a line.
fn detail(post: &Post) -> String {
    const MOST: usize = 200;
    match &post.detail {
        Some(detail) if detail.chars().count() > MOST => {
            format!(": {}…", detail.chars().take(MOST).collect::<String>())
        }
        Some(detail) if !detail.is_empty() => format!(": {detail}"),
        _ => String::new(),
    }
}

fn recent(args: &Recent, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let (posts, now) = ctx.read("read posts in", |connection, now| {
        Ok((coord::recent(connection, args.limit)?, now))
    })?;
    if ctx.json {
        for post in &posts {
            ctx.out.json(post)?;
        }
        return Ok(Exit::Done);
    }
    let mut table = Columns::new(["POSTED", "AGENT", "ACTION", "RESOURCE", "DETAIL"]);
    for post in posts {
        table.row([
            ctx.moment(post.posted_at, now),
            post.agent,
            post.action.as_str().to_owned(),
            post.resource,
            post.detail.unwrap_or_default(),
        ]);
    }
    ctx.out.line(table.render())?;
    Ok(Exit::Done)
}

fn bulletin(ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let (board, mut posts, now) = ctx.read("read the board in", |connection, now| {
        Ok((Board::read(connection, ctx.here(), now)?, coord::recent(connection, 10)?, now))
    })?;
    // Who no longer works on something must not be read as one who does.
    let is_at_it = |post: &Post| board.working_on.iter().any(|current| current.id == post.id);
    posts.retain(|post| post.action != Kind::WorkingOn || is_at_it(post));
    let text = markdown(&board, &posts, now);
    ctx.show(&json!({ "markdown": text, "board": board, "recent": posts }), || text.clone())?;
    Ok(Exit::Done)
}

fn markdown(board: &Board, posts: &[Post], now: Timestamp) -> String {
    let mut sections = vec!["# Bulletin".to_owned()];
    let mut section = |title: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            let lines: Vec<String> =
                lines.iter().map(|line| format!("- {}", sanitize(line))).collect();
            sections.push(format!("## {title}\n\n{}", lines.join("\n")));
        }
    };
    let working = board.working_on.iter().map(|post| {
        let left = post.expires_at.map_or_else(String::new, |until| until.relative(now));
        format!("`{}`: {}, ends {left}{}", post.resource, post.agent, detail(post))
    });
    section("Being worked on", working.collect());
    let locked = board.locks.iter().map(|grant| {
        format!(
            "`{}`: {}, ends {}",
            grant.resource,
            grant.describe(),
            grant.expires_at.relative(now)
        )
    });
    section("Locked", locked.collect());
    let tasks = board.tasks.iter().map(|task| {
        let completed =
            format!("{} of {} nodes are completed", task.counts.completed, task.n_nodes);
        format!("`{}`: {completed}, {} are being worked on", task.title(), task.counts.running)
    });
    section("Tasks", tasks.collect());
    let blocked = board
        .blocked
        .iter()
        .map(|post| format!("{} is blocked by `{}`{}", post.agent, post.resource, detail(post)));
    section("Blocked", blocked.collect());
    let waiting_for_people = board.unknown_actions.iter().map(|action| {
        let agent = action.agent.as_deref().unwrap_or("somebody");
        format!(
            "`{}`, begun by {agent} {}: nobody knows whether it happened",
            action.key,
            action.begun_at.relative(now)
        )
    });
    section("Needs a person", waiting_for_people.collect());
    let recent = posts.iter().map(|post| {
        let when = post.posted_at.relative(now);
        format!("{when}: {} {} `{}`{}", post.agent, post.action.verb(), post.resource, detail(post))
    });
    section("Recently", recent.collect());
    if sections.len() == 1 {
        sections.push("Nobody is working on anything, and nothing is locked.".to_owned());
    }
    sections.join("\n\n")
}
