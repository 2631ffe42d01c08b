//! What is told of an import: counts and lines, never a secret.

use std::path::Path;

use common::exit::Exit;
use common::out::{Out, sanitize};
use common::place::for_people;
use serde_json::{Value, json};

use super::super::Context;
use super::file::Kept;
use crate::cli::OnConflict;
use crate::import::plan::Plan;
use crate::import::{Export, Skipped};

/// An import that was done, or would be.
pub(in crate::cmd) struct Report<'a> {
    pub(super) export: &'a Export,
    pub(super) plan: &'a Plan,
    pub(super) path: &'a Path,
    pub(super) on_conflict: OnConflict,
    pub(super) kept: Kept,
}

impl Report<'_> {
    fn is_dry_run(&self) -> bool {
        matches!(self.kept, Kept::DryRun)
    }

    fn n_rows(&self) -> usize {
        self.export.rows.len() + self.export.skipped.len()
    }

    /// What was skipped by the reader and by the plan, by its line.
    fn skipped(&self) -> Vec<&Skipped> {
        let mut skipped: Vec<_> = self.export.skipped.iter().chain(&self.plan.skipped).collect();
        skipped.sort_by_key(|one| one.line);
        skipped
    }

    /// Says it, in the form that was asked for.
    pub(in crate::cmd) fn tell(&self, context: &mut Context) -> anyhow::Result<Exit> {
        if context.json {
            context.out.json(&self.to_json())?;
        } else {
            self.print(&mut context.out)?;
        }
        Ok(Exit::Done)
    }

    /// For programs.
    pub(in crate::cmd) fn to_json(&self) -> Value {
        let (export, plan) = (self.export, self.plan);
        let because = match &self.kept {
            Kept::Because(why) => Value::from(why.as_str()),
            Kept::Deleted | Kept::DryRun => Value::Null,
        };
        json!({
            "file": self.path.display().to_string(),
            "format": export.format.word(),
            "rows": self.n_rows(),
            "imported": plan.new.len(),
            "merged": plan.n_merged,
            "replaced": plan.n_replaced,
            "conflicts": plan.conflicts.iter().map(|one| json!({ "line": one.line, "service": one.service, "username": one.username })).collect::<Vec<_>>(),
            "skipped": self.skipped().iter().map(|one| json!({ "line": one.line, "service": one.service, "reason": one.reason })).collect::<Vec<_>>(),
            "dry_run": self.is_dry_run(),
            "deleted": matches!(self.kept, Kept::Deleted),
            "kept_because": because,
        })
    }

    /// For people.
    fn print(&self, out: &mut Out) -> Result<(), common::Error> {
        let plan = self.plan;
        let shown = sanitize(&for_people(self.path)).into_owned();
        let would = if self.is_dry_run() { "would import" } else { "imported" };
        out.line(format_args!(
            "{would} {} of {} rows of {shown} ({})",
            plan.new.len(),
            self.n_rows(),
            self.export.format.word()
        ))?;
        if plan.n_merged > 0 {
            out.line(format_args!(
                "  {} merged into the same account with the same password",
                plan.n_merged
            ))?;
        }
        if plan.n_replaced > 0 {
            out.line(format_args!("  {} put in the place of an older password", plan.n_replaced))?;
        }
        self.print_conflicts(out)?;
        self.print_skipped(out)?;
        match &self.kept {
            Kept::Deleted => out.line(format_args!("deleted {shown}; copies in the trash, in backups and in synchronized folders are still there")),
            Kept::DryRun => out.line("nothing was changed"),
            Kept::Because(why) => out.line(format_args!("kept {shown}: {why}")),
        }
    }

    fn print_conflicts(&self, out: &mut Out) -> Result<(), common::Error> {
        let conflicts = &self.plan.conflicts;
        if conflicts.is_empty() {
            return Ok(());
        }
        let what = match self.on_conflict {
            OnConflict::KeepBoth => "kept beside the same account with another password",
            OnConflict::Skip => "of an account that is there with another password",
            OnConflict::Replace => "of an account that was there with another password",
        };
        out.line(format_args!("  {} {what}:", conflicts.len()))?;
        conflicts.iter().try_for_each(|one| {
            let (service, username) = (sanitize(&one.service), sanitize(&one.username));
            out.line(format_args!("    line {}: {service} {username}", one.line))
        })
    }

    fn print_skipped(&self, out: &mut Out) -> Result<(), common::Error> {
        let skipped = self.skipped();
        if skipped.is_empty() {
            return Ok(());
        }
        let were = if self.is_dry_run() { "would be skipped" } else { "skipped" };
        out.line(format_args!("  {} {were}:", skipped.len()))?;
        skipped.iter().try_for_each(|one| {
            let place = match one.service.as_str() {
                "" => format!("line {}", one.line),
                service => format!("row {} ({})", one.line, sanitize(service)),
            };
            out.line(format_args!("    {place}: {}", one.reason))
        })
    }
}
