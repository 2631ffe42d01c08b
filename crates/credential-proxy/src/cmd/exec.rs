//! `exec`: runs a command with credentials, and keeps them out of its output.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::Context as _;
use common::exit::Exit;
use common::report::{self, Report};

use super::Context;
use crate::address;
use crate::cli::ExecArgs;
use crate::client::{Client, LONG_PATIENCE};
use crate::error::Error;
use crate::mask::{MIN_CHARS, Patterns};
use crate::protocol::Mode;
use crate::reference::{Assignment, Reading};
use crate::run::{self, Plan};
use crate::secret::Secret;

/// A variable and what it is to hold.
pub(super) struct Resolved {
    pub(super) variable: String,
    pub(super) service: String,
    pub(super) value: Secret,
    /// Usernames and addresses are no secrets, and hiding them would shred every output.
    pub(super) is_secret: bool,
}

impl Resolved {
    /// What must not be seen in the output: the value, and what is secret in an address.
    fn secrets(&self) -> Vec<Secret> {
        let mut secrets = address::secrets(self.value.expose());
        if self.is_secret {
            secrets.push(self.value.duplicate());
        }
        secrets
    }
}

/// What could not be resolved, all of it.
pub(super) struct Failure {
    errors: Vec<Error>,
}

impl Failure {
    /// The next step for the first trouble that has one.
    fn hint(&self) -> Option<String> {
        use common::report::Explain as _;
        self.errors.iter().find_map(|error| match error {
            Error::NotFound { .. } | Error::NoField { .. } => {
                Some("see what is there with `credential-proxy list`".to_owned())
            }
            Error::Ambiguous { .. } => {
                Some("name the account, as in VAR=SERVICE@USERNAME".to_owned())
            }
            Error::Denied { .. } => Some(
                "ask for what is allowed with `credential-proxy token test NAME SERVICE`"
                    .to_owned(),
            ),
            other => other.hint(),
        })
    }

    /// As one error for a command that is not `exec`: the names that are missing, or the first other trouble.
    pub(super) fn first_or_not_found(self) -> Error {
        let mut names = Vec::new();
        for error in self.errors {
            match error {
                Error::NotFound { names: missing } => names.extend(missing),
                other => return other,
            }
        }
        Error::NotFound { names }
    }
}

