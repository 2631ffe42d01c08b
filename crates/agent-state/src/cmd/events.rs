//! `events`: the record of changes, and changes as they come.

use std::io;
use std::os::fd::AsFd as _;
use std::time::Duration;

use common::clock::Timestamp;
use common::exit::Exit;
use common::out::sanitize;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::context::Ctx;
use crate::cli::watch::Events;
use crate::store;
use crate::store::events::{self, Recorded};

/// How long a follower rests between two looks.
const PAUSE: Duration = Duration::from_millis(200);

pub(crate) fn run(args: &Events, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let mut last = 0;
    let mut database = ctx.database.open_read_only()?;
    if let Some(since) = args.since {
        let printed = store::read(&database, "read events in", |connection, now| {
            let print = |event: Recorded| {
                last = last.max(event.id);
                print(ctx, &event, now)
            };
            Ok(events::since(connection, now.minus(since), print)?)
        })?;
        printed?;
    } else {
        let (newest, now) = store::read(&database, "read events in", |connection, now| {
            Ok((events::newest(connection, args.limit)?, now))
        })?;
        for event in &newest {
            last = event.id;
            print(ctx, event, now)?;
        }
    }
    if last == 0 {
        last = store::read(&database, "read events in", |connection, _| {
            Ok(events::last_id(connection)?)
        })?;
    }
    ctx.out.flush()?;
    while args.follow && reader_is_there(PAUSE) {
        // Opened anew for each look: a follower that lives for days must not hold on to a database that
        // was replaced by its backup.
        database = ctx.database.open_read_only()?;
        let printed = store::read(&database, "read events in", |connection, now| {
            Ok(events::after(connection, last, |event| {
                last = event.id;
                print(ctx, &event, now)
            })?)
        })?;
        printed?;
        ctx.out.flush()?;
    }
    Ok(Exit::Done)
}

/// Rests, and says whether the reader of our output is still there then.
fn reader_is_there(pause: Duration) -> bool {
    let stdout = io::stdout();
    // Nothing is asked for, so that only a reader who has gone ends the rest.
    let mut fds = [PollFd::from_borrowed_fd(stdout.as_fd(), PollFlags::empty())];
    let pause = Timespec {
        tv_sec: i64::try_from(pause.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: pause.subsec_nanos().into(),
    };
    !matches!(poll(&mut fds, Some(&pause)), Ok(ready) if ready > 0)
}

fn print(ctx: &mut Ctx, event: &Recorded, now: Timestamp) -> Result<(), common::Error> {
    if ctx.json {
        return ctx.out.json(event);
    }
    let when = ctx.moment(event.at, now);
    let agent = event.agent.as_deref().or(event.agent_id.as_deref()).unwrap_or("-");
    let detail = event.detail.as_ref().map_or("", |detail| detail.as_str());
    let Recorded { kind, subject, .. } = event;
    // Fixed widths: whoever follows cannot wait for the widest.
    let line = format!("{when:<12}  {kind:<16}  {agent:<14}  {subject}  {detail}");
    ctx.out.line(sanitize(line.trim_end()))
}
