//! Finding the host of a server that answers and has the right role, within a bounded time.
//!
//! Hosts are tried in their order. One that cannot be reached, that is starting or full, or that serves as a
//! standby gives way to the next; one that was reached and does not know us ends the search, as in libpq.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::runtime;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_postgres::config::{ChannelBinding, SslMode, SslNegotiation};
use tokio_postgres::tls::{NoTls, TlsConnect};
use tokio_postgres::{Client as Protocol, Config, Error};

use super::client::Client;
use super::host::{Host, Place};
use super::refuse::{Attempt, ConnectError, Reason};
use super::security::{Binding, Mode};
use super::server::{Role, Server};
use super::socket::{self, Address};
use super::tls::{self, Connector};

/// A connection that was accepted, and what the server said of itself.
pub(super) struct Open {
    pub(super) client: Protocol,
    pub(super) driver: JoinHandle<()>,
    is_standby: Option<bool>,
    is_read_only: Option<bool>,
}

impl Server {
    /// Connects, and gives up after `within` as a whole, however many hosts there are and whatever they do.
    pub fn connect(&self, within: Duration) -> Result<Client, ConnectError> {
        let refused = |attempts| ConnectError {
            label: self.label().to_owned(),
            attempts,
            loose_passfile: self.loose_passfile.clone(),
        };
        let ourselves = |error| {
            let host = self.hosts.first().map(Host::shown).unwrap_or_default();
            refused(vec![Attempt { host, reason: Reason::Io(error) }])
        };
        let runtime = runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(ourselves)?;
        let until = Instant::now() + within.min(Duration::from_secs(86_400));
        let open = runtime.block_on(self.search(until)).map_err(refused)?;
        Ok(Client::new(runtime, open))
    }

    async fn search(&self, until: Instant) -> Result<Open, Vec<Attempt>> {
        let roles: &[Role] = match self.role {
            Role::PreferStandby => &[Role::Standby, Role::Any],
            ref role => std::slice::from_ref(role),
        };
        let hosts = self.in_order();
        let mut attempts = Vec::new();
        for role in roles {
            attempts.clear();
            for (index, host) in hosts.iter().enumerate() {
                let reason = match self.try_host(host, *role, until, hosts.len() - index).await {
                    Ok(open) => return Ok(open),
                    Err(reason) => reason,
                };
                let ends = !reason.lets_others_try();
                attempts.push(Attempt { host: host.shown(), reason });
                if ends {
                    return Err(attempts);
                }
            }
        }
        Err(attempts)
    }

    fn in_order(&self) -> Vec<&Host> {
        let mut hosts: Vec<_> = self.hosts.iter().collect();
        if self.shuffles {
            // The random half of an id is random enough to spread load.
            for last in (1..hosts.len()).rev() {
                let random = uuid::Uuid::now_v7().as_u128() % (last as u128 + 1);
                hosts.swap(last, usize::try_from(random).unwrap_or(last));
            }
        }
        hosts
    }

