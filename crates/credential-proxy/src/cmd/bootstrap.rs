//! `bootstrap`: a vault from a browser export in one go.

use std::path::PathBuf;

use common::exit::Exit;
use common::place;

use super::import::{self, Report};
use super::{Context, init, verify};
use crate::cli::{BootstrapArgs, ImportHowArgs, OnConflict};
use crate::error::Error;

/// Where browsers put their exports.
const CANDIDATES: [&str; 5] = [
    "Downloads/Google Passwords.csv",
    "Downloads/Chrome Passwords.csv",
    "Downloads/google-passwords.csv",
    "Downloads/Brave Passwords.csv",
    "Downloads/Microsoft Edge Passwords.csv",
];

pub(super) fn run(args: &BootstrapArgs, context: &mut Context) -> anyhow::Result<Exit> {
    // First the file: a vault without its import would have to be explained.
    let file = match &args.csv {
        Some(file) => file.clone(),
        None => find()?,
    };
    match init::make(context) {
        Ok(_) | Err(Error::VaultExists { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let how = ImportHowArgs { dry_run: false, keep: args.keep, on_conflict: OnConflict::KeepBoth };
    import::import(context, None, &file, &how, tell)
}

/// The import and the check after it; for programs as one document.
fn tell(report: &Report<'_>, context: &mut Context) -> anyhow::Result<Exit> {
    if !context.json {
        report.tell(context)?;
        return verify::run(context);
    }
    let checked = verify::check(context);
    let mut document = report.to_json();
    if let (Some(map), Ok((n_credentials, n_tokens))) = (document.as_object_mut(), &checked) {
        map.insert("credentials".to_owned(), (*n_credentials).into());
        map.insert("tokens".to_owned(), (*n_tokens).into());
    }
    if let Some(map) = document.as_object_mut() {
        map.insert("verified".to_owned(), checked.is_ok().into());
    }
    context.out.json(&document)?;
    context.out.flush()?;
    checked?;
    Ok(Exit::Done)
}

fn find() -> Result<PathBuf, Error> {
    let home = place::home()?;
    CANDIDATES.iter().map(|name| home.join(name)).find(|path| path.exists()).ok_or_else(|| {
        Error::Import {
            path: home.join("Downloads"),
            problem: "no browser export is there".to_owned(),
            hint: Some("name the file with --csv".to_owned()),
        }
    })
}