/// Asks for every credential, and tells all that are missing at once.
pub(super) fn resolve(
    client: &mut Client,
    assignments: &[Assignment],
    mode: Mode,
) -> Result<Vec<Resolved>, Failure> {
    let mut resolved = Vec::new();
    let mut errors = Vec::new();
    for assignment in assignments {
        match resolve_one(client, assignment, mode) {
            Ok(one) => resolved.push(one),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(resolved) } else { Err(Failure { errors }) }
}

fn resolve_one(
    client: &mut Client,
    assignment: &Assignment,
    mode: Mode,
) -> Result<Resolved, Error> {
    let mut trouble = None;
    for Reading { wanted, field } in assignment.reference.readings() {
        match client.get(&wanted, mode) {
            Ok(credential) => match credential.field(&field) {
                // Other fields may be empty; a job without its password would fail later and in the dark.
                Some(value) if !(value.is_empty() && field == "password") => {
                    return Ok(Resolved {
                        variable: assignment.variable.clone(),
                        value: Secret::new(value),
                        is_secret: !matches!(field.as_str(), "username" | "url" | "service"),
                        service: credential.service,
                    });
                }
                _ => {
                    trouble.get_or_insert(Error::NoField { service: credential.service, field });
                }
            },
            Err(Error::NotFound { .. }) => {}
            // That a reading is not allowed, or names nobody for sure, says nothing about the next.
            Err(error @ (Error::Denied { .. } | Error::PerhapsBroken { .. })) => {
                trouble.get_or_insert(error);
            }
            Err(error) => return Err(trouble.unwrap_or(error)),
        }
    }
    Err(trouble.unwrap_or_else(|| Error::NotFound {
        names: vec![assignment.reference.as_str().to_owned()],
    }))
}

pub(super) fn run(args: &ExecArgs, context: &mut Context) -> anyhow::Result<Exit> {
    prepare(args, context).map_err(not_started)?.start()
}

/// Whatever goes wrong before the child exists is 125.
fn not_started(error: anyhow::Error) -> anyhow::Error {
    match error.downcast::<Error>() {
        Ok(already @ Error::NotStarted { .. }) => already.into(),
        Ok(error) => {
            let report = Report::of::<Error>(&error.into());
            Error::NotStarted { problems: vec![report.message], hint: report.hint }.into()
        }
        Err(error) => error,
    }
}

fn prepare<'a>(args: &'a ExecArgs, context: &Context) -> anyhow::Result<Plan<'a>> {
    let mut values = Vec::new();
    let mut lender = None;
    // What is not masked can be printed by the child, so that is what is asked for.
    let mode = if args.no_masking { Mode::Print } else { Mode::Inject };
    if !args.env.is_empty() || !args.file.is_empty() {
        let mut client = context.client()?.with_patience(LONG_PATIENCE);
        let all: Vec<Assignment> = args.env.iter().chain(&args.file).cloned().collect();
        values = resolve(&mut client, &all, mode).map_err(|failure| Error::NotStarted {
            problems: failure.errors.iter().map(ToString::to_string).collect(),
            hint: failure.hint(),
        })?;
    }
    let lent = if args.with_token {
        let mut client = context.client()?;
        let token = client.lend()?;
        // The daemon takes the token back when this connection ends.
        lender = Some(client);
        Some(token)
    } else {
        None
    };
    let files = values.split_off(args.env.len().min(values.len()));
    let program = args.command.first().context("a command is required")?;
    let mut command = Command::new(program);
    command.args(args.command.iter().skip(1));
    set_environment(&mut command, args.only_env);
    if let Some(token) = &lent {
        command.env("CREDENTIAL_PROXY_TOKEN", token.expose());
        command.env("CREDENTIAL_PROXY_HOME", &context.home.dir);
        if let Some(socket) = context.home.named_socket() {
            command.env("CREDENTIAL_PROXY_SOCKET", socket);
        }
    }
    for one in &values {
        command.env(&one.variable, without_nul(one)?);
    }
    let mut kept = Vec::new();
    for one in &files {
        let file = run::PrivateFile::new(&context.home, one.value.expose())?;
        command.env(&one.variable, file.path());
        kept.push(file);
    }
    let secrets: Vec<(&str, Secret)> = (values.iter().chain(&files))
        .flat_map(|one| one.secrets().into_iter().map(|secret| (one.service.as_str(), secret)))
        .collect();
    if !args.no_masking {
        warn_of_short(values.iter().chain(&files));
    }
    let masks = !args.no_masking && !secrets.is_empty();
    let patterns = masks.then(|| {
        Patterns::new(secrets.iter().map(|(service, secret)| (*service, secret.expose())))
    });
    Ok(Plan { command, patterns, files: kept, lender, program: &args.command })
}

/// A value that a variable can hold.
fn without_nul(one: &Resolved) -> Result<&str, Error> {
    if one.value.expose().contains('\0') {
        return Err(Error::NotStarted {
            problems: vec![format!(
                "the value for {} has a NUL byte, which no variable can hold",
                one.variable
            )],
            hint: Some("pass it with --file".to_owned()),
        });
    }
    Ok(one.value.expose())
}

/// Names the secrets that are too short to be looked for in every output.
fn warn_of_short<'a>(values: impl Iterator<Item = &'a Resolved>) {
    for one in values.filter(|one| one.is_secret) {
        let n_chars = one.value.expose().chars().count();
        if n_chars > 0 && n_chars < MIN_CHARS {
            report::warn(
                crate::TOOL,
                &format!(
                    "the value for {} has fewer than {MIN_CHARS} characters and is not masked",
                    one.variable
                ),
            );
        }
    }
}

/// Removes what is ours from the child's environment, or all but the little that it may keep.
fn set_environment(command: &mut Command, only_env: bool) {
    const KEPT: [&[u8]; 7] = [b"HOME", b"PATH", b"TERM", b"LANG", b"TZ", b"USER", b"SHELL"];
    for (name, _) in std::env::vars_os() {
        let bytes = name.as_bytes();
        let is_ours = bytes.starts_with(b"CREDENTIAL_PROXY_");
        let is_kept = KEPT.contains(&bytes)
            || bytes.starts_with(b"AGENT_STATE_")
            || bytes.starts_with(b"LC_");
        if is_ours || (only_env && !is_kept) {
            command.env_remove(&name);
        }
    }
}

impl Plan<'_> {
    /// Runs the child, or becomes it when nothing has to be done besides.
    fn start(mut self) -> anyhow::Result<Exit> {
        if self.patterns.is_none() && self.files.is_empty() && self.lender.is_none() {
            let source = self.command.exec();
            return Err(common::Error::Spawn { command: self.name().into(), source }.into());
        }
        Ok(run::supervise(self)?)
    }

    fn name(&self) -> OsString {
        self.program.first().cloned().unwrap_or_default()
    }
}
