//! The command line: types only. What they say is the help.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use common::cli::OutputArgs;

use crate::grant::{Rate, Rule};
use crate::reference::Assignment;

const ABOUT_EXITS: &str = "\
Exit codes:
  0 done, or yes      1 no such credential, ambiguous, denied      2 wrong usage
  3 somebody must fix something      4 try again later      exec: the child's own code, 125 when it was not started

Environment:
  CREDENTIAL_PROXY_HOME         the directory of vault, key and socket (~/.local/share/credential-proxy)
  CREDENTIAL_PROXY_SOCKET       the socket, when it is elsewhere
  CREDENTIAL_PROXY_KEY_COMMAND  a command that prints the key, in place of the key file

Examples:
  credential-proxy init && printf %s \"$TOKEN\" | credential-proxy add github.com --username me --stdin
  credential-proxy exec --env GITHUB_TOKEN=github.com -- gh repo list";

/// Serve credentials to unattended jobs over a private socket
///
/// A local daemon decrypts the vault once, when it starts, and serves it: no prompt, no network,
/// no cloud. Every command that needs the daemon starts it when none answers.
#[derive(Debug, Parser)]
#[command(name = "credential-proxy", version, max_term_width = 100, after_help = ABOUT_EXITS)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
}

/// Where the vault is and how it is opened.
#[derive(Debug, Clone, Args)]
pub(crate) struct PlaceArgs {
    /// The directory of vault, key and socket
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "CREDENTIAL_PROXY_HOME",
        hide_env = true,
        help_heading = "Vault"
    )]
    pub(crate) home: Option<PathBuf>,
    /// Take the key from the output of this command
    #[arg(
        long,
        global = true,
        value_name = "CMD",
        env = "CREDENTIAL_PROXY_KEY_COMMAND",
        hide_env = true,
        help_heading = "Vault"
    )]
    pub(crate) key_command: Option<String>,
    /// Fail with 4 when no daemon answers, instead of starting one
    #[arg(long, global = true, help_heading = "Vault")]
    pub(crate) no_start: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Init(InitArgs),
    Bootstrap(BootstrapArgs),
    Add(AddArgs),
    Import(ImportArgs),
    #[command(hide = true)]
    ImportChrome(ImportChromeArgs),
    Get(GetArgs),
    Exec(ExecArgs),
    Env(EnvArgs),
    List(ListArgs),
    Show(ShowArgs),
    Rename(RenameArgs),
    Edit(EditArgs),
    Delete(DeleteArgs),
    Serve(ServeArgs),
    /// Start the daemon, unless one is running
    ///
    /// Returns when the daemon answers. Prints nothing unless on a terminal, so it can stand in a crontab.
    #[command(
        after_help = "Examples:\n  credential-proxy start\n  */5 * * * * credential-proxy start      (in a crontab)"
    )]
    Start,
    /// Stop the daemon, and wait until it is gone
    ///
    /// Exit 1 when none is running.
    #[command(
        after_help = "Examples:\n  credential-proxy stop\n  credential-proxy stop; credential-proxy start"
    )]
    Stop,
    /// Have the daemon read the vault again
    #[command(
        after_help = "Examples:\n  credential-proxy reload\n  credential-proxy reload --json"
    )]
    Reload,
    /// Show how the daemon is
    ///
    /// Exit 4 when none is running.
    #[command(
        after_help = "Examples:\n  credential-proxy status\n  credential-proxy status --json"
    )]
    Status,
    /// Have the daemon forget the key and everything it decrypted
    #[command(
        after_help = "Examples:\n  credential-proxy lock\n  kill -USR1 $(cat ~/.local/share/credential-proxy/daemon.lock)"
    )]
    Lock,
    /// Have the daemon read the key and the vault again after a lock
    #[command(
        after_help = "Examples:\n  credential-proxy unlock\n  credential-proxy unlock && credential-proxy status"
    )]
    Unlock,
    Service(ServiceArgs),
    /// Give jobs tokens that name what they may use, how, how often and until when
    ///
    /// Without any token every process of this user may read everything. From the first one on
    /// every request needs one, in CREDENTIAL_PROXY_TOKEN or in the file that
    /// CREDENTIAL_PROXY_TOKEN_FILE names. A process of this user that can read the key file is not stopped by this.
    #[command(subcommand)]
    Token(TokenVerb),
    Audit(AuditArgs),
    /// Show secrets that are expired or about to be, never used, unused for 90 days, older than a year, or doubled
    ///
    /// Exit 1 when something is expired or ends within 14 days, for a daily cron line.
    #[command(
        after_help = "Examples:\n  credential-proxy report\n  credential-proxy report --json"
    )]
    Report,
    /// Decrypt every row of the vault
    ///
    /// Exit 3 when one cannot be decrypted.
    #[command(
        after_help = "Examples:\n  credential-proxy verify\n  credential-proxy verify --json"
    )]
    Verify,
    /// Seal the vault with a new key, and retire the old one
    ///
    /// Everything is sealed, read back and compared in one transaction; killed at any instant it leaves a vault
    /// that opens. Backups made before need the key of their time.
    #[command(
        after_help = "Examples:\n  credential-proxy rotate-key\n  credential-proxy rotate-key && credential-proxy backup ~/vault-$(date +%F).db"
    )]
    RotateKey,
    Backup(BackupArgs),
    /// Look at everything that has to be right
    ///
    /// Exit 3 when something is not.
    #[command(
        after_help = "Examples:\n  credential-proxy doctor\n  credential-proxy doctor --json"
    )]
    Doctor,
    /// Be a credential helper of git
    ///
    /// A secret is given for exactly the protocol and host that it was stored for. Operations that
    /// are not known are ignored, as git demands.
    #[command(after_help = "\
