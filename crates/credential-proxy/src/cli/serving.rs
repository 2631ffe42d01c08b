//! What the commands that hand credentials out take.

use std::ffi::OsString;

use clap::{Args, ValueEnum};

use super::CredentialArgs;
use crate::complete;
use crate::reference::Assignment;

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
Environment: CREDENTIAL_PROXY_TOKEN, or the file named by
CREDENTIAL_PROXY_TOKEN_FILE, holds the token of this job, where one is needed.

Examples:
  credential-proxy aws-credential aws-prod
  aws configure set credential_process \\
      'credential-proxy aws-credential aws-prod'")]
pub(crate) struct AwsArgs {
    #[command(flatten)]
    pub(crate) credential: CredentialArgs,
}

/// Answer the prompts of git, ssh and sudo
///
/// For GIT_ASKPASS, SSH_ASKPASS and SUDO_ASKPASS through a link named credential-proxy-askpass. The passphrase of a
/// key is the credential named by the key's path; sudo's password is that of the service `sudo`. The account is the
/// one that the prompt names, or else the one that was stored without a username.
#[derive(Debug, Args)]
#[command(after_help = "\
Environment: CREDENTIAL_PROXY_ASKPASS names the service, whatever the prompt
says.

Examples:
  ln -s \"$(command -v credential-proxy)\" ~/credential-proxy-askpass
  GIT_ASKPASS=~/credential-proxy-askpass git ls-remote https://github.com/me/x")]
pub(crate) struct AskpassArgs {
    /// The prompt
    pub(crate) prompt: String,
}

/// Print a credential's password, or another field of it
///
/// Exit 1 when there is none, when the name is ambiguous (the candidates are listed), or when the
/// token at hand does not allow it. Only an exact name is accepted.
#[derive(Debug, Args)]
#[command(after_help = "\
Environment: CREDENTIAL_PROXY_TOKEN, or the file named by
CREDENTIAL_PROXY_TOKEN_FILE, holds the token of this job, where one is needed.

Examples:
  credential-proxy get github.com
  credential-proxy get github.com --username me --field url")]
pub(crate) struct GetArgs {
    #[command(flatten)]
    pub(crate) credential: CredentialArgs,
    /// The field: password, username, url, note, or a name of its own
    #[arg(long, short, value_name = "FIELD", default_value = "password")]
    pub(crate) field: String,
    /// Print nothing, also when it is not there; the exit code says it
    #[arg(long)]
    pub(crate) check: bool,
    /// Open the vault instead of asking the daemon
    #[arg(long)]
    pub(crate) direct: bool,
}

/// Run a command with credentials in its environment, and mask them in its output
///
/// SERVICE[/FIELD] is a service and one of its fields (password when not named); @USERNAME behind it
/// picks one of several accounts. A credential that is missing, or has no such field or no password, stops
/// everything; any other field may be empty, and then its variable is. Inherited variables of the same name are
/// removed, and so is everything named CREDENTIAL_PROXY_*. A secret of 6 characters or more that appears in the
/// command's stdout or stderr, also in base64, hex, percent or JSON form, is printed as
/// `[redacted:SERVICE]`. So is what a background job of the command writes later: a process that masks
/// stays until nobody is left to write.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: the command's own; 3 it ended well and its output could not be
written; 125 it was not started, as when a credential is missing; 126 not
executable; 127 not found. A command that was killed by a signal: we die of
the same signal.

Environment: CREDENTIAL_PROXY_TOKEN, or the file named by
CREDENTIAL_PROXY_TOKEN_FILE, holds the token of this job, where one is needed.

Examples:
  credential-proxy exec --env GITHUB_TOKEN=github.com -- gh repo list
  credential-proxy exec --env PGUSER=db.internal/username \\
      --env PGPASSWORD=db.internal -- psql -c 'select 1'")]
pub(crate) struct ExecArgs {
    /// Put a field of a credential into a variable (can be repeated)
    #[arg(long, short, value_name = "VAR=SERVICE[/FIELD]", add = complete::assignments())]
    pub(crate) env: Vec<Assignment>,
    /// Put the path of a private file that holds the field into a variable; the file vanishes with the command, or with us when we are killed (can be repeated)
    #[arg(long, value_name = "VAR=SERVICE[/FIELD]", add = complete::assignments())]
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
///
/// SERVICE[/FIELD] is a service and one of its fields (password when not named); @USERNAME behind it picks one of
/// several accounts.
#[derive(Debug, Args)]
#[command(after_help = "\
Environment: CREDENTIAL_PROXY_TOKEN, or the file named by
CREDENTIAL_PROXY_TOKEN_FILE, holds the token of this job, where one is needed.

Examples:
  eval \"$(credential-proxy env GITHUB_TOKEN=github.com)\"
  credential-proxy env GITHUB_TOKEN=github.com --json")]
pub(crate) struct EnvArgs {
    /// The variables and what they hold
    #[arg(required = true, value_name = "VAR=SERVICE[/FIELD]", add = complete::assignments())]
    pub(crate) assignments: Vec<Assignment>,
}

/// Be the daemon
///
/// Without --foreground this is the same as `start`. In the foreground it serves until TERM or INT; HUP reads
/// the vault again, USR1 locks it.
#[derive(Debug, Args)]
#[command(after_help = "\
Environment: NOTIFY_SOCKET, WATCHDOG_USEC, LISTEN_FDS and LISTEN_PID as
systemd sets them; CREDENTIALS_DIRECTORY may hold credential-proxy-key.

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
  source <(credential-proxy completions bash)
  echo 'source <(credential-proxy completions zsh)' >> ~/.zshrc")]
pub(crate) struct CompletionsArgs {
    pub(crate) shell: clap_complete::Shell,
}
