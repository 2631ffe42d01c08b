//! The places where a server may answer, and the name by which people see it.

use std::net::IpAddr;
use std::path::PathBuf;

use super::password::Password;
use super::settings::Settings;
use super::surroundings::Surroundings;
use super::url::encode;
use super::wrong::ServerError;

/// The port of PostgreSQL.
const PORT: u16 = 5432;

/// One place where a server may answer.
#[derive(Debug, Clone)]
pub(super) struct Host {
    pub(super) place: Place,
    pub(super) port: u16,
    /// What is sent when the server asks.
    pub(super) password: Option<Password>,
}

/// How a host is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// By a name or an address that is looked up, and which a certificate has to carry.
    Name(String),
    /// At an address, without looking up the name.
    Address {
        /// What a certificate has to carry, if a name was given.
        name: Option<String>,
        /// Where it is.
        address: IpAddr,
    },
    /// By a socket in this folder.
    Socket(PathBuf),
}

impl Host {
    /// As it stands in a label or an error.
    pub(super) fn shown(&self) -> String {
        format!("{}:{}", self.name_in_label(), self.port)
    }

    fn name_in_label(&self) -> String {
        match &self.place {
            Place::Name(name) | Place::Address { name: Some(name), .. } => bracketed(name),
            Place::Address { name: None, address } => bracketed(&address.to_string()),
            Place::Socket(folder) => encode(&folder.to_string_lossy(), ""),
        }
    }

    /// The name by which a password file knows it.
    pub(super) fn name_in_passfile(&self, around: &Surroundings) -> String {
        match &self.place {
            Place::Name(name) | Place::Address { name: Some(name), .. } => name.clone(),
            Place::Address { name: None, address } => address.to_string(),
            Place::Socket(folder) if folder == around.socket_folder() => "localhost".to_owned(),
            Place::Socket(folder) => folder.to_string_lossy().into_owned(),
        }
    }
}

fn bracketed(name: &str) -> String {
    if name.contains(':') { format!("[{}]", encode(name, ":")) } else { encode(name, "") }
}

/// The hosts that `host`, `hostaddr` and `port` name.
pub(super) fn hosts(settings: &Settings, around: &Surroundings) -> Result<Vec<Host>, ServerError> {
    let names = list(settings.text("host"));
    let addresses = list(settings.text("hostaddr"));
    if !names.is_empty() && !addresses.is_empty() && names.len() != addresses.len() {
        return Err(ServerError::Contradiction {
            what: "host and hostaddr are lists of two lengths",
        });
    }
    let count = names.len().max(addresses.len()).max(1);
    let ports = ports(settings, count)?;
    (0..count)
        .map(|index| {
            let name = names.get(index).copied().filter(|name| !name.is_empty());
            let place = match addresses.get(index).filter(|address| !address.is_empty()) {
                Some(address) => Place::Address {
                    name: name.map(str::to_owned),
                    address: address.parse().map_err(|_| ServerError::Value {
                        name: "hostaddr",
                        expected: "an IP address for each host",
                        source_: settings
                            .get("hostaddr")
                            .map_or(super::Source::Url, |found| found.source.clone()),
                    })?,
                },
                None => match name {
                    // libpq's mark for a socket; an @ would be one of the abstract name space.
                    Some(name) if name.starts_with('/') => Place::Socket(PathBuf::from(name)),
                    Some(name) => Place::Name(name.to_owned()),
                    None => Place::Socket(around.socket_folder().to_path_buf()),
                },
            };
            Ok(Host { place, port: ports.get(index).copied().unwrap_or(PORT), password: None })
        })
        .collect()
}

fn list(text: Option<&str>) -> Vec<&str> {
    text.map(|text| text.split(',').map(str::trim).collect()).unwrap_or_default()
}

/// One port for each of `count` hosts: a list of as many, or one for all.
fn ports(settings: &Settings, count: usize) -> Result<Vec<u16>, ServerError> {
    let expected = "a number from 1 to 65535 for each host, or one for all";
    let ports = settings.read("port", expected, |text| {
        let ports: Option<Vec<u16>> = text
            .split(',')
            .map(|port| match port.trim() {
                "" => Some(PORT),
                port => port.parse().ok().filter(|port| *port > 0),
            })
            .collect();
        let mut ports = ports?;
        if ports.len() == 1 {
            ports.resize(count, ports[0]);
        }
        (ports.len() == count).then_some(ports)
    })?;
    Ok(ports.unwrap_or_default())
}
