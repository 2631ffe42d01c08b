//! What the commands on tokens and the audit trail take.

use clap::{Args, Subcommand};

use crate::complete;
use crate::grant::{Rate, Rule};

#[derive(Debug, Subcommand)]
pub(crate) enum TokenVerb {
    Create(TokenCreateArgs),
    /// List tokens and what they allow
    #[command(
        after_help = "Examples:\n  credential-proxy token list\n  credential-proxy token list --json"
    )]
    List,
    /// Revoke a token at once
    ///
    /// Exit 1 when there is no token of this name. With the last token goes the need for one.
    #[command(
        after_help = "Examples:\n  credential-proxy token revoke ci\n  credential-proxy token revoke ci --json"
    )]
    Revoke(TokenNameArgs),
    Test(TokenTestArgs),
}

/// Create a token and print it; this is the only time that it is shown
///
/// Who has one in the environment cannot manage the vault, nor its tokens.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  (umask 077; credential-proxy token create ci --allow github.com:inject \\
      > ~/ci.token)
  credential-proxy token create db --allow '*.internal:print:helper' \\
      --expires 30d --rate 60/h")]
pub(crate) struct TokenCreateArgs {
    /// The name, as the audit trail shows it
    pub(crate) name: String,
    /// Services by glob, as `*.internal`, and modes (inject: only `exec`; print; helper) or all (can be repeated)
    #[arg(long, value_name = "PATTERN[:MODE]", required = true)]
    pub(crate) allow: Vec<Rule>,
    /// When the token ends: 2026-12-31, an RFC 3339 moment, or a duration as 90d
    #[arg(long, value_name = "D")]
    pub(crate) expires: Option<String>,
    /// How often it may be used: 10/m, 60/h, 100/d; the daemon counts while it runs
    #[arg(long, value_name = "N/h")]
    pub(crate) rate: Option<Rate>,
}

#[derive(Debug, Args)]
pub(crate) struct TokenNameArgs {
    /// The name of the token
    pub(crate) name: String,
}

/// Say what a token allows for a service, without using it
///
/// Exit 1 when it allows nothing.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  credential-proxy token test ci github.com
  credential-proxy token test ci github.com --json")]
pub(crate) struct TokenTestArgs {
    /// The name of the token
    pub(crate) name: String,
    /// The service
    #[arg(add = complete::services())]
    pub(crate) service: String,
}

/// Show who used what, and who changed it
///
/// A record has the mode of the use (print, inject, helper, show, direct) or the command that changed
/// something (add, edit, rename, delete, import, store, erase, token-create, token-revoke, rotate-key, backup). With --json one record a line. `audit verify` fails with 3 when a record was edited, removed or cut off.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  credential-proxy audit --service github.com --since 7d
  credential-proxy audit verify"
)]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    pub(crate) verb: Option<AuditVerb>,
    /// Only from here on: a duration back, a date, or a moment
    #[arg(long, value_name = "7d")]
    pub(crate) since: Option<String>,
    /// Only this credential
    #[arg(long, value_name = "S")]
    pub(crate) service: Option<String>,
    /// Only this token, run, program or process id
    #[arg(long, value_name = "C")]
    pub(crate) client: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditVerb {
    /// Check every record, the chain and its head
    ///
    /// Exit 3 when a record was edited, removed or cut off, or when it cannot be written now. Accesses
    /// that could not be written before are counted.
    #[command(
        after_help = "Examples:\n  credential-proxy audit verify\n  credential-proxy audit verify --json"
    )]
    Verify,
}
