//! What the commands on the content of the vault take.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::complete;
use crate::reference::Wanted;

/// Create a vault, import a browser export and verify everything, in one go
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  credential-proxy bootstrap
  credential-proxy bootstrap --csv ~/Downloads/passwords.csv")]
pub(crate) struct BootstrapArgs {
    /// The export; without it the usual names in ~/Downloads are tried
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,
    /// Do not delete the file afterwards
    #[arg(long)]
    pub(crate) keep: bool,
}

/// Copy the vault into a new file, which opens with the key
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  credential-proxy backup ~/vault-$(date +%F).db
  credential-proxy backup ~/vault-copy.db --json")]
pub(crate) struct BackupArgs {
    /// The new file
    pub(crate) file: PathBuf,
}

/// Create the key, the vault and their directory
///
/// The directory is 0700, the files are 0600 from their first moment. An existing vault is left
/// alone (exit 1). A key that lies there without a vault is used.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  credential-proxy init
  credential-proxy init --key-command 'pass show credential-proxy-key'")]
pub(crate) struct InitArgs {}

/// Add a credential; its secret comes from a prompt or from stdin, never from an argument
///
/// Without --stdin the secret is asked for twice on the terminal and not echoed. With --stdin it
/// is all of stdin, less one final newline (one `\n`; everything else belongs to the secret). Exit 1 when the
/// service has that username already.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  printf %s \"$TOKEN\" | credential-proxy add github.com --username me --stdin
  credential-proxy add db.internal --username app --generate 32 --expires 90d")]
pub(crate) struct AddArgs {
    /// What the credential opens: a host, a URL, or any name
    pub(crate) service: String,
    #[command(flatten)]
    pub(crate) details: DetailArgs,
    #[command(flatten)]
    pub(crate) secret: SecretArgs,
}

/// What can be said about a credential beside its secret.
#[derive(Debug, Args)]
pub(crate) struct DetailArgs {
    /// The account
    #[arg(long, short, value_name = "U")]
    pub(crate) username: Option<String>,
    /// The address (can be repeated)
    #[arg(long, value_name = "URL")]
    pub(crate) url: Vec<String>,
    /// A note; it stands in the process list while the command runs, so keep secrets out of it
    #[arg(long, value_name = "T")]
    pub(crate) note: Option<String>,
    /// Ask for a further secret of this name (can be repeated); with --stdin the password and each field have a line of their own, and there are no others
    #[arg(long, value_name = "NAME")]
    pub(crate) field: Vec<String>,
    /// When the secret ends: 2026-12-31, an RFC 3339 moment, or a duration as 90d
    #[arg(long, value_name = "DATE")]
    pub(crate) expires: Option<String>,
}

/// Where a secret comes from.
#[derive(Debug, Args)]
pub(crate) struct SecretArgs {
    /// Read the secret from stdin
    #[arg(long)]
    pub(crate) stdin: bool,
    /// Make up a secret of this many characters and do not show it
    #[arg(long, value_name = "LEN", num_args = 0..=1, default_missing_value = "32", conflicts_with = "stdin",
          value_parser = clap::value_parser!(u16).range(8..=1024))]
    pub(crate) generate: Option<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnConflict {
    /// Store the new one beside the old one
    KeepBoth,
    /// Keep the old one; the file is not deleted then
    Skip,
    /// Put the new password in the place of the old one
    Replace,
}

/// Import a browser's or password manager's export
///
/// FORMAT is chrome, firefox, safari, bitwarden, 1password, keepassxc, lastpass, env or hermes;
/// without it the file itself says. No row is lost, trimmed or silently overwritten: the same account with
/// the same password is merged, with another password both are kept and reported, rows without a
/// password are listed by line. The file is deleted after everything in it was stored, read back,
/// decrypted and found equal, and nothing was skipped; otherwise it stays and the reason is printed. The store of
/// the Python original (hermes) is never deleted.
#[derive(Debug, Args)]
#[command(
    override_usage = "credential-proxy import [FORMAT] FILE [OPTIONS]",
    after_help = "\
Exit codes: 0 all imported; 3 the file could not be read as an export, and
nothing was stored.

