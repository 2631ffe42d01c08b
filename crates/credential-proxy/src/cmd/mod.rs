//! One file a command, and what they all start from.

mod add;
mod askpass;
mod audit;
mod aws_credential;
mod backup;
mod bootstrap;
mod broken;
mod completions;
mod deed;
mod delete;
mod details;
mod docker_credential;
mod doctor;
mod edit;
mod env;
mod exec;
mod get;
mod git_credential;
mod import;
mod init;
mod list;
mod rename;
mod report;
mod rotate_key;
mod serve;
mod service;
mod show;
mod status;
mod token;
mod verify;

use std::fs::File;
use std::io::Read as _;

use common::clock::{self, Timestamp};
use common::environment;
use common::exit::Exit;
use common::out::Out;
use zeroize::Zeroizing;

use crate::access;
use crate::cli::{Cli, Verb};
use crate::client::{Caller, Client, LONG_PATIENCE};
use crate::error::Error;
use crate::home::Home;
use crate::key::Source;
use crate::launch;
use crate::secret::Secret;
use crate::store::Vault;

/// What every command starts from.
pub(crate) struct Context {
    pub(crate) home: Home,
    pub(crate) key_command: Option<String>,
    pub(crate) may_start: bool,
    pub(crate) json: bool,
    pub(crate) out: Out,
}

impl Context {
    pub(crate) fn now() -> Timestamp {
        clock::now()
    }

    /// Where the key comes from.
    pub(crate) fn source(&self) -> Result<Source, Error> {
        let credentials = environment::os("CREDENTIALS_DIRECTORY").map(std::path::PathBuf::from);
        Source::find(&self.home, self.key_command.as_deref(), credentials.as_deref())
    }

    /// Opens the vault in this process, which can be read by nobody else from then on.
    pub(crate) fn vault(&self) -> Result<Vault, Error> {
        crate::guard::hide();
        access::open(&self.home, &self.source()?)
    }

    /// A connection to the daemon, which is started when there is none.
    pub(crate) fn client(&self) -> Result<Client, Error> {
        // The token is read now: a file that cannot be read is an error of ours, not of the daemon.
        let token = token_of_caller()?;
        let caller = || Caller {
            token: token.as_ref().map(Secret::duplicate),
            run: environment::text("AGENT_STATE_RUN_ID"),
        };
        launch::connect(&self.home, self.key_command.as_deref(), caller, self.may_start)
    }

    /// A connection to a daemon that is there; `None` without one.
    pub(crate) fn running(&self) -> Result<Option<Client>, Error> {
        launch::running(&self.home, &Caller::default)
    }

    /// Tells a running daemon that the vault has changed.
    pub(crate) fn announce_change(&self) -> Result<(), Error> {
        let Some(client) = self.running()? else { return Ok(()) };
        let mut client = client.with_patience(LONG_PATIENCE);
        match client.ask(serde_json::json!({ "action": "reload" })) {
            // A locked daemon reads the vault when it is unlocked.
            Ok(_) | Err(Error::Locked) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// The token that the surroundings give to this process.
pub(crate) fn token_of_caller() -> Result<Option<Secret>, Error> {
    if let Some(token) = environment::text("CREDENTIAL_PROXY_TOKEN") {
        return Ok(Some(Secret::new(token.trim())));
    }
    let Some(path) = environment::os("CREDENTIAL_PROXY_TOKEN_FILE") else { return Ok(None) };
    let failed = || common::error::file("read the token file", &path);
    let mut file = File::open(&path).map_err(failed())?;
    crate::home::check_token(std::path::Path::new(&path), &file.metadata().map_err(failed())?)?;
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text).map_err(failed())?;
    Ok(Some(Secret::new(text.trim())))
}

/// People see how long from now, programs the moment.
fn shown(at: Timestamp, context: &Context) -> String {
    if context.out.is_terminal() { at.relative(Context::now()) } else { at.to_string() }
}

/// Runs the command that was asked for.
pub(crate) fn run(cli: Cli) -> anyhow::Result<Exit> {
    let socket = environment::os("CREDENTIAL_PROXY_SOCKET").map(std::path::PathBuf::from);
    let mut context = Context {
        home: Home::new(cli.place.home, socket)?,
        key_command: cli.place.key_command,
        may_start: !cli.place.no_start,
        json: cli.output.json,
        out: Out::stdout(cli.output.color),
    };
    let exit = match cli.verb {
        Verb::Init(_) => init::run(&mut context),
        Verb::Bootstrap(args) => bootstrap::run(&args, &mut context),
        Verb::Add(args) => add::run(&args, &mut context),
        Verb::Import(args) => import::run(&args, &mut context),
        Verb::ImportChrome(args) => import::run_chrome(&args, &mut context),
        Verb::Get(args) => get::run(&args, &mut context),
        Verb::Exec(args) => exec::run(&args, &mut context),
        Verb::Env(args) => env::run(&args, &mut context),
        Verb::List(args) => list::run(&args, &mut context),
        Verb::Show(args) => show::run(&args, &mut context),
        Verb::Rename(args) => rename::run(&args, &mut context),
        Verb::Edit(args) => edit::run(&args, &mut context),
        Verb::Delete(args) => delete::run(&args, &mut context),
        Verb::Serve(args) => serve::run(&args, &mut context),
        Verb::Start => serve::start(&mut context),
        Verb::Stop => serve::stop(&mut context),
        Verb::Reload => status::reload(&mut context),
        Verb::Status => status::run(&mut context),
        Verb::Lock => status::lock(&mut context),
        Verb::Unlock => status::unlock(&mut context),
        Verb::Service(args) => service::run(&args, &mut context),
        Verb::Token(verb) => token::run(&verb, &mut context),
        Verb::Audit(args) => audit::run(&args, &mut context),
        Verb::Report => report::run(&mut context),
        Verb::Verify => verify::run(&mut context),
        Verb::RotateKey => rotate_key::run(&mut context),
        Verb::Backup(args) => backup::run(&args, &mut context),
        Verb::Doctor => doctor::run(&mut context),
        Verb::GitCredential(args) => git_credential::run(&args, &mut context),
        Verb::DockerCredential(args) => docker_credential::run(&args, &mut context),
        Verb::AwsCredential(args) => aws_credential::run(&args, &mut context),
        Verb::Askpass(args) => askpass::run(&args, &mut context),
        Verb::Completions(args) => completions::run(&args, &mut context),
    }?;
    context.out.flush()?;
    Ok(exit)
}
