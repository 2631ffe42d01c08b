//! The command line: types only. What they say is the help.

mod rights;
mod serving;
mod vault;

pub(crate) use self::rights::{
    AuditArgs, AuditVerb, TokenCreateArgs, TokenNameArgs, TokenTestArgs, TokenVerb,
};
pub(crate) use self::serving::{
    AskpassArgs, AwsArgs, CompletionsArgs, EnvArgs, ExecArgs, GetArgs, HelperArgs, Manager,
    ServeArgs, ServiceArgs,
};
pub(crate) use self::vault::{
    AddArgs, BackupArgs, BootstrapArgs, CredentialArgs, DeleteArgs, EditArgs, ImportArgs,
    ImportChromeArgs, ImportHowArgs, InitArgs, ListArgs, OnConflict, RenameArgs, SecretArgs,
    ShowArgs, WhichArgs,
};
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use common::cli::OutputArgs;
use std::ffi::OsString;
use std::path::PathBuf;

const ABOUT_EXITS: &str = "\
Exit codes:
  0 done, or yes               1 no such credential, ambiguous, denied
  2 wrong usage                3 somebody must fix something
  4 try again later            exec: the child's own, 125 when not started

Environment:
  CREDENTIAL_PROXY_HOME         vault, key and socket are in this directory
                                (~/.local/share/credential-proxy)
  CREDENTIAL_PROXY_SOCKET       the socket, when it is elsewhere
  CREDENTIAL_PROXY_KEY_COMMAND  a command that prints the key
  CREDENTIAL_PROXY_TOKEN        the token of this job
  CREDENTIAL_PROXY_TOKEN_FILE   a file that holds the token, closed to others
                                (mode 0600)
  AGENT_STATE_RUN_ID            stands in the audit trail

Examples:
  credential-proxy init
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
        hide_env_values = true,
        help_heading = "Vault"
    )]
    pub(crate) home: Option<PathBuf>,
    /// Take the key from the output of this command, which has 30 seconds
    #[arg(
        long,
        global = true,
        value_name = "CMD",
        env = "CREDENTIAL_PROXY_KEY_COMMAND",
        hide_env_values = true,
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
        after_help = "Examples:\n  credential-proxy start\n  credential-proxy start && credential-proxy status"
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
    #[command(
        subcommand,
        after_help = "Examples:\n  (umask 077; credential-proxy token create ci --allow github.com:inject \\\n      > ~/ci.token)\n  CREDENTIAL_PROXY_TOKEN_FILE=~/ci.token \\\n      credential-proxy exec --env T=github.com -- my-agent"
    )]
    Token(TokenVerb),
    Audit(AuditArgs),
    /// Show secrets that are expired or about to be, never used, unused for 90 days, older than a year, or doubled
    ///
    /// Exit 1 when something is expired, ends within 14 days, or was rejected as git said, for a daily cron
    /// line. Exit 3 when one cannot be decrypted.
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
        after_help = "Examples:\n  credential-proxy rotate-key\n  credential-proxy rotate-key && credential-proxy backup ~/vault.db"
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
  echo url=https://github.com/ | credential-proxy git-credential get")]
    GitCredential(HelperArgs),
    /// Be a credential helper of docker
    ///
    /// Also when called as docker-credential-NAME, with "credsStore": "NAME" in docker's config.json. Errors go to
    /// stdout, with exit 1, as docker expects.
    #[command(after_help = "\
Examples:
  mkdir -p ~/.local/bin
  ln -s \"$(command -v credential-proxy)\" ~/.local/bin/docker-credential-proxy
  echo https://index.docker.io/v1/ | credential-proxy docker-credential get")]
    DockerCredential(HelperArgs),
    AwsCredential(AwsArgs),
    Askpass(AskpassArgs),
    Completions(CompletionsArgs),
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
    if let Some(cli) = parse_frequent(args) {
        return Ok(cli);
    }
    Cli::from_arg_matches(&without_cleared(Cli::command()).try_get_matches_from(args)?)
}

/// A variable that a crontab or a unit cleared by emptying it counts as absent.
fn without_cleared(command: clap::Command) -> clap::Command {
    let variables =
        [("home", "CREDENTIAL_PROXY_HOME"), ("key_command", "CREDENTIAL_PROXY_KEY_COMMAND")];
    let cleared = variables.into_iter().filter(|(_, name)| common::environment::is_cleared(name));
    cleared.fold(command, |command, (id, _)| {
        command.mut_arg(id, |arg| arg.env(clap::builder::Resettable::Reset))
    })
}

fn parse_frequent(args: &[OsString]) -> Option<Cli> {
    args.get(1).filter(|verb| *verb == "get" || *verb == "exec")?;
    let matches = without_cleared(Frequent::command()).try_get_matches_from(args).ok()?;
    let Frequent { verb, output, place } = Frequent::from_arg_matches(&matches).ok()?;
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