Examples:
  git config --global credential.helper '!credential-proxy git-credential'
  printf 'protocol=https\\nhost=github.com\\n\\n' | credential-proxy git-credential get")]
    GitCredential(HelperArgs),
    /// Be a credential helper of docker
    ///
    /// Also when called as docker-credential-NAME. Errors go to stdout, with exit 1, as docker expects.
    #[command(after_help = "\
Examples:
  ln -s $(command -v credential-proxy) ~/.local/bin/docker-credential-proxy     (and \"credsStore\": \"proxy\")
  echo https://index.docker.io/v1/ | credential-proxy docker-credential get")]
    DockerCredential(HelperArgs),
    AwsCredential(AwsArgs),
    Askpass(AskpassArgs),
    Completions(CompletionsArgs),
}

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

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Manager {
    Systemd,
    Launchd,
}

/// Print or install what makes systemd or launchd start the daemon
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  credential-proxy service systemd --install
  credential-proxy service launchd")]
pub(crate) struct ServiceArgs {
    /// Who is to start it
    #[arg(value_enum)]
    pub(crate) manager: Manager,
    /// Write the files to where they belong for this user
    #[arg(long)]
    pub(crate) install: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenVerb {
    Create(TokenCreateArgs),
    /// List tokens and what they allow
    List,
    /// Revoke a token at once
    Revoke(TokenNameArgs),
    Test(TokenTestArgs),
}

/// Create a token and print it; this is the only time that it is shown
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  credential-proxy token create ci --allow github.com:inject > ~/.config/ci.token
  credential-proxy token create db --allow '*.internal:print:helper' --expires 30d --rate 60/h")]
pub(crate) struct TokenCreateArgs {
    /// The name, as the audit trail shows it
    pub(crate) name: String,
    /// Services by glob, and modes (inject: only `exec`; print; helper) or all (can be repeated)
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
pub(crate) struct TokenTestArgs {
    /// The name of the token
    pub(crate) name: String,
    /// The service
    pub(crate) service: String,
}

/// Show who used what
///
/// With --json one record a line. `audit verify` fails with 3 when a record was edited, removed or cut off.
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
    Verify,
}

/// Copy the vault into a new file, which opens with the key
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  credential-proxy backup ~/backups/vault-$(date +%F).db
  credential-proxy backup /mnt/usb/vault.db --json")]
pub(crate) struct BackupArgs {
    /// The new file
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct HelperArgs {
    /// What is asked: get, store, erase, …
    pub(crate) operation: String,
}

/// Print a credential as AWS's credential_process
///
/// The username is the access key id, the password the secret access key, a field `session_token`
/// the session token, --expires the expiration.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  credential-proxy aws-credential aws-prod
  aws configure set credential_process 'credential-proxy aws-credential aws-prod'")]
pub(crate) struct AwsArgs {
    /// The service
    pub(crate) service: String,
    #[command(flatten)]
    pub(crate) which: WhichArgs,
}

/// Answer the prompts of git, ssh and sudo
///
/// For GIT_ASKPASS, SSH_ASKPASS and SUDO_ASKPASS through a link named credential-proxy-askpass. The passphrase of a
/// key is the credential named by the key's path; sudo's password is that of the service `sudo`.
#[derive(Debug, Args)]
#[command(after_help = "\
Environment: CREDENTIAL_PROXY_ASKPASS names the service, whatever the prompt says.

Examples:
  ln -s $(command -v credential-proxy) ~/.local/bin/credential-proxy-askpass
  GIT_ASKPASS=credential-proxy-askpass git clone https://github.com/me/private.git")]
pub(crate) struct AskpassArgs {
    /// The prompt
    pub(crate) prompt: String,
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
/// is all of stdin, less one final newline. Exit 1 when the service has that username already.
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
    /// Ask for a further secret of this name (can be repeated); with --stdin one line each, after the password's line
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
Exit codes: 0 all imported; 3 the file could not be read as an export, and nothing was stored.

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

/// Print a credential's password, or another field of it
///
/// Exit 1 when there is none, when the name is ambiguous (the candidates are listed), or when the
/// token at hand does not allow it. Only an exact name is accepted.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  credential-proxy get github.com
  credential-proxy get github.com --username me --field url")]
pub(crate) struct GetArgs {
    /// The service
    pub(crate) service: String,
    #[command(flatten)]
    pub(crate) which: WhichArgs,
    /// The field: password, username, url, note, or a name of its own
    #[arg(long, short, value_name = "FIELD", default_value = "password")]
    pub(crate) field: String,
    /// Print nothing; the exit code says whether it is there
    #[arg(long)]
    pub(crate) check: bool,
    /// Open the vault instead of asking the daemon
    #[arg(long)]
    pub(crate) direct: bool,
}

/// Run a command with credentials in its environment, and mask them in its output
///
/// SERVICE[/FIELD] is a service and one of its fields (password when not named); @USERNAME behind it
/// picks one of several accounts. Inherited variables of the same name are removed, and so is
/// everything named CREDENTIAL_PROXY_*. A secret of 6 characters or more that appears in the
/// command's stdout or stderr, also in base64, hex, percent or JSON form, is printed as
/// [redacted:SERVICE].
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: the command's own; 125 it was not started, as when a credential is missing; 126 not
executable; 127 not found. A command that was killed by a signal: we die of the same signal.

Examples:
  credential-proxy exec --env GITHUB_TOKEN=github.com -- gh repo list
  credential-proxy exec --env PGUSER=db.internal/username --env PGPASSWORD=db.internal -- psql -c 'select 1'")]
pub(crate) struct ExecArgs {
    /// Put a field of a credential into a variable (can be repeated)
    #[arg(long, short, value_name = "VAR=SERVICE[/FIELD]")]
    pub(crate) env: Vec<Assignment>,
    /// Put the path of a private file that holds the field into a variable; the file vanishes with the command (can be repeated)
    #[arg(long, value_name = "VAR=SERVICE[/FIELD]")]
    pub(crate) file: Vec<Assignment>,
    /// Pass no other variables on than these, HOME, PATH, TERM, LANG, TZ and AGENT_STATE_*
    #[arg(long)]
    pub(crate) only_env: bool,
    /// Do not mask; the command takes our place. A token that only allows inject refuses this
    #[arg(long)]
    pub(crate) no_masking: bool,
    /// Lend the command a token with our rights, which dies with the command, and tell it where the daemon is
    #[arg(long)]
    pub(crate) with_token: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

/// Print credentials as shell exports, or as one JSON object
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  eval \"$(credential-proxy env GITHUB_TOKEN=github.com)\"
  credential-proxy env GITHUB_TOKEN=github.com --json")]
pub(crate) struct EnvArgs {
    /// The variables and what they hold
    #[arg(required = true, value_name = "VAR=SERVICE[/FIELD]")]
    pub(crate) assignments: Vec<Assignment>,
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
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  credential-proxy show github.com
  credential-proxy show github.com --json")]
pub(crate) struct ShowArgs {
    /// The service
    pub(crate) service: String,
    #[command(flatten)]
    pub(crate) which: WhichArgs,
}

/// Give a credential another service name
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  credential-proxy rename github.com github-bot
  credential-proxy rename github.com github-bot --username bot")]
pub(crate) struct RenameArgs {
    /// The service
    pub(crate) service: String,
    /// Its new name
    pub(crate) new: String,
    #[command(flatten)]
    pub(crate) which: WhichArgs,
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
    /// The service
    pub(crate) service: String,
    #[command(flatten)]
    pub(crate) which: WhichArgs,
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
    #[arg(required_unless_present = "id")]
    pub(crate) service: Option<String>,
    #[command(flatten)]
    pub(crate) which: WhichArgs,
}

/// Be the daemon
///
/// Without --foreground this is the same as `start`. In the foreground it serves until TERM or INT; HUP reads
/// the vault again, USR1 locks it.
#[derive(Debug, Args)]
#[command(after_help = "\
Environment: NOTIFY_SOCKET, WATCHDOG_USEC, LISTEN_FDS and LISTEN_PID as systemd sets them; CREDENTIALS_DIRECTORY
may hold credential-proxy-key.

Examples:
  credential-proxy serve --foreground
  credential-proxy serve")]
pub(crate) struct ServeArgs {
    /// Stay in the foreground, for systemd, launchd and debugging
    #[arg(long)]
    pub(crate) foreground: bool,
    /// Be the daemon that `start` starts
    #[arg(long, hide = true, conflicts_with = "foreground")]
    pub(crate) background: bool,
}

/// Print a completion script
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  credential-proxy completions bash > ~/.local/share/bash-completion/completions/credential-proxy
  credential-proxy completions zsh")]
pub(crate) struct CompletionsArgs {
    pub(crate) shell: clap_complete::Shell,
}

/// The two verbs of every job alone.
///
/// The whole command line takes a third of a `get`'s time to build; this is tried first, and what it
/// does not understand, help and mistakes included, goes to the whole one.
#[derive(Debug, Parser)]
#[command(name = "credential-proxy", disable_help_flag = true)]
struct Frequent {
    #[command(subcommand)]
    verb: FrequentVerb,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Debug, Subcommand)]
#[command(disable_help_subcommand = true)]
enum FrequentVerb {
    Get(GetArgs),
    Exec(ExecArgs),
}

/// Reads the command line.
pub(crate) fn parse(args: &[OsString]) -> Result<Cli, clap::Error> {
    match parse_frequent(args) {
        Some(cli) => Ok(cli),
        None => Cli::try_parse_from(args),
    }
}

fn parse_frequent(args: &[OsString]) -> Option<Cli> {
    args.get(1).filter(|verb| *verb == "get" || *verb == "exec")?;
    let Frequent { verb, output, place } = Frequent::try_parse_from(args).ok()?;
    let verb = match verb {
        FrequentVerb::Get(args) => Verb::Get(args),
        FrequentVerb::Exec(args) => Verb::Exec(args),
    };
    Some(Cli { verb, output, place })
}

/// The whole command, for completions.
pub(crate) fn command() -> clap::Command {
    Cli::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn the_short_way_through_the_parser_reads_the_same_as_the_long_one() {
        for line in [
            "get github.com",
            "get github.com --field username --username me --json --no-start",
            "get --check --home /x https://github.com/",
            "exec --env A=b --env C=d/e --file F=g --only-env -- cmd --json -x",
            "exec --no-masking --json -- cmd",
        ] {
            let args: Vec<OsString> = std::iter::once("credential-proxy")
                .chain(line.split(' '))
                .map(OsString::from)
                .collect();
            let short = parse_frequent(&args).map(|cli| format!("{cli:?}"));
            let long = Cli::try_parse_from(&args).ok().map(|cli| format!("{cli:?}"));
            assert_eq!(short, long, "{line}");
            assert!(short.is_some(), "{line}");
        }
        for line in [
            "get",
            "get --help",
            "exec",
            "exec --",
            "list",
            "get a --nonsense",
            "get a b",
            "get a --field",
            "exec --env A -- b",
        ] {
            let args: Vec<OsString> = std::iter::once("credential-proxy")
                .chain(line.split(' '))
                .map(OsString::from)
                .collect();
            assert!(parse_frequent(&args).is_none(), "{line}");
        }
    }
}
