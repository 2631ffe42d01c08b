//! Which parameter comes from where, what is shown of a server, what is refused.

#![expect(clippy::disallowed_methods, reason = "what a person would have written")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use proptest::prelude::*;

use super::super::host::Place;
use super::super::security::{Binding, Mode, Roots};
use super::*;

fn server(url: &str, variables: &[(&str, &str)]) -> Result<Server, ServerError> {
    Server::complete(url, &Surroundings::for_test(Path::new("/home/me"), variables))
}

fn label(url: &str, variables: &[(&str, &str)]) -> String {
    server(url, variables).unwrap().label().to_owned()
}

fn password(server: &Server) -> Option<&str> {
    server.hosts[0].password.as_ref().map(Password::reveal)
}

#[test]
fn the_label_says_who_and_where_and_no_more() {
    for (url, expected) in [
        ("postgres://u:hunter2@h/db?sslmode=require", "postgres://u@h:5432/db"),
        // The third host is empty: the socket of this machine.
        ("postgresql://h:1,[::1]:2,/x", "postgres://me@h:1,[::1]:2,%2Fhome%2Fme%2Frun:5432/x"),
        ("postgres://u@h1,h2:7/db", "postgres://u@h1:5432,h2:7/db"),
        ("postgres://a%40b@h/d%0Ab", "postgres://a%40b@h:5432/d%0Ab"),
        ("postgres://%2Frun%2Fpostgresql/db", "postgres://me@%2Frun%2Fpostgresql:5432/db"),
        ("postgres:///?host=h&user=u&dbname=d&password=hunter2", "postgres://u@h:5432/d"),
    ] {
        assert_eq!(label(url, &[]), expected, "{url}");
    }
}

#[test]
fn nothing_that_is_shown_has_the_password() {
    let server = server("postgres://u:hunter2@h/db", &[]).unwrap();
    assert!(server.has_password_in_url());
    assert_eq!(password(&server), Some("hunter2"));
    for shown in [format!("{server:?}"), server.to_string(), format!("{:?}", server.hosts)] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn the_url_comes_before_the_service_before_the_environment_before_the_password_file() {
    let home = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = home.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    };
    write(
        ".pg_service.conf",
        "[prod]\nhost=service\nport=7\nuser=su\npassword=sp\n[bare]\nhost=bare\n",
    );
    write(".pgpass", "env:5432:*:*:filed\nbare:5432:*:*:bared\n");
    let complete = |url: &str, variables: &[(&str, &str)]| {
        Server::complete(url, &Surroundings::for_test(home.path(), variables)).unwrap()
    };
    let found = complete(
        "postgres://u:p@url/db?service=prod",
        &[("PGHOST", "env"), ("PGPORT", "9"), ("PGPASSWORD", "ep")],
    );
    assert_eq!((found.label(), password(&found)), ("postgres://u@url:7/db", Some("p")));
    let found = complete("postgres:///db?service=prod", &[("PGHOST", "env"), ("PGPASSWORD", "ep")]);
    assert_eq!((found.label(), password(&found)), ("postgres://su@service:7/db", Some("sp")));
    assert!(!found.has_password_in_url());
    let found = complete("postgres:///db", &[("PGSERVICE", "bare"), ("PGHOST", "env")]);
    assert_eq!((found.label(), password(&found)), ("postgres://me@bare:5432/db", Some("bared")));
    let found = complete("postgres:///db", &[("PGHOST", "env"), ("PGPASSWORD", "ep")]);
    assert_eq!(password(&found), Some("ep"));
    let found =
        complete("postgres:///db", &[("PGHOST", "env"), ("PGUSER", "eu"), ("PGDATABASE", "ed")]);
    assert_eq!((found.label(), password(&found)), ("postgres://eu@env:5432/db", Some("filed")));
}

#[test]
fn each_host_has_the_password_of_its_own_line_and_a_loose_file_is_remembered() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("pass");
    fs::write(&path, "a:1:db:me:one\nb:2:db:me:two\nlocalhost:3:db:me:three\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let around = Surroundings::for_test(home.path(), &[]);
    let url = format!("postgres://a:1,b:2,:3/db?passfile={}", path.display());
    let found = Server::complete(&url, &around).unwrap();
    let passwords: Vec<_> =
        found.hosts.iter().map(|host| host.password.as_ref().map(Password::reveal)).collect();
    assert_eq!(passwords, [Some("one"), Some("two"), Some("three")]);
    assert_eq!(found.loose_passfile, None);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let found = Server::complete(&url, &around).unwrap();
    assert_eq!((password(&found), found.loose_passfile.as_ref()), (None, Some(&path)));
}

