//! TLS with real servers: each mode of `sslmode` against certificates that are right, wrong and home-made.

use std::path::PathBuf;

use common::exit::Exit;
use common::report::Explain as _;
use e2e::have;
use e2e::postgres::authority::{Authority, certify};
use e2e::postgres::{self, Cluster};

use super::connect::connect;

fn encrypted(
    cluster: &Cluster,
    host: &str,
    query: &str,
) -> Result<bool, common::postgres::ConnectError> {
    let url =
        format!("postgres://fleet@{host}:{}/postgres?hostaddr=127.0.0.1&{query}", cluster.port());
    let mut client = connect(&url)?;
    let rows = client
        .query_typed("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", &[])
        .expect("a row");
    Ok(rows[0].get(0))
}

/// A server whose certificate an authority of the test has issued to `db.example`, with the alternative names `others`;
/// it has it from its next start. `None`, with a word, where a program for it is missing.
fn certified(others: Option<&str>) -> Option<(Cluster, Authority, PathBuf)> {
    if !have(&["openssl"]) {
        return None;
    }
    let mut server = postgres::start()?;
    let authority = Authority::new();
    let (certificate, key) = authority.issue("db.example", others);
    certify(&mut server, &certificate, &key);
    Some((server, authority, certificate))
}

#[test]
fn each_mode_asks_of_the_certificate_what_libpq_asks() {
    let names = "DNS:db.example,DNS:*.pool.example,IP:127.0.0.1";
    let Some((mut server, ours, _)) = certified(Some(names)) else { return };
    let theirs = Authority::new();
    server.restart().unwrap();
    let (root, other) = (ours.certificate(), theirs.certificate());
    let (root, other) = (root.display(), other.display());
    for (host, query, is_encrypted) in [
        ("db.example", "sslmode=disable".to_owned(), false),
        ("db.example", "sslmode=allow".to_owned(), false),
        ("db.example", "sslmode=prefer".to_owned(), true),
        ("wrong.example", "sslmode=require".to_owned(), true),
        ("wrong.example", format!("sslmode=require&sslrootcert={root}"), true),
        ("wrong.example", format!("sslmode=verify-ca&sslrootcert={root}"), true),
        ("db.example", format!("sslmode=verify-full&sslrootcert={root}"), true),
        ("a.pool.example", format!("sslmode=verify-full&sslrootcert={root}"), true),
        ("127.0.0.1", format!("sslmode=verify-full&sslrootcert={root}"), true),
        (
            "db.example",
            format!(
                "sslmode=verify-full&sslrootcert={root}&ssl_min_protocol_version=TLSv1.3&sslsni=0"
            ),
            true,
        ),
        // An authority that does not fit: prefer goes on without TLS, as libpq does.
        ("db.example", format!("sslmode=prefer&sslrootcert={other}"), false),
    ] {
        assert_eq!(encrypted(&server, host, &query).unwrap(), is_encrypted, "{host} {query}");
    }
    for (host, query, part) in [
        ("wrong.example", format!("sslmode=verify-full&sslrootcert={root}"), "not valid for name"),
        (
            "db.example",
            format!("sslmode=verify-ca&sslrootcert={other}"),
            "TLS failed: invalid peer certificate",
        ),
        (
            "db.example",
            format!("sslmode=require&sslrootcert={other}"),
            "TLS failed: invalid peer certificate",
        ),
        ("db.example", "sslrootcert=system".to_owned(), "TLS failed: invalid peer certificate"),
        (
            "db.example",
            "sslmode=require&sslrootcert=/none".to_owned(),
            "cannot read the root certificate /none",
        ),
    ] {
        let refused = encrypted(&server, host, &query).unwrap_err();
        assert!(refused.to_string().contains(part), "{host} {query}: {refused}");
        assert_eq!(refused.exit(), Exit::Failed);
        assert!(refused.hint().is_some(), "{refused}");
    }
}

#[test]
fn a_certificate_made_by_hand_is_taken_as_libpq_takes_it() {
    // No alternative name: the common name counts.
    let Some((mut server, authority, certificate)) = certified(None) else { return };
    server.restart().unwrap();
    let full = format!("sslmode=verify-full&sslrootcert={}", authority.certificate().display());
    assert!(encrypted(&server, "db.example", &full).unwrap());
    assert!(encrypted(&server, "other.example", &full).is_err());
    // The root file is the server's own certificate.
    let own = format!("sslmode=verify-full&sslrootcert={}", certificate.display());
    assert!(encrypted(&server, "db.example", &own).unwrap());
    assert!(encrypted(&server, "other.example", &own).is_err());
}

#[test]
fn a_password_exchange_is_bound_to_its_channel() {
    let Some((mut server, ..)) = certified(None) else { return };
    server.sql("postgres", "CREATE ROLE scram LOGIN PASSWORD 'hunter2'").unwrap();
    server
        .admit("local all all trust\nhost all scram all scram-sha-256\nhost all fleet all trust\n")
        .unwrap();
    server.restart().unwrap();
    let url = |user: &str, query: &str| {
        format!("postgres://{user}:hunter2@127.0.0.1:{}/postgres?{query}", server.port())
    };
    connect(&url("scram", "sslmode=require&channel_binding=require")).unwrap();
    connect(&url("scram", "sslmode=require&channel_binding=disable")).unwrap();
    connect(&url("scram", "sslmode=disable")).unwrap();
    // Neither without TLS nor without a password is there anything to bind.
    for (user, query) in [
        ("scram", "sslmode=disable&channel_binding=require"),
        ("fleet", "sslmode=require&channel_binding=require"),
    ] {
        let refused = connect(&url(user, query)).unwrap_err();
        assert!(refused.to_string().contains("channel binding"), "{refused}");
        assert_eq!(refused.exit(), Exit::Failed);
    }
}

#[test]
fn a_client_certificate_opens_the_door() {
    let Some((mut server, authority, _)) = certified(None) else { return };
    let root = server.data().join("root.crt");
    std::fs::copy(authority.certificate(), &root).unwrap();
    server.set("ssl_ca_file", "root.crt");
    server.admit("local all all trust\nhostssl all fleet all cert\n").unwrap();
    server.restart().unwrap();
    let (mine, my_key) = authority.issue("fleet", None);
    let query = format!("sslmode=require&sslcert={}&sslkey={}", mine.display(), my_key.display());
    assert!(encrypted(&server, "db.example", &query).unwrap());
    let refused = encrypted(&server, "db.example", "sslmode=require").unwrap_err();
    assert_eq!(refused.exit(), Exit::Failed, "{refused}");
    std::fs::set_permissions(&my_key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let refused = encrypted(&server, "db.example", &query).unwrap_err();
    assert!(refused.to_string().contains("others may read it"), "{refused}");
}
