//! The tables and keys of `guard.toml`, and nothing that is not written there.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use super::words::{Budget, CodeList, Count, Flapping, Length, Mode, PolicyWord, Span, Tier};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct File {
    pub(crate) defaults: Defaults,
    pub(crate) alerts: Alerts,
    pub(crate) job: BTreeMap<Spanned<String>, JobTable>,
    pub(crate) label: BTreeMap<String, LabelTable>,
    pub(crate) fleet: LabelTable,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Defaults {
    pub(crate) threshold: Option<Count>,
    pub(crate) recover: Option<Count>,
    pub(crate) cooldown: Option<Length>,
    pub(crate) policy: Option<PolicyWord>,
    pub(crate) mode: Option<Mode>,
    pub(crate) tier: Option<Tier>,
    pub(crate) grace: Option<Length>,
    pub(crate) max_runtime: Option<Span>,
    pub(crate) trip_now: Option<CodeList>,
    pub(crate) neutral: Option<CodeList>,
    pub(crate) flapping: Option<Flapping>,
    pub(crate) allow_unattended_resume: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct JobTable {
    pub(crate) every: Option<Spanned<Span>>,
    pub(crate) schedule: Option<Spanned<String>>,
    pub(crate) tz: Option<Spanned<String>>,
    pub(crate) grace: Option<Length>,
    pub(crate) owner: Option<String>,
    pub(crate) labels: Vec<String>,
    pub(crate) tier: Option<Tier>,
    pub(crate) threshold: Option<Count>,
    pub(crate) recover: Option<Count>,
    pub(crate) cooldown: Option<Length>,
    pub(crate) policy: Option<Spanned<PolicyWord>>,
    pub(crate) mode: Option<Mode>,
    pub(crate) max_runtime: Option<Span>,
    pub(crate) trip_now: Option<CodeList>,
    pub(crate) neutral: Option<CodeList>,
    pub(crate) flapping: Option<Flapping>,
    pub(crate) budget: Vec<Budget>,
    /// It was declared by `crontab --install`, and `--uninstall` takes it back.
    pub(crate) crontab: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LabelTable {
    pub(crate) budget: Vec<Budget>,
}

/// Where alerts go, and how often.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Alerts {
    /// The interval of the reminder of what is still blocked; zero for none.
    pub(crate) digest: Option<Length>,
    /// How long trips of one label are collected after the first one; zero for not at all.
    pub(crate) group_window: Option<Length>,
    pub(crate) command: Option<CommandTable>,
    pub(crate) webhook: Option<WebhookTable>,
    pub(crate) mail: Option<MailTable>,
    pub(crate) file: Option<FileTable>,
    pub(crate) desktop: Option<DesktopTable>,
}

/// A program that gets the alert as JSON on stdin.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CommandTable {
    pub(crate) argv: Vec<String>,
    #[serde(default)]
    pub(crate) timeout: Option<Length>,
}

/// An address that gets the alert by HTTP POST.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(
    not(feature = "webhook"),
    expect(dead_code, reason = "read, so that the file means the same")
)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookTable {
    pub(crate) url: String,
    #[serde(default)]
    pub(crate) template: Template,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) timeout: Option<Length>,
}

/// The form of what a webhook gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Template {
    /// The text as the body, title and priority as headers.
    Ntfy,
    /// An object with `text`.
    Slack,
    /// The alert itself.
    #[default]
    Json,
}

/// A message through sendmail.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MailTable {
    pub(crate) to: String,
    #[serde(default)]
    pub(crate) from: Option<String>,
    #[serde(default)]
    pub(crate) sendmail: Option<PathBuf>,
}

/// A file that gets one JSON object a line.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileTable {
    pub(crate) path: PathBuf,
}

/// A notification on the desktop.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DesktopTable {
    #[serde(default)]
    pub(crate) program: Option<PathBuf>,
}