    /// Tries each address of a host. A host that does not answer leaves the others their part of the time.
    async fn try_host(
        &self,
        host: &Host,
        role: Role,
        until: Instant,
        hosts_left: usize,
    ) -> Result<Open, Reason> {
        let began = Instant::now();
        // A name service that is away takes no more than this host's part, either.
        let part = until.saturating_duration_since(began)
            / u32::try_from(hosts_left.max(1)).unwrap_or(u32::MAX);
        let lookup = timeout(part, socket::addresses(&host.place, host.port)).await;
        let addresses = match lookup {
            Ok(addresses) => addresses.map_err(Reason::Name)?,
            Err(_) => return Err(Reason::Timeout(began.elapsed())),
        };
        let mut reason = Reason::Name(io::ErrorKind::NotFound.into());
        for (index, address) in addresses.iter().enumerate() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(if index == 0 { Reason::NoTime } else { reason });
            }
            let others = hosts_left - 1 + addresses.len() - index;
            let share = left / u32::try_from(others.max(1)).unwrap_or(u32::MAX);
            let share = self.connect_timeout.map_or(share, |timeout| timeout.min(left));
            reason = match timeout(share, self.try_address(host, address, role)).await {
                Ok(Ok(open)) => return Ok(open),
                Ok(Err(reason)) => reason,
                Err(_) => Reason::Timeout(share),
            };
            if !reason.lets_others_try() {
                break;
            }
        }
        Err(reason)
    }

    /// Tries one address, with TLS and without as the mode says.
    async fn try_address(
        &self,
        host: &Host,
        address: &Address,
        role: Role,
    ) -> Result<Open, Reason> {
        let open = match address {
            Address::Unix(path) => {
                let stream = UnixStream::connect(path).await.map_err(Reason::Io)?;
                let config = self.config(host, SslMode::Disable);
                start(&config, stream, NoTls).await.map_err(|error| self.reason(&error))
            }
            Address::Tcp(_) => match self.security.mode {
                Mode::Disable => self.plain(host, address).await,
                Mode::Allow => match self.plain(host, address).await {
                    Err(reason) if reason.depends_on_tls() => {
                        self.encrypted(host, address, SslMode::Require).await.0
                    }
                    other => other,
                },
                Mode::Prefer => match self.encrypted(host, address, SslMode::Prefer).await {
                    // The refusal of the better connection is the one worth telling.
                    (Err(reason), true) if reason.depends_on_tls() => {
                        self.plain(host, address).await.map_err(|_| reason)
                    }
                    (other, _) => other,
                },
                Mode::Require | Mode::VerifyCa | Mode::VerifyFull => {
                    self.encrypted(host, address, SslMode::Require).await.0
                }
            },
        }?;
        has_role(&open, role).await?;
        Ok(open)
    }

    async fn plain(&self, host: &Host, address: &Address) -> Result<Open, Reason> {
        let stream = self.tcp(address).await?;
        let config = self.config(host, SslMode::Disable);
        start(&config, stream, NoTls).await.map_err(|error| self.reason(&error))
    }

    /// Also tells whether TLS was begun.
    async fn encrypted(
        &self,
        host: &Host,
        address: &Address,
        mode: SslMode,
    ) -> (Result<Open, Reason>, bool) {
        let began = Arc::new(AtomicBool::new(false));
        let open = async {
            let config = tls::configure(&self.security)?;
            let name = self.server_name(host, address)?;
            let stream = self.tcp(address).await?;
            let connector = connector(config, name, &began);
            let config = self.config(host, mode);
            start(&config, stream, connector).await.map_err(|error| self.reason(&error))
        };
        let open = open.await;
        (open, began.load(Ordering::Relaxed))
    }

    async fn tcp(&self, address: &Address) -> Result<tokio::net::TcpStream, Reason> {
        match address {
            Address::Tcp(address) => {
                socket::tcp(*address, self.keepalive).await.map_err(Reason::Io)
            }
            Address::Unix(_) => Err(Reason::Io(io::ErrorKind::Unsupported.into())),
        }
    }

    /// The name that the certificate has to carry.
    fn server_name(&self, host: &Host, address: &Address) -> Result<ServerName<'static>, Reason> {
        let name = match &host.place {
            Place::Name(name) | Place::Address { name: Some(name), .. } => {
                ServerName::try_from(name.clone()).ok()
            }
            Place::Address { name: None, .. } | Place::Socket(_) => None,
        };
        let by_address = match address {
            Address::Tcp(address) => Some(ServerName::from(address.ip())),
            Address::Unix(_) => None,
        };
        // Without a check of the name any will do.
        let by_address = by_address.filter(|_| self.security.mode != Mode::VerifyFull);
        name.or(by_address).ok_or_else(|| Reason::Tls {
            what: "sslmode=verify-full needs a host name that a certificate can carry".to_owned(),
            roots: self.security.roots.clone(),
        })
    }

    fn config(&self, host: &Host, mode: SslMode) -> Config {
        let mut config = Config::new();
        config.user(&self.user).dbname(&self.database).ssl_mode(mode);
        config.channel_binding(match self.security.binding {
            Binding::Disable => ChannelBinding::Disable,
            Binding::Prefer => ChannelBinding::Prefer,
            Binding::Require => ChannelBinding::Require,
        });
        if self.security.is_direct {
            config.ssl_negotiation(SslNegotiation::Direct);
        }
        if let Some(password) = &host.password {
            config.password(password.reveal());
        }
        if let Some(name) = &self.application_name {
            config.application_name(name);
        }
        if let Some(options) = &self.options {
            config.options(options);
        }
        config
    }

    fn reason(&self, error: &Error) -> Reason {
        Reason::of(error, &self.security.roots)
    }
}

fn connector(
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    began: &Arc<AtomicBool>,
) -> Connector {
    Connector { config: config.into(), name, began: Arc::clone(began) }
}

/// Speaks the beginning of the protocol, and hands the connection to the runtime.
async fn start<S, T>(config: &Config, stream: S, tls: T) -> Result<Open, Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: TlsConnect<S>,
    T::Stream: Send + 'static,
{
    let (client, connection) = config.connect_raw(stream, tls).await?;
    let said = |name| connection.parameter(name).map(|value| value == "on");
    let (is_standby, is_read_only) =
        (said("in_hot_standby"), said("default_transaction_read_only"));
    // Why a connection ended is told to the statement that waits, or to the next.
    let driver = tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(Open { client, driver, is_standby, is_read_only })
}

/// Whether the server has `role` now. It says so itself since version 14; a pooler in between may not.
async fn has_role(open: &Open, role: Role) -> Result<(), Reason> {
    let is_standby = async || match open.is_standby {
        Some(is_standby) => Ok(is_standby),
        None => ask(open, "SELECT pg_catalog.pg_is_in_recovery()").await,
    };
    let refusal = match role {
        Role::Any | Role::PreferStandby => None,
        Role::Primary => is_standby().await?.then_some("is a standby"),
        Role::Standby => (!is_standby().await?).then_some("is not a standby"),
        Role::ReadWrite | Role::ReadOnly => {
            let is_read_only = match (open.is_standby, open.is_read_only) {
                (Some(is_standby), Some(is_read_only)) => is_standby || is_read_only,
                _ => {
                    ask(open, "SELECT pg_catalog.current_setting('transaction_read_only')::boolean")
                        .await?
                }
            };
            match (role, is_read_only) {
                (Role::ReadWrite, true) => Some("is read-only"),
                (Role::ReadOnly, false) => Some("is not read-only"),
                _ => None,
            }
        }
    };
    refusal.map_or(Ok(()), |refusal| Err(Reason::Role(refusal)))
}

async fn ask(open: &Open, question: &str) -> Result<bool, Reason> {
    let row = open.client.query_typed_one(question, &[]).await;
    row.and_then(|row| row.try_get(0))
        .map_err(|error| Reason::of(&error, &super::security::Roots::None))
}

#[cfg(test)]
mod tests;
