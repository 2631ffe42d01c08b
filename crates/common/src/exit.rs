//! The exit codes of the product, each with its one meaning.
//!
//! 1 is an honest "no", 3 needs a person, 4 may work later; a wrapper passes its child's code on.
//! The table stands in the README; nothing else in the workspace writes a number for an exit.

use std::process::ExitCode;

/// How a process of ours ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done, or "yes".
    Done,
    /// 1: an honest "no": held, absent, another version.
    No,
    /// 2: wrong usage; the code that clap uses.
    Usage,
    /// 3: failed, and somebody must fix something.
    Failed,
    /// 4: failed, and trying again later can work.
    Again,
    /// 70: a bug of ours (`EX_SOFTWARE`).
    Bug,
    /// 75: the guard blocked the job (`EX_TEMPFAIL`).
    Blocked,
    /// 124: the child's time ran out, as timeout(1) says it.
    TimedOut,
    /// 125: we failed before the child started.
    NotStarted,
    /// 126: the command exists and cannot be executed.
    NotExecutable,
    /// 127: there is no such command.
    NotFound,
    /// The child's own code, or one that the user chose.
    Code(u8),
    /// The child was killed by this signal; `main` raises it again, so that the parent sees it.
    Signal(i32),
}

impl Exit {
    /// The number that the parent process sees.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::No => 1,
            Self::Usage => 2,
            Self::Failed => 3,
            Self::Again => 4,
            Self::Bug => 70,
            Self::Blocked => 75,
            Self::TimedOut => 124,
            Self::NotStarted => 125,
            Self::NotExecutable => 126,
            Self::NotFound => 127,
            Self::Code(code) => code,
            // As a shell reports it, for the rare signal that does not end us.
            Self::Signal(signal) => u8::try_from(signal.saturating_add(128)).unwrap_or(u8::MAX),
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
