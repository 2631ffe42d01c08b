//! A server as a URL names it, completed from the service file, the environment and the password file.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::host::{self, Host};
use super::passfile::{Passfile, Wanted};
use super::password::Password;
use super::security::{Security, flag};
use super::settings::{Settings, Source};
use super::surroundings::Surroundings;
use super::url;
use super::wrong::ServerError;

/// A server and a database on it: all that is needed to connect.
///
/// It is shown by its [`Server::label`], which has no password and no parameter.
pub struct Server {
    label: String,
    has_password_in_url: bool,
    pub(super) hosts: Vec<Host>,
    pub(super) user: String,
    pub(super) database: String,
    pub(super) security: Security,
    pub(super) role: Role,
    pub(super) application_name: Option<String>,
    pub(super) options: Option<String>,
    /// How long one host may take, when that was said.
    pub(super) connect_timeout: Option<Duration>,
    /// Whether the hosts are tried in a random order.
    pub(super) shuffles: bool,
    pub(super) keepalive: Keepalive,
    /// A password file that would have been read, were it private.
    pub(super) loose_passfile: Option<PathBuf>,
}

/// libpq's `target_session_attrs`: which of several servers is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Any,
    ReadWrite,
    ReadOnly,
    Primary,
    Standby,
    PreferStandby,
}

/// How a connection to a server that is gone is noticed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keepalive {
    /// `None`: never.
    pub(super) idle: Option<Duration>,
    pub(super) interval: Duration,
    pub(super) count: u32,
    /// How long what was sent may stay unacknowledged; zero leaves it to the system.
    pub(super) unacknowledged: Duration,
}

impl Server {
    /// The server that `url` names; what it leaves open comes from the service file, the environment and the
    /// password file, as users of libpq know it.
    ///
    /// One default differs from libpq's: `target_session_attrs` is `read-write`, because a fleet database that
    /// cannot be written is of no use.
    pub fn parse(url: &str) -> Result<Self, ServerError> {
        Self::complete(url, &Surroundings::of_this_process())
    }

    /// Whether `text` is a URL of PostgreSQL and no path of a file.
    pub fn is_url(text: &str) -> bool {
        url::is_url(text)
    }

    /// The server in one line for people: `postgres://user@host:5432/dbname`, without password and parameters.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Whether the URL itself holds a password: on a command line, every user of the machine could read it.
    pub fn has_password_in_url(&self) -> bool {
        self.has_password_in_url
    }

    pub(super) fn complete(url: &str, around: &Surroundings) -> Result<Self, ServerError> {
        let settings = Settings::collect(url, around)?;
        let user = match settings.text("user").or_else(|| around.user()) {
            Some(user) => user.to_owned(),
            None => {
                return Err(ServerError::Contradiction {
                    what: "no user is named, and this one has no name",
                });
            }
        };
        let database = settings.text("dbname").unwrap_or(&user).to_owned();
        let mut hosts = host::hosts(&settings, around)?;
        let loose_passfile = add_passwords(&mut hosts, &settings, around, &user, &database);
        let label = label(&user, &hosts, &database);
        Ok(Self {
            label,
            has_password_in_url: settings
                .get("password")
                .is_some_and(|setting| setting.source == Source::Url),
            security: Security::read(&settings, around)?,
            role: role(&settings)?,
            application_name: settings
                .text("application_name")
                .or_else(|| settings.text("fallback_application_name"))
                .or_else(|| around.program())
                .map(str::to_owned),
            options: settings.text("options").map(str::to_owned),
            connect_timeout: settings
                .read("connect_timeout", "a number of seconds", |text| text.parse::<i32>().ok())?
                .and_then(|seconds| u64::try_from(seconds).ok())
                .filter(|seconds| *seconds > 0)
                .map(Duration::from_secs),
            shuffles: settings
                .read("load_balance_hosts", "disable or random", |text| match text {
                    "disable" => Some(false),
                    "random" => Some(true),
                    _ => None,
                })?
                .unwrap_or(false),
            keepalive: keepalive(&settings)?,
            hosts,
            user,
            database,
            loose_passfile,
        })
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Server").field(&self.label).finish()
    }
}

fn label(user: &str, hosts: &[Host], database: &str) -> String {
    let hosts: Vec<_> = hosts.iter().map(Host::shown).collect();
    format!(
        "postgres://{}@{}/{}",
        url::encode(user, ""),
        hosts.join(","),
        url::encode(database, "")
    )
}

/// Gives each host its password; the file that had to be passed over comes back.
fn add_passwords(
    hosts: &mut [Host],
    settings: &Settings,
    around: &Surroundings,
    user: &str,
    database: &str,
) -> Option<PathBuf> {
    if let Some(setting) = settings.get("password") {
        for host in hosts {
            host.password = Some(Password::new(setting.value.clone()));
        }
        return None;
    }
    let path = match settings.text("passfile") {
        Some(path) => around.expand(path),
        None => around.in_home(".pgpass")?,
    };
    let file = Passfile::open(&path);
    for host in hosts {
        let name = host.name_in_passfile(around);
        host.password = file.password(Wanted { host: &name, port: host.port, database, user });
    }
    // One that cannot be read, or is no file, is passed over as libpq does, and named in the hint of a
    // password that was missing.
    matches!(file, Passfile::Loose | Passfile::Unreadable).then_some(path)
}

fn role(settings: &Settings) -> Result<Role, ServerError> {
    let role = settings.read(
        "target_session_attrs",
        "any, read-write, read-only, primary, standby or prefer-standby",
        |text| match text {
            "any" => Some(Role::Any),
            "read-write" => Some(Role::ReadWrite),
            "read-only" => Some(Role::ReadOnly),
            "primary" => Some(Role::Primary),
            "standby" => Some(Role::Standby),
            "prefer-standby" => Some(Role::PreferStandby),
            _ => None,
        },
    )?;
    Ok(role.unwrap_or(Role::ReadWrite))
}

/// The defaults are shorter than a system's, which notices a dead peer after two hours: a lease is shorter.
fn keepalive(settings: &Settings) -> Result<Keepalive, ServerError> {
    let number = |name, default: u32| {
        let number =
            settings.read(name, "a number, 0 for the default", |text| text.parse::<i32>().ok())?;
        let number =
            number.and_then(|number| u32::try_from(number).ok()).filter(|number| *number > 0);
        Ok(number.unwrap_or(default))
    };
    let is_on = settings.read("keepalives", "0 or 1", flag)?.unwrap_or(true);
    let seconds = |number: u32| Duration::from_secs(number.into());
    let idle = seconds(number("keepalives_idle", 10)?);
    Ok(Keepalive {
        idle: is_on.then_some(idle),
        interval: seconds(number("keepalives_interval", 5)?),
        count: number("keepalives_count", 3)?,
        unacknowledged: Duration::from_millis(number("tcp_user_timeout", 20_000)?.into()),
    })
}

#[cfg(test)]
mod tests;
