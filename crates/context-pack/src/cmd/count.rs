//! `context-pack count`: the tokens of files or of stdin, one number a line.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use common::cli::OutputArgs;
use common::error::file;
use common::out::{Out, sanitize};
use common::{Error as CommonError, Exit};
use serde_json::json;

use crate::Error;
use crate::cli::CountArgs;
use crate::text;

pub(super) fn run(args: &CountArgs, output: &OutputArgs) -> anyhow::Result<Exit> {
    Out::must_be_there()?;
    let mut out = Out::stdout(output.color);
    for path in &args.files {
        let bytes = read(path)?;
        let text = text::decode(&bytes).ok_or_else(|| Error::NotText { path: path.clone() })?;
        let n_tokens = args.tokenizer.count(&text);
        let name = path.to_string_lossy();
        if output.json {
            out.json(
                &json!({ "path": name, "tokens": n_tokens, "tokenizer": args.tokenizer.name() }),
            )?;
        } else if args.files.len() == 1 {
            out.line(n_tokens)?;
        } else {
            out.line(format_args!("{n_tokens}\t{}", sanitize(&name)))?;
        }
    }
    out.flush()?;
    Ok(Exit::Done)
}

fn read(path: &Path) -> Result<Vec<u8>, CommonError> {
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).map_err(file("read", path))?;
        return Ok(bytes);
    }
    fs::read(path).map_err(file("read", path))
}
