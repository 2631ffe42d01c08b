//! Reaching a host: looking up its name, opening the socket, having the system notice when the host is gone.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::time::Duration;
use std::{io, thread};

use rustix::net::sockopt;
use tokio::net::TcpStream;

use super::host::Place;
use super::server::Keepalive;

/// One address of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// The addresses of a place, in the order in which the system gives them.
pub(super) async fn addresses(place: &Place, port: u16) -> io::Result<Vec<Address>> {
    let name = match place {
        Place::Socket(folder) => {
            return Ok(vec![Address::Unix(folder.join(format!(".s.PGSQL.{port}")))]);
        }
        Place::Address { address, .. } => {
            return Ok(vec![Address::Tcp(SocketAddr::new(*address, port))]);
        }
        Place::Name(name) => name.clone(),
    };
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(vec![Address::Tcp(SocketAddr::new(address, port))]);
    }
    // The system's resolver blocks, for half a minute when no name server answers. A thread of its own may, and
    // the caller's deadline passes meanwhile; the thread ends with the resolver or with the process.
    let (sender, receiver) = tokio::sync::oneshot::channel();
    thread::Builder::new().name("name service".to_owned()).spawn(move || {
        let found = (name.as_str(), port).to_socket_addrs().map(Iterator::collect::<Vec<_>>);
        let _ = sender.send(found);
    })?;
    let found = receiver.await.unwrap_or_else(|_| Err(io::ErrorKind::NotFound.into()))?;
    Ok(found.into_iter().map(Address::Tcp).collect())
}

/// Opens a connection to `address`.
pub(super) async fn tcp(address: SocketAddr, keepalive: Keepalive) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    watch(&stream, keepalive)?;
    Ok(stream)
}

fn watch(stream: &TcpStream, keepalive: Keepalive) -> io::Result<()> {
    if let Some(idle) = keepalive.idle {
        sockopt::set_socket_keepalive(stream, true)?;
        sockopt::set_tcp_keepidle(stream, idle)?;
        sockopt::set_tcp_keepintvl(stream, keepalive.interval)?;
        sockopt::set_tcp_keepcnt(stream, keepalive.count)?;
    }
    set_unacknowledged(stream, keepalive.unacknowledged)
}

#[cfg(target_os = "linux")]
fn set_unacknowledged(stream: &TcpStream, time: Duration) -> io::Result<()> {
    let millis = u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
    Ok(sockopt::set_tcp_user_timeout(stream, millis)?)
}

/// Other systems have no such option; there the bound on every statement has to do.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "as on Linux")]
fn set_unacknowledged(_stream: &TcpStream, _time: Duration) -> io::Result<()> {
    Ok(())
}