Examples:
  credential-proxy import ~/Downloads/'Google Passwords.csv'
  credential-proxy import bitwarden export.json --dry-run"
)]
pub(crate) struct ImportArgs {
    /// The format, when it should not be detected, and the file; - is stdin
    #[arg(value_name = "[FORMAT] FILE", num_args = 1..=2, required = true)]
    pub(crate) what: Vec<OsString>,
    #[command(flatten)]
    pub(crate) how: ImportHowArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ImportHowArgs {
    /// Say what would happen, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not delete the file afterwards
    #[arg(long)]
    pub(crate) keep: bool,
    /// What to do when an account is there with another password
    #[arg(long, value_name = "WHAT", value_enum, default_value = "keep-both")]
    pub(crate) on_conflict: OnConflict,
}

/// Import a Chrome export; the name of this command in the original
#[derive(Debug, Args)]
pub(crate) struct ImportChromeArgs {
    /// The export; `~/Downloads/Google Passwords.csv` when not named
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) how: ImportHowArgs,
}

/// Which of several accounts is meant.
#[derive(Debug, Args)]
pub(crate) struct WhichArgs {
    /// The account, when the service has several
    #[arg(long, short, value_name = "U")]
    pub(crate) username: Option<String>,
    /// The row of the vault, as shown where a name is ambiguous
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<i64>,
}

/// One credential, by its service and, where that has several, its account.
#[derive(Debug, Args)]
pub(crate) struct CredentialArgs {
    /// The service
    #[arg(add = complete::services())]
    pub(crate) service: String,
    #[command(flatten)]
    pub(crate) which: WhichArgs,
}

impl CredentialArgs {
    pub(crate) fn wanted(&self) -> Wanted {
        let WhichArgs { username, id } = &self.which;
        Wanted { service: self.service.clone(), username: username.clone(), id: *id }
    }
}

/// List services and accounts, never secrets
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  credential-proxy list
  credential-proxy list --prefix git --json")]
pub(crate) struct ListArgs {
    /// Only services that begin with this
    #[arg(long, value_name = "P", default_value = "", hide_default_value = true)]
    pub(crate) prefix: String,
}

/// Show everything about a credential but its secrets
///
/// A password or token inside of an address is not shown either; `get --field url` prints the address whole.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  credential-proxy show github.com
  credential-proxy show github.com --json")]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    pub(crate) credential: CredentialArgs,
}

/// Give a credential another service name
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  credential-proxy rename github.com github-bot
  credential-proxy rename github.com github-bot --username bot")]
pub(crate) struct RenameArgs {
    #[command(flatten)]
    pub(crate) credential: CredentialArgs,
    /// Its new name
    pub(crate) new: String,
}

/// Change a credential
///
/// Only what is named changes. The secret changes with --stdin, --generate or --secret, which asks
/// for it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  printf %s \"$NEW\" | credential-proxy edit github.com --stdin
  credential-proxy edit github.com --id 7 --set-username bot --expires 90d")]
pub(crate) struct EditArgs {
    #[command(flatten)]
    pub(crate) credential: CredentialArgs,
    /// The new username
    #[arg(long, value_name = "U")]
    pub(crate) set_username: Option<String>,
    /// The new addresses, in place of the old ones (can be repeated)
    #[arg(long, value_name = "URL")]
    pub(crate) url: Vec<String>,
    /// The new note
    #[arg(long, value_name = "T")]
    pub(crate) note: Option<String>,
    /// Ask for this further secret; an empty answer removes it (can be repeated)
    #[arg(long, value_name = "NAME")]
    pub(crate) field: Vec<String>,
    /// When the secret ends; `never` forgets it
    #[arg(long, value_name = "DATE")]
    pub(crate) expires: Option<String>,
    /// Ask for a new secret
    #[arg(long)]
    pub(crate) secret: bool,
    #[command(flatten)]
    pub(crate) from: SecretArgs,
}

/// Delete a credential
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  credential-proxy delete old.example
  credential-proxy delete github.com --username old-account")]
pub(crate) struct DeleteArgs {
    /// The service; not needed with --id
    #[arg(required_unless_present = "id", add = complete::services())]
    pub(crate) service: Option<String>,
    #[command(flatten)]
    pub(crate) which: WhichArgs,
}
