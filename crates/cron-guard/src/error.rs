//! What only this tool can meet, each with its exit code, its stable word and its hint.

use std::ops::Range;
use std::path::{Path, PathBuf};

use common::Exit;
use common::report::Explain;

/// A failure of this tool.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot read the settings {}: line {line}, column {column}: {message}", .path.display())]
    Settings { path: PathBuf, line: usize, column: usize, message: String },
    #[error("cannot read the settings {}: the file is not UTF-8", .path.display())]
    SettingsEncoding { path: PathBuf },
    #[error("cannot change the settings {}: another command is changing them", .path.display())]
    SettingsBusy { path: PathBuf },
    #[error("cannot {doing} `{what}` without a terminal")]
    Unattended { doing: &'static str, what: String },
    #[error("cannot resume `{job}`: it is held: {reason}")]
    ResumeHeld { job: String, reason: String, release: String },
    #[error("the journal cannot be used, and `{job}` is of tier high")]
    FailClosed { job: String, source: Box<common::Error> },
    #[error("there is no job `{job}`")]
    NoJob { job: String },
    #[error("`{job}` is not blocked")]
    NotBlocked { job: String },
    #[error("there is no hold on {scope}")]
    NotHeld { scope: String },
    #[error("there is no hold on job:{job} itself, but one on {by}: {release}")]
    HeldOtherwise { job: String, by: String, release: String },
    #[error("`{job}` is declared already")]
    Declared { job: String },
    #[error("`{job}` is not declared")]
    NotDeclared { job: String },
    #[error("cannot read the crontab: {reason}")]
    CrontabRead { reason: String },
    #[error("cannot install the crontab: {reason}")]
    Crontab { reason: String },
    #[error("{0}")]
    Usage(String),
}

impl Error {
    /// An error about the part `span` of the settings `text`.
    pub(crate) fn settings(
        path: &Path,
        text: &str,
        span: Option<Range<usize>>,
        message: &str,
    ) -> Self {
        let before = text.get(..span.map_or(0, |span| span.start)).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
        Self::Settings { path: path.to_path_buf(), line, column, message }
    }

    /// What is wrong in the settings and where, without the name of the file.
    pub(crate) fn about_line(&self) -> String {
        match self {
            Self::Settings { line, column, message, .. } => {
                format!("guard.toml, line {line}, column {column}: {message}")
            }
            other => other.to_string(),
        }
    }
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::FailClosed { source, .. } if is_busy(source) => Exit::Again,
            Self::Settings { .. }
            | Self::SettingsEncoding { .. }
            | Self::Unattended { .. }
            | Self::ResumeHeld { .. }
            | Self::FailClosed { .. }
            | Self::CrontabRead { .. }
            | Self::Crontab { .. } => Exit::Failed,
            Self::SettingsBusy { .. } => Exit::Again,
            Self::NoJob { .. }
            | Self::NotBlocked { .. }
            | Self::NotHeld { .. }
            | Self::HeldOtherwise { .. }
            | Self::Declared { .. }
            | Self::NotDeclared { .. } => Exit::No,
            Self::Usage(_) => Exit::Usage,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Settings { .. } | Self::SettingsEncoding { .. } => "settings",
            Self::SettingsBusy { .. } => "busy",
            Self::Unattended { .. } => "unattended",
            Self::ResumeHeld { .. } => "held",
            Self::FailClosed { source, .. } if is_busy(source) => source.code(),
            Self::FailClosed { .. } => "fail_closed",
            Self::NoJob { .. } => "no_job",
            Self::NotBlocked { .. } => "not_blocked",
            Self::NotHeld { .. } | Self::HeldOtherwise { .. } => "not_held",
            Self::Declared { .. } => "declared",
            Self::NotDeclared { .. } => "not_declared",
            Self::CrontabRead { .. } | Self::Crontab { .. } => "crontab",
            Self::Usage(_) => "usage",
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Settings { .. } => {
                "correct the line; `cron-guard doctor` checks the file".to_owned()
            }
            Self::SettingsEncoding { .. } => "save the file as UTF-8".to_owned(),
            Self::SettingsBusy { .. } => "run the command again when the other one has ended".to_owned(),
            Self::Unattended { .. } => {
                "run it from a terminal, or set allow_unattended_resume = true under [defaults] in guard.toml"
                    .to_owned()
            }
            Self::ResumeHeld { release, .. } => format!("end the hold first: {release}"),
            Self::FailClosed { source, .. } if is_busy(source) => return source.hint(),
            Self::FailClosed { .. } => {
                "repair the journal first; `cron-guard doctor` says what is wrong with it".to_owned()
            }
            Self::CrontabRead { .. } => {
                "see what `crontab -l` says, or name a file with --file".to_owned()
            }
            Self::Crontab { .. } => {
                "the crontab is unchanged; try `cron-guard crontab --print`".to_owned()
            }
            // An honest "no" needs no next step.
            Self::NoJob { .. }
            | Self::NotBlocked { .. }
            | Self::NotHeld { .. }
            | Self::HeldOtherwise { .. }
            | Self::Declared { .. }
            | Self::NotDeclared { .. }
            | Self::Usage(_) => return None,
        })
    }
}

/// Whether nothing is wrong with the journal but that others wrote for long.
fn is_busy(error: &common::Error) -> bool {
    matches!(error, common::Error::Busy { .. })
}
