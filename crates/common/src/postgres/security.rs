//! What is asked of TLS: the mode, whom to trust, who we are.
//!
//! It reads no file: a server that is never connected to needs none of them.

use std::path::PathBuf;

use super::settings::Settings;
use super::surroundings::Surroundings;
use super::wrong::ServerError;

/// libpq's `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mode {
    /// Never TLS.
    Disable,
    /// TLS only when the server refuses to go without.
    Allow,
    /// TLS when the server has it.
    Prefer,
    /// TLS, whoever the server is; with a root certificate it is as [`Mode::VerifyCa`].
    Require,
    /// TLS with a server whose certificate a trusted authority signed.
    VerifyCa,
    /// The same, and the certificate is for the host that was asked for.
    VerifyFull,
}

/// Whom the certificate of a server has to come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Roots {
    /// From those whom this machine trusts.
    System,
    /// From an authority in this file; a file that was not named may be absent.
    File {
        /// The file.
        path: PathBuf,
        /// Whether somebody named it.
        is_named: bool,
    },
    /// There is no home directory, so there is no default file.
    None,
}

/// Whether a password exchange is bound to the TLS channel that it travels in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binding {
    Disable,
    Prefer,
    Require,
}

/// Everything that is asked of TLS.
#[derive(Debug, Clone)]
pub(super) struct Security {
    pub(super) mode: Mode,
    pub(super) roots: Roots,
    /// Our certificate and its key, and whether somebody named them.
    pub(super) identity: Option<(PathBuf, PathBuf, bool)>,
    pub(super) binding: Binding,
    /// Whether TLS begins at once, without PostgreSQL's own question for it.
    pub(super) is_direct: bool,
    /// Whether the name of the host is told to the server before it answers.
    pub(super) names_host: bool,
    /// Whether TLS 1.2 is too old.
    pub(super) only_newest: bool,
}

impl Security {
    pub(super) fn read(settings: &Settings, around: &Surroundings) -> Result<Self, ServerError> {
        let mode = settings.read(
            "sslmode",
            "disable, allow, prefer, require, verify-ca or verify-full",
            |text| match text {
                "disable" => Some(Mode::Disable),
                "allow" => Some(Mode::Allow),
                "prefer" => Some(Mode::Prefer),
                "require" => Some(Mode::Require),
                "verify-ca" => Some(Mode::VerifyCa),
                "verify-full" => Some(Mode::VerifyFull),
                _ => None,
            },
        )?;
        let roots = match settings.text("sslrootcert") {
            Some("system") => Roots::System,
            Some(path) => Roots::File { path: around.expand(path), is_named: true },
            None => match around.in_home(".postgresql/root.crt") {
                Some(path) => Roots::File { path, is_named: false },
                None => Roots::None,
            },
        };
        // As in libpq: half the world is trusted by a machine, so the name has to be right too.
        let mode = match (mode, &roots) {
            (None, Roots::System) => Mode::VerifyFull,
            (Some(mode), Roots::System) if mode < Mode::VerifyFull && mode != Mode::Disable => {
                return Err(ServerError::Contradiction {
                    what: "sslrootcert=system goes only with sslmode=verify-full",
                });
            }
            (mode, _) => mode.unwrap_or(Mode::Prefer),
        };
        let is_direct = settings
            .read("sslnegotiation", "postgres or direct", |text| match text {
                "postgres" => Some(false),
                "direct" => Some(true),
                _ => None,
            })?
            .unwrap_or(false);
        if is_direct && mode < Mode::Require {
            return Err(ServerError::Contradiction {
                what: "sslnegotiation=direct goes only with sslmode=require or a stronger one",
            });
        }
        let binding = settings
            .read("channel_binding", "disable, prefer or require", |text| match text {
                "disable" => Some(Binding::Disable),
                "prefer" => Some(Binding::Prefer),
                "require" => Some(Binding::Require),
                _ => None,
            })?
            .unwrap_or(Binding::Prefer);
        let names_host = settings.read("sslsni", "0 or 1", flag)?.unwrap_or(true);
        let only_newest = settings
            .read("ssl_min_protocol_version", "TLSv1.2 or TLSv1.3", |text| match text {
                // There is nothing older than 1.2 here, so an older minimum is met.
                "TLSv1" | "TLSv1.1" | "TLSv1.2" => Some(false),
                "TLSv1.3" => Some(true),
                _ => None,
            })?
            .unwrap_or(false);
        let identity = identity(settings, around);
        Ok(Self { mode, roots, identity, binding, is_direct, names_host, only_newest })
    }
}

fn identity(settings: &Settings, around: &Surroundings) -> Option<(PathBuf, PathBuf, bool)> {
    let file = |name, default| match settings.text(name) {
        Some(path) => Some((around.expand(path), true)),
        None => around.in_home(default).map(|path| (path, false)),
    };
    let (certificate, is_named) = file("sslcert", ".postgresql/postgresql.crt")?;
    let (key, _) = file("sslkey", ".postgresql/postgresql.key")?;
    Some((certificate, key, is_named))
}

/// A parameter that is on or off.
pub(super) fn flag(text: &str) -> Option<bool> {
    match text {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    }
}
