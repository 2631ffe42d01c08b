//! Output that is held back until it is known whether the command failed: on disk, not in memory.
//!
//! The files have no name, so nothing is left behind, however this process ends.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _, Seek as _, SeekFrom};
use std::os::fd::AsFd as _;
use std::process::{Command, Stdio};

/// What a command wrote, until it is printed or forgotten.
pub(super) struct Held {
    stdout: File,
    /// `None` when both streams lead to the same place; then one file keeps their order.
    stderr: Option<File>,
}

impl Held {
    /// Redirects the output of `command`.
    pub(super) fn redirect(command: &mut Command) -> io::Result<Self> {
        let stdout = tempfile::tempfile()?;
        let stderr = if lead_to_one_place() { None } else { Some(tempfile::tempfile()?) };
        let errors = stderr.as_ref().unwrap_or(&stdout).try_clone()?;
        set_append(&stdout)?;
        set_append(&errors)?;
        command.stdout(Stdio::from(stdout.try_clone()?)).stderr(Stdio::from(errors));
        Ok(Self { stdout, stderr })
    }

    /// Prints everything, in pieces.
    pub(super) fn print(&mut self) {
        let _ = copy(&mut self.stdout, &mut io::stdout().lock());
        if let Some(stderr) = &mut self.stderr {
            let _ = copy(stderr, &mut io::stderr().lock());
        }
    }

    /// The last bytes of stderr.
    pub(super) fn tail(&mut self, limit: usize) -> Vec<u8> {
        let file = self.stderr.as_mut().unwrap_or(&mut self.stdout);
        let mut tail = Vec::new();
        let length = file.seek(SeekFrom::End(0)).unwrap_or(0);
        let start = length.saturating_sub(u64::try_from(limit).unwrap_or(u64::MAX));
        if file.seek(SeekFrom::Start(start)).is_ok() {
            let _ = file.read_to_end(&mut tail);
        }
        tail
    }
}

fn copy(file: &mut File, target: &mut impl io::Write) -> io::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    io::copy(file, target)?;
    target.flush()
}

/// Both streams write at the end, whoever wrote last.
fn set_append(file: &File) -> io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(file)?;
    rustix::fs::fcntl_setfl(file, flags | rustix::fs::OFlags::APPEND)?;
    Ok(())
}

/// Whether stdout and stderr are one file or pipe, as under cron or after `2>&1`.
fn lead_to_one_place() -> bool {
    if io::stdout().is_terminal() && io::stderr().is_terminal() {
        return true;
    }
    let place = |stat: rustix::fs::Stat| (stat.st_dev, stat.st_ino);
    match (rustix::fs::fstat(io::stdout().as_fd()), rustix::fs::fstat(io::stderr().as_fd())) {
        (Ok(stdout), Ok(stderr)) => place(stdout) == place(stderr),
        _ => false,
    }
}
