//! `context-pack count`: the tokens of files or of stdin, one number a line.

use std::fs::File;
use std::io::{self, Read as _};
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
        let not_text = || Error::NotText { path: path.clone() };
        let bytes = read(path)?.ok_or_else(not_text)?;
        let text = text::decode(&bytes).ok_or_else(not_text)?;
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

/// How much of a file shows whether it is text.
const HEAD: u64 = 64 * 1024;

/// The bytes of a file, or of stdin; `None` when its beginning shows that it is no text, so that a
/// disk image or a device is not read into memory.
fn read(path: &Path) -> Result<Option<Vec<u8>>, CommonError> {
    let mut source: Box<dyn io::Read> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).map_err(file("read", path))?)
    };
    let mut bytes = Vec::new();
    source.by_ref().take(HEAD).read_to_end(&mut bytes).map_err(file("read", path))?;
    // The head can end between the two halves of a character.
    let shorter = bytes.get(..bytes.len().saturating_sub(2)).unwrap_or_default();
    if text::decode(&bytes).is_none() && text::decode(shorter).is_none() {
        return Ok(None);
    }
    source.read_to_end(&mut bytes).map_err(file("read", path))?;
    Ok(Some(bytes))
}
