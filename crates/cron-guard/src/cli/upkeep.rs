//! The crontab, the alerts, the set-up.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `crontab`.
#[derive(Debug, Args)]
#[command(after_help = "\
Each job line gets `cron-guard exec NAME --` in front of its command and keeps its meaning; the job and its
schedule are declared in guard.toml. A line that cannot be read stays as it is and is named. A copy of the
crontab is kept, and --uninstall puts every line back byte for byte. After you edit the schedule of a wrapped
line, --install declares the new one.

Exit codes: 0 done, 3 crontab(1) refused.

Environment: CRON_GUARD_CONFIG.

Examples:
  cron-guard crontab --print
  cron-guard crontab --install --dry-run")]
pub(crate) struct CrontabArgs {
    #[command(flatten)]
    pub(crate) act: CrontabActs,
    /// Print what would change and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Read this file instead of the user's crontab, and write it back there
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

/// What to do with the crontab.
#[derive(Debug, Args)]
#[group(required = false, multiple = false)]
pub(crate) struct CrontabActs {
    /// Print the wrapped crontab (the default)
    #[arg(long)]
    pub(crate) print: bool,
    /// Wrap the crontab
    #[arg(long)]
    pub(crate) install: bool,
    /// Undo it
    #[arg(long)]
    pub(crate) uninstall: bool,
}

/// What stands under the help of `alert`.
pub(super) const ALERT_AFTER_HELP: &str = "\
Environment: AGENT_STATE_DB, CRON_GUARD_CONFIG.

Examples:
  cron-guard alert test
  cron-guard alert list --limit 5";

/// `alert`.
#[derive(Debug, Subcommand)]
pub(crate) enum AlertVerb {
    /// Send a test message on every channel, or on one
    Test(AlertTestArgs),
    /// List the last alerts and how they fared
    List(AlertListArgs),
    /// Send again what failed, now
    Retry(AlertRetryArgs),
    /// Send what is due; the gates start it beside themselves
    #[command(hide = true)]
    Deliver,
}

/// `alert test`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 0 every channel took it, 1 one did not.

Environment: CRON_GUARD_CONFIG, AGENT_STATE_DB.

Examples:
  cron-guard alert test
  cron-guard alert test --channel mail")]
pub(crate) struct AlertTestArgs {
    /// Only this channel: command, webhook, mail, file or desktop
    #[arg(long, value_name = "NAME", value_parser = ["command", "webhook", "mail", "file", "desktop"])]
    pub(crate) channel: Option<String>,
}

/// `alert list`.
#[derive(Debug, Args)]
#[command(after_help = "\
Environment: AGENT_STATE_DB.

Examples:
  cron-guard alert list
  cron-guard alert list --limit 5 --json")]
pub(crate) struct AlertListArgs {
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
}

/// `alert retry`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 0 done, 1 some could not be delivered.

Environment: AGENT_STATE_DB, CRON_GUARD_CONFIG.

Examples:
  cron-guard alert retry
  cron-guard alert retry --json")]
pub(crate) struct AlertRetryArgs {}

/// `doctor`.
#[derive(Debug, Args)]
#[command(after_help = "\
One line a finding. Exit codes: 0 all is well, 1 findings.

Environment: AGENT_STATE_DB, CRON_GUARD_CONFIG.

Examples:
  cron-guard doctor
  cron-guard doctor --json")]
pub(crate) struct DoctorArgs {}

/// `completions`.
#[derive(Debug, Args)]
#[command(after_help = "\
Environment: none.

Examples:
  cron-guard completions bash > ~/.local/share/bash-completion/completions/cron-guard
  cron-guard completions fish > ~/.config/fish/completions/cron-guard.fish")]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}
