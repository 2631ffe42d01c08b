//! `resume`: a person opens a blocked job again, with a reason, on the record.

use std::io::Write as _;

use common::Exit;
use serde_json::json;

use super::Ctx;
use crate::actor;
use crate::alert::compose;
use crate::cli::ResumeArgs;
use crate::error::Error;
use crate::guard::Resumed;

pub(crate) fn run(args: &ResumeArgs, ctx: &mut Ctx<'_>) -> anyhow::Result<Exit> {
    let settings = ctx.settings()?;
    let job = args.job.to_string();
    if !actor::is_at_terminal() && !settings.allows_unattended_resume() {
        return Err(Error::Unattended { doing: "resume", what: job }.into());
    }
    let reason = reason(args.reason.as_deref())?;
    let resumed = ctx.guard(&settings)?.resume(&job, args.fresh, &actor::describe(), &reason)?;
    let is_resumed = match resumed {
        Resumed::Yes { .. } => true,
        Resumed::NothingToDo => false,
        Resumed::Held(hold) => {
            let named_db = ctx.named_db();
            let release =
                compose::as_shell(&compose::release_argv(&hold.scope, named_db.as_deref()));
            return Err(Error::ResumeHeld { job, reason: hold.reason, release }.into());
        }
        Resumed::Unknown => return Err(Error::NoJob { job }.into()),
    };
    if ctx.json {
        ctx.out.json(&json!({ "job": job, "resumed": is_resumed, "fresh": args.fresh }))?;
    } else if ctx.out.is_terminal() {
        ctx.out.line(match (is_resumed, args.fresh) {
            (false, _) => format!("{job} was not blocked"),
            (true, true) => format!("{job} is resumed with the full number of failures"),
            (true, false) => format!("{job} is resumed on probation: one failure blocks it again"),
        })?;
    }
    Ok(Exit::Done)
}

/// The reason that was given, or the answer of the person at the terminal.
fn reason(given: Option<&str>) -> Result<String, Error> {
    let missing = || Error::Usage("a reason is needed: --reason TEXT".to_owned());
    if let Some(given) = given {
        let given = given.trim();
        return if given.is_empty() { Err(missing()) } else { Ok(given.to_owned()) };
    }
    if !actor::is_at_terminal() {
        return Err(missing());
    }
    let _ = write!(std::io::stderr(), "Reason: ");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(|_| missing())?;
    let line = line.trim();
    if line.is_empty() { Err(missing()) } else { Ok(line.to_owned()) }
}