#[test]
fn an_unknown_parameter_is_named_with_the_place_where_it_stands() {
    let error =
        |url: &str, variables: &[(&str, &str)]| server(url, variables).unwrap_err().to_string();
    assert_eq!(
        error("postgres://h/db?sslmod=require", &[]),
        "the URL of the database has an unknown parameter sslmod"
    );
    assert_eq!(
        error("postgres://h/db?Host=x", &[]),
        "the URL of the database has an unknown parameter Host"
    );
    assert_eq!(
        error("postgres://h/db?sslcrl=x", &[]),
        "the URL of the database sets sslcrl, which this program does not support"
    );
    assert_eq!(
        error("postgres://h", &[("PGREQUIREPEER", "root")]),
        "the variable PGREQUIREPEER sets requirepeer, which this program does not support"
    );
    assert_eq!(
        error("postgres://h", &[("PGSSLMODE", "verify")]),
        "the variable PGSSLMODE has a wrong sslmode: it is disable, allow, prefer, require, verify-ca or verify-full"
    );
    // What follows a password with a bare & may be its other half.
    let shown = error("postgres://h/db?password=hun&ter2=x", &[]);
    assert!(!shown.contains("ter2"), "{shown}");
    assert!(error("postgres://h?options=%00", &[]).contains("%00"));
}

#[test]
fn wrong_values_are_refused() {
    for url in [
        "postgres://h:0/db",
        "postgres://h:65536/db",
        "postgres://h:x/db",
        "postgres://h:1,h:2/db?port=1,2,3",
        "postgres://h/db?connect_timeout=soon",
        "postgres://h/db?target_session_attrs=writer",
        "postgres://h/db?hostaddr=h",
        "postgres://a,b/db?hostaddr=127.0.0.1",
        "postgres://h/db?sslmode=require&sslrootcert=system",
        "postgres://h/db?sslnegotiation=direct",
        "postgres://h/db?keepalives=yes",
        "postgres://h/db?gssencmode=require",
        "postgres://h/db?replication=true",
        "postgres://h/db?service=none",
    ] {
        assert!(server(url, &[]).is_err(), "{url}");
    }
}

#[test]
fn defaults_are_those_of_libpq_but_for_the_role() {
    let found = server("postgres://h", &[]).unwrap();
    assert_eq!(found.database, "me");
    assert_eq!(found.role, Role::ReadWrite);
    assert_eq!(found.security.mode, Mode::Prefer);
    assert_eq!(found.security.binding, Binding::Prefer);
    assert_eq!(
        found.security.roots,
        Roots::File { path: "/home/me/.postgresql/root.crt".into(), is_named: false }
    );
    assert_eq!(found.application_name.as_deref(), Some("test"));
    assert_eq!(found.connect_timeout, None);
    let found = server("postgres:///db", &[]).unwrap();
    assert_eq!(found.hosts[0].place, Place::Socket("/home/me/run".into()));
    let found = server("postgres://h?sslrootcert=system", &[]).unwrap();
    assert_eq!((found.security.mode, found.security.roots), (Mode::VerifyFull, Roots::System));
    let found = server("postgres://h?ssl=true&sslrootcert=~/ca.pem", &[]).unwrap();
    assert_eq!(found.security.mode, Mode::Require);
    assert_eq!(
        found.security.roots,
        Roots::File { path: "/home/me/ca.pem".into(), is_named: true }
    );
}

#[test]
fn an_address_is_used_without_looking_up_its_name() {
    let found = server("postgres://db.example/x?hostaddr=192.0.2.7", &[]).unwrap();
    assert_eq!(
        found.hosts[0].place,
        Place::Address {
            name: Some("db.example".to_owned()),
            address: "192.0.2.7".parse().unwrap()
        }
    );
    assert_eq!(found.label(), "postgres://me@db.example:5432/x");
}

proptest! {
    #[test]
    fn no_url_makes_it_panic(rest in "[a-z:@/?&=%,\\[\\]0-9]{0,40}") {
        let _ = server(&format!("postgres://{rest}"), &[]);
    }

    #[test]
    fn a_label_is_a_url_of_the_same_server(user in "[^\\x00]{1,8}", host in "[^\\x00,@/]{1,8}", name in "[^\\x00]{1,8}") {
        prop_assume!(host.trim() == host);
        let url = format!(
            "postgres://{}:hunter2@{}:7/{}",
            url::encode(&user, ""), url::encode(&host, ""), url::encode(&name, "")
        );
        let first = label(&url, &[]);
        prop_assert_eq!(label(&first, &[]), first.clone());
        prop_assert!(first.is_ascii() && !first.contains("hunter2"));
    }
}
