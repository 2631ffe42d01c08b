//! The requests of one client, each run as the command that it names, in this process and thread.

use std::cell::RefCell;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;

use common::exit::Exit;
use common::fleet::DatabaseArgs;
use common::fleet::runs::RunId;
use common::out::Out;
use common::report::Report;
use serde_json::Value;

use super::context::{Ctx, Input};
use super::dispatch;
use crate::error::Error;
use crate::surface::{Facts, Reply};
use crate::wire::call::{Call, Caller, Parser};
use crate::wire::{self, Failure, Request};

/// The longest result, in bytes.
const MAX_RESULT: usize = 64 << 20;

/// One client: its connections to the database are kept from request to request.
pub(super) struct Session {
    ctx: Ctx,
    caller: Caller,
}

impl Session {
    /// A client of this database. Nobody waits any more for an answer when `is_wanted` says so.
    pub(super) fn new(
        database: &DatabaseArgs,
        caller: Caller,
        is_wanted: impl Fn() -> bool + 'static,
    ) -> Self {
        let mut ctx = Ctx::answering(database.clone(), Out::to(io::sink()));
        ctx.is_wanted = Box::new(is_wanted);
        Self { ctx, caller }
    }

    /// The agent of a request that names none, for a client that shares our environment.
    pub(super) fn with_agent(mut self, agent: Option<String>) -> Self {
        self.ctx.outer_agent = agent;
        self
    }

    /// Answers one line with one line.
    pub(super) fn answer(&mut self, line: &[u8]) -> String {
        match Request::read(line) {
            Ok(request) => match self.run(&request) {
                Ok(result) => wire::answer(request.id, Ok(&result)),
                Err(failure) => wire::answer(request.id, Err(&failure)),
            },
            Err((id, failure)) => wire::answer(id, Err(&failure)),
        }
    }

    fn run(&mut self, request: &Request<'_>) -> Result<String, Failure> {
        let Call { cli, facts, run, names_run, input } =
            Parser::get().read(request, &self.caller)?;
        let ctx = &mut self.ctx;
        let sink = Sink::default();
        ctx.out = Out::to(sink.clone());
        ctx.outer_run = run.map(RunId::from);
        ctx.is_run_named = names_run;
        ctx.input = input.map_or(Input::Nothing, Input::Given);
        ctx.look_at_connections();
        // A bug must cost its own request alone; the hook has told it without the payload.
        let ended = panic::catch_unwind(AssertUnwindSafe(|| {
            let exit = dispatch(&cli.noun, ctx)?;
            ctx.out.flush()?;
            Ok(exit)
        }));
        let ended = ended.unwrap_or_else(|_| {
            ctx.drop_connections();
            Ok(Exit::Bug)
        });
        ctx.input = Input::Nothing;
        if sink.is_full() {
            return Err(Failure::new("answer_too_large", "the result has more than 64 MiB")
                .with_hint("ask for less, as with `limit` or `since`"));
        }
        match ended {
            Ok(Exit::Done) => Ok(document(&sink.take(), facts.reply)),
            Ok(Exit::Bug) => Err(Failure::bug()),
            Ok(_) => Err(no(facts, &sink.take())),
            Err(error) => Err(Report::of::<Error>(&error).into()),
        }
    }
}

/// What a command printed, as one JSON text.
fn document(printed: &str, reply: Reply) -> String {
    let lines: Vec<&str> = printed.lines().collect();
    match reply {
        Reply::Lines => format!("[{}]", lines.join(",")),
        _ => lines.first().copied().unwrap_or("null").to_owned(),
    }
}

/// A "no" that a command said with its document and its exit code alone.
fn no(facts: &Facts, printed: &str) -> Failure {
    let (code, message) = match facts.no.last().copied() {
        Some("free") => ("free", "nobody holds it"),
        Some("nobody") => ("nobody", "nobody works on it"),
        Some("findings") => ("findings", "somebody should look at something"),
        Some(word) => (word, "the answer is no"),
        None => ("no", "the answer is no"),
    };
    let data = serde_json::from_str(&document(printed, facts.reply)).unwrap_or(Value::Null);
    Failure::new(code, message).with_data(data)
}

/// Collects what a command prints, up to the most that an answer can have.
#[derive(Default, Clone)]
struct Sink(Rc<RefCell<Collected>>);

#[derive(Default)]
struct Collected {
    bytes: Vec<u8>,
    is_full: bool,
}

impl Sink {
    fn is_full(&self) -> bool {
        self.0.borrow().is_full
    }

    fn take(&self) -> String {
        let bytes = std::mem::take(&mut self.0.borrow_mut().bytes);
        // JSON is UTF-8.
        String::from_utf8(bytes).unwrap_or_default()
    }
}

impl io::Write for Sink {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let mut collected = self.0.borrow_mut();
        if collected.bytes.len() + piece.len() > MAX_RESULT {
            collected.is_full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        collected.bytes.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
