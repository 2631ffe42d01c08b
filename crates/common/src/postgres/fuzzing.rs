//! What the fuzz targets call: one function a target, which panics where a promise is broken.
//!
//! Compiled by cargo-fuzz only, and never part of a tool.

use std::path::Path;

use zeroize::Zeroizing;

use super::passfile::{Passfile, Wanted};
use super::server::Server;
use super::surroundings::Surroundings;
use super::{service, tls};

/// The rest of a URL: it is read or refused, and the label of what is read is a URL of the same server.
pub fn url(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    let around = Surroundings::for_test(Path::new("/nowhere"), &[]);
    let server = match Server::complete(&format!("postgres://{text}"), &around) {
        Ok(server) => server,
        Err(error) => {
            let _ = error.to_string();
            return;
        }
    };
    let label = server.label().to_owned();
    assert!(label.is_ascii() && !label.contains(char::is_control), "{label:?} is safe to show");
    match Server::complete(&label, &around) {
        Ok(again) => assert_eq!(again.label(), label),
        // A host that holds a comma is two hosts when it comes back; nothing else may fail.
        Err(error) => assert!(label.contains("%2C") || label.contains(','), "{label}: {error}"),
    }
}

/// A service file, read for a service that it may define.
pub fn service(text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    if let Ok(Some(pairs)) = service::section(&text, "a", Path::new("f")) {
        for (index, (name, _)) in pairs.iter().enumerate() {
            assert!(pairs[..index].iter().all(|(other, _)| other != name), "{name} is said once");
        }
    }
}

/// A password file; a line put in front of it that fits has the password.
pub fn passfile(bytes: &[u8]) {
    let wanted = Wanted { host: "h", port: 5432, database: "db", user: "me" };
    let password = |bytes: Vec<u8>| {
        Passfile::Lines(Zeroizing::new(bytes))
            .password(wanted)
            .map(|password| password.reveal().to_owned())
    };
    let _ = password(bytes.to_vec());
    let first = [b"h:*:db:me:first\n", bytes].concat();
    assert_eq!(password(first).as_deref(), Some("first"));
}

/// A certificate in DER.
pub fn certificate(bytes: &[u8]) {
    tls::fuzz(bytes);
}
