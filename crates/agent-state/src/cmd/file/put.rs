//! `file put` and `file restore`: lock, compare with the disk, keep the former content, replace.
//!
//! Nothing is held in the database while the disk is written. Whoever dies in between leaves the old
//! content or the new, and a lock that lapses with its process.

use std::path::{Path, PathBuf};
use std::time::Duration;

use common::exit::Exit;
use common::fleet::liveness::Holder;
use common::name::Name;
use serde_json::json;

use super::super::context::Ctx;
use super::super::lock::obtain::{self, Waiting};
use super::{locate, text};
use crate::cli::file::{Condition, Put, Restore};
use crate::disk::{self, FileVersion};
use crate::error::Error;
use crate::lock::Claim;
use crate::store;
use crate::store::files::{self, Author, Origin};
use crate::store::locks::{self, Grant, Owner, Request};

/// How long the file's lock lasts: far longer than any write, since a writer that was stopped in the middle
/// must find it when it wakes up. It lapses at once when the writer dies.
const TTL: Duration = Duration::from_secs(600);

pub(super) fn put(args: &Put, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let target = locate(&args.path, ctx)?;
    let bytes = disk::at_most(ctx.stdin(), &args.path)?;
    let author = author(args.agent.as_ref(), ctx)?;
    let change = Change { target, author, origin: Origin::Put, wait: args.wait };
    let version = change.make(ctx, &bytes, Some(&args.if_version))?;
    report(ctx, &change.target, &version)
}

pub(super) fn restore(args: &Restore, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let target = locate(&args.path, ctx)?;
    let name = text(&target)?;
    let (_, bytes) = ctx.read("read a file's versions in", |connection, _| {
        files::content(connection, name, args.version.as_str())
    })?;
    let author = author(args.agent.as_ref(), ctx)?;
    let change = Change { target, author, origin: Origin::Restore, wait: args.wait };
    let version = change.make(ctx, &bytes, None)?;
    report(ctx, &change.target, &version)
}

fn report(ctx: &mut Ctx, target: &Path, version: &FileVersion) -> anyhow::Result<Exit> {
    let facts = json!({ "path": target.display().to_string(), "version": version });
    ctx.show(&facts, || version.as_str().to_owned())?;
    Ok(Exit::Done)
}

/// The agent of the flag or of the environment; a person at a shell has none.
fn author(agent: Option<&Name>, ctx: &Ctx) -> anyhow::Result<Author> {
    let name = agent.map(ToString::to_string).or_else(|| ctx.outer_agent.clone());
    let Some(name) = name else { return Ok(Author::default()) };
    ctx.read("read an agent in", |connection, _| {
        let agent = store::agent(connection, &name)?;
        let run = ctx.run_of(connection, &agent)?;
        Ok(Author { agent: Some(agent.agent_id), run })
    })
}

/// A replacement of one file by one author.
struct Change {
    target: PathBuf,
    author: Author,
    origin: Origin,
    wait: Duration,
}

impl Change {
    fn make(
        &self,
        ctx: &Ctx,
        bytes: &[u8],
        condition: Option<&Condition>,
    ) -> anyhow::Result<FileVersion> {
        let name = text(&self.target)?;
        let grants = self.lock(ctx, name)?;
        let replaced = self.replace(ctx, name, bytes, condition, &grants);
        let released = ctx.record("record a file in", |tx, now| {
            if let Ok(version) = &replaced {
                files::keep(tx, name, (version, bytes), self.origin, &self.author, now)?;
            }
            for grant in &grants {
                locks::release(tx, grant, now)?;
            }
            Ok(())
        });
        let version = replaced?;
        released?;
        Ok(version)
    }

    /// Takes the file's lock. What the same agent holds in the same run does not stand in its way.
    fn lock(&self, ctx: &Ctx, name: &str) -> anyhow::Result<Vec<Grant>> {
        let request = Request {
            claims: vec![Claim { resource: name.to_owned(), shared: false, is_path: true }],
            under: self
                .author
                .agent
                .clone()
                .map(|agent| Owner { agent, run: self.author.run.clone() }),
            agent: self.author.agent.clone(),
            run: None,
            reason: Some("file put".to_owned()),
            ttl: TTL,
            holder: Holder::this_process(ctx.here()),
            waiter: None,
        };
        let waiting =
            Waiting { patience: self.wait, held_exit: Exit::No, is_wanted: &ctx.is_wanted };
        ctx.with_database(|database| obtain::obtain(database, ctx.here(), request, waiting))
    }

    fn replace(
        &self,
        ctx: &Ctx,
        name: &str,
        bytes: &[u8],
        condition: Option<&Condition>,
        grants: &[Grant],
    ) -> anyhow::Result<FileVersion> {
        let former = disk::read(&self.target)?;
        let current = former.as_ref().map(|content| &content.version);
        match condition {
            Some(Condition::Absent) if current.is_some() => {
                return Err(self.changed("absent", current));
            }
            Some(Condition::Version(expected)) if current != Some(expected) => {
                return Err(self.changed(expected.as_str(), current));
            }
            _ => {}
        }
        if let Some(former) = &former {
            ctx.write("keep a file's content in", |tx, now| {
                let kept = (&former.version, former.bytes.as_slice());
                Ok(files::keep(tx, name, kept, Origin::Found, &Author::default(), now)?)
            })?;
        }
        let replacement = disk::prepare(&self.target, bytes, former.as_ref())?;
        // The last look before the name changes hands: nobody else may have been let in.
        let still_ours = ctx.read("look at locks in", |connection, now| {
            Ok(locks::are_current(connection, grants, now)?)
        })?;
        if !still_ours {
            return Err(Error::LockLost { resource: name.to_owned() }.into());
        }
        replacement.commit()?;
        Ok(FileVersion::of(bytes))
    }

    fn changed(&self, expected: &str, current: Option<&FileVersion>) -> anyhow::Error {
        Error::FileChanged {
            path: self.target.clone(),
            expected: expected.to_owned(),
            current: current
                .map_or_else(|| "absent".to_owned(), |version| version.as_str().to_owned()),
        }
        .into()
    }
}
