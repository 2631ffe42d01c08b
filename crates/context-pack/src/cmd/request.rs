//! From flags and settings files to a request: flags win, then the tree's file, then the user's.

use std::io::Read as _;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use common::error::file;
use common::{atomic, place};

use super::delivery::file_at;
use crate::Error;
use crate::cli::{DocumentArgs, PackArgs};
use crate::request::{Budget, Format, Request, Tokens};
use crate::settings::{self, Settings};
use crate::tokens::Tokenizer;
use crate::walk;

/// The budget when nothing else is said.
const BUDGET: Tokens = Tokens(32_000);

/// What these arguments ask for.
pub(super) fn of(args: &PackArgs) -> Result<Request, Error> {
    let paths = if args.paths.is_empty() { vec![PathBuf::from(".")] } else { args.paths.clone() };
    let settings = read_settings(args, &paths)?;
    let choice = &args.choice;
    let join = |flags: &[String], settings: &[String]| {
        flags.iter().chain(settings).cloned().collect::<Vec<_>>()
    };
    Ok(Request {
        budget: Budget {
            asked: args.budget.budget.or(settings.budget).unwrap_or(BUDGET),
            tokenizer: args.budget.tokenizer.or(settings.tokenizer).unwrap_or(Tokenizer::Cl100k),
            model: args.budget.model.or(settings.model),
            margin: args.budget.margin.or(settings.margin).unwrap_or_default(),
        },
        max_file: args.budget.max_file.or(settings.max_file).map(|tokens| tokens.0),
        format: args.document.format.or(settings.format).unwrap_or(Format::Markdown),
        line_numbers: args.document.line_numbers || settings.line_numbers.unwrap_or(false),
        outlines: !choice.no_outline && settings.outline.unwrap_or(true),
        include: join(&choice.include, &settings.include),
        expected: expected("--include", &choice.include)
            .chain(expected("--pin", &choice.pin))
            .collect(),
        lift: choice
            .include
            .iter()
            .chain(choice.pin.iter().filter(|name| !walk::is_secret(Path::new(name))))
            .filter(|name| walk::is_exact(name))
            .cloned()
            .collect(),
        exclude: join(&choice.exclude, &settings.exclude),
        pin: join(&choice.pin, &settings.pin),
        agent: choice.agent.as_ref().map(|name| name.as_str().to_owned()),
        focus: join(&choice.focus, &settings.focus),
        changed_since: choice.changed_since.clone(),
        diff: choice.diff || settings.diff.unwrap_or(false),
        log: choice.log.or(settings.log).unwrap_or(0),
        git: !choice.no_git,
        files: choice.files_from.as_deref().map(read_list).transpose()?,
        outputs: outputs(&args.document)?,
        paths,
    })
}

/// Globs that should match something, with the flag that each was given to.
fn expected(flag: &'static str, globs: &[String]) -> impl Iterator<Item = (&'static str, String)> {
    globs.iter().map(move |glob| (flag, glob.clone()))
}

/// The files that are written, by their real paths.
fn outputs(args: &DocumentArgs) -> Result<Vec<PathBuf>, Error> {
    let files = [&args.output_file, &args.stats].map(|flag| file_at(flag.as_deref()));
    let mut outputs: Vec<PathBuf> = files.into_iter().flatten().filter_map(real).collect();
    match outputs.as_slice() {
        // A device takes both; of two files of the same name one would be lost.
        [one, other] if one == other && (one.is_file() || !one.exists()) => {
            Err(Error::SameFile { path: one.clone() })
        }
        _ => {
            // A shell that appends to a file is no reason for it to grow by itself either.
            outputs.extend(Path::new("/proc/self/fd/1").read_link().ok().filter(|to| to.is_file()));
            Ok(outputs)
        }
    }
}

/// Where the file at `path` is, or will be once it is written.
fn real(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(atomic::led_to(path).ok()?).ok()?;
    let folder = path.parent()?.canonicalize().ok()?;
    Some(folder.join(path.file_name()?))
}

/// What the settings files say.
fn read_settings(args: &PackArgs, paths: &[PathBuf]) -> Result<Settings, Error> {
    if let Some(path) = &args.choice.config {
        return Settings::read(path);
    }
    let in_tree = paths.first().map(|path| path.join(settings::IN_TREE)).unwrap_or_default();
    let tree = Settings::read_if_there(&in_tree)?;
    // Without a home directory there are no settings of the user, and packing goes on.
    let user = match place::in_home(settings::IN_HOME) {
        Ok(path) => Settings::read_if_there(&path)?,
        Err(_) => Settings::default(),
    };
    Ok(tree.over(user))
}

/// The names in a list, ended by NUL if there is one, else by newlines of whatever system.
fn read_list(path: &Path) -> Result<Vec<PathBuf>, Error> {
    let bytes = if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).map_err(file("read", path))?;
        bytes
    } else {
        std::fs::read(path).map_err(file("read", path))?
    };
    let end = if bytes.contains(&0) { 0 } else { b'\n' };
    let names = bytes
        .split(|byte| *byte == end)
        .map(|name| if end == 0 { name } else { name.strip_suffix(b"\r").unwrap_or(name) })
        .filter(|name| !name.is_empty());
    Ok(names.map(|name| PathBuf::from(std::ffi::OsString::from_vec(name.to_vec()))).collect())
}
