//! Where a run writes: on stdout, in files, and all of it prepared before anything is replaced.

use std::io;
use std::path::Path;

use common::Error as CommonError;
use common::atomic::Draft;
use common::out::{Color, Out};

use crate::Error;

/// What a run writes.
#[derive(Debug, Default)]
pub(super) struct Delivery {
    printed: Vec<u8>,
    drafts: Vec<Draft>,
}

impl Delivery {
    /// Adds a content for the file at `path`, or for stdout.
    pub(super) fn put(&mut self, path: Option<&Path>, content: &[u8]) -> Result<(), Error> {
        match path {
            Some(path) => self.drafts.push(Draft::new(path, content)?),
            None => self.printed.extend_from_slice(content),
        }
        Ok(())
    }

    /// Writes everything; a failure of stdout leaves the files as they are.
    pub(super) fn deliver(self) -> Result<(), Error> {
        let printed = print(&self.printed);
        if let Err(CommonError::Output(cause)) = &printed
            && cause.kind() != io::ErrorKind::BrokenPipe
        {
            return Ok(printed?);
        }
        // Who reads stdout may have seen enough, and still wants the files.
        for draft in self.drafts {
            draft.publish()?;
        }
        Ok(printed?)
    }
}

fn print(bytes: &[u8]) -> Result<(), CommonError> {
    if bytes.is_empty() {
        return Ok(());
    }
    Out::must_be_there()?;
    let mut out = Out::stdout(Color::Never);
    out.bytes(bytes)?;
    out.flush()
}

/// The file that a flag names; `-` is stdout.
pub(super) fn file_at(flag: Option<&Path>) -> Option<&Path> {
    flag.filter(|path| *path != Path::new("-"))
}
