//! The rules of libpq, by its own examples, and what is stricter here.

use proptest::prelude::*;

use super::*;

fn check(url: &str, expected: &[(&str, &str)]) {
    let pairs = parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(pairs, expected, "{url}");
}

#[test]
fn the_examples_of_libpqs_manual_are_read_as_libpq_reads_them() {
    check("postgresql://", &[]);
    check("postgresql://localhost", &[("host", "localhost")]);
    check("postgresql://localhost:5433", &[("host", "localhost"), ("port", "5433")]);
    check("postgresql://localhost/mydb", &[("host", "localhost"), ("dbname", "mydb")]);
    check("postgresql://user@localhost", &[("user", "user"), ("host", "localhost")]);
    check(
        "postgresql://user:secret@localhost",
        &[("user", "user"), ("password", "secret"), ("host", "localhost")],
    );
    check(
        "postgresql://other@localhost/otherdb?connect_timeout=10&application_name=myapp",
        &[
            ("user", "other"),
            ("host", "localhost"),
            ("dbname", "otherdb"),
            ("connect_timeout", "10"),
            ("application_name", "myapp"),
        ],
    );
    check(
        "postgresql://host1:123,host2:456/somedb?target_session_attrs=any&application_name=myapp",
        &[
            ("host", "host1,host2"),
            ("port", "123,456"),
            ("dbname", "somedb"),
            ("target_session_attrs", "any"),
            ("application_name", "myapp"),
        ],
    );
    check(
        "postgresql://user@localhost:5433/mydb?options=-c%20synchronous_commit%3Doff",
        &[
            ("user", "user"),
            ("host", "localhost"),
            ("port", "5433"),
            ("dbname", "mydb"),
            ("options", "-c synchronous_commit=off"),
        ],
    );
    check(
        "postgresql:///mydb?host=localhost&port=5433",
        &[("dbname", "mydb"), ("host", "localhost"), ("port", "5433")],
    );
    check(
        "postgresql://[2001:db8::1234]/database",
        &[("host", "2001:db8::1234"), ("dbname", "database")],
    );
    check(
        "postgresql:///dbname?host=/var/lib/postgresql",
        &[("dbname", "dbname"), ("host", "/var/lib/postgresql")],
    );
    check(
        "postgresql://%2Fvar%2Flib%2Fpostgresql/dbname",
        &[("host", "/var/lib/postgresql"), ("dbname", "dbname")],
    );
}

/// Cases of libpq's own regression test of URLs.
#[test]
fn the_corners_that_libpq_tests_are_the_same_here() {
    check(
        "postgresql://uri-user:secret@host:12345/db",
        &[
            ("user", "uri-user"),
            ("password", "secret"),
            ("host", "host"),
            ("port", "12345"),
            ("dbname", "db"),
        ],
    );
    check("postgresql://uri-user@host/", &[("user", "uri-user"), ("host", "host")]);
    check("postgresql://uri-user@", &[("user", "uri-user")]);
    check("postgresql://host:12345/", &[("host", "host"), ("port", "12345")]);
    check("postgresql://host?", &[("host", "host")]);
    check("postgresql://host/?", &[("host", "host")]);
    check("postgresql://host/db?", &[("host", "host"), ("dbname", "db")]);
    check("postgresql://ho%73t", &[("host", "host")]);
    check("postgresql://host?u%73er=x", &[("host", "host"), ("user", "x")]);
    check("postgresql://[::1]", &[("host", "::1")]);
    check("postgresql://[2001:db8::1]:5433", &[("host", "2001:db8::1"), ("port", "5433")]);
    check("postgres://", &[]);
    check("postgres:///", &[]);
    check("postgres:///db", &[("dbname", "db")]);
    check("postgres://uri-user@/db", &[("user", "uri-user"), ("dbname", "db")]);
    check("postgres://?host=/path/to/socket/dir", &[("host", "/path/to/socket/dir")]);
    check("postgresql://:secret@host", &[("password", "secret"), ("host", "host")]);
    check(
        "postgresql://host1,,host3:7/db",
        &[("host", "host1,,host3"), ("port", ",,7"), ("dbname", "db")],
    );
    for url in [
        "postgres://[::1",
        "postgres://[]",
        "postgres://[::1]z",
        "postgresql://host?zzz",
        "postgresql://host?value1&value2",
        "postgresql://host?key=key=value",
        "postgres://host?dbname=%XXfoo",
        "postgresql://a%00b",
        "postgresql://%zz",
        "postgresql://%1",
        "postgresql://%",
        "postgresql://%ff",
        "mysql://host",
        "Postgres://host",
    ] {
        assert!(parse(url).is_err(), "{url}");
    }
}

#[test]
fn a_piece_of_a_password_never_becomes_a_host_or_a_message() {
    for url in [
        "postgres://user:hun@ter2@host/db",
        "postgres://user:12/hunter2@host/db",
        "postgres://user:hun/ter2@host/db",
        "postgres://user:hunter2%@host/db",
        "postgres://user:hunter2%zz@host/db",
        "postgres://host/db?password=hun&ter2",
        "postgres://host/db?password=hun=ter2",
    ] {
        let error = parse(url).unwrap_err().to_string();
        assert!(!error.contains("hun") && !error.contains("ter2"), "{url}: {error}");
    }
}

#[test]
fn only_the_two_schemes_are_urls_of_this_engine() {
    assert!(is_url("postgres://h/db") && is_url("postgresql:///db"));
    for text in ["", "postgres:/h", "state.db", "/srv/postgres://x", "sqlite://x", "postgres"] {
        assert!(!is_url(text), "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(rest in ".{0,60}") {
        let _ = parse(&rest);
        let _ = parse(&format!("postgres://{rest}"));
    }

    #[test]
    fn no_text_of_the_frames_characters_makes_it_panic(rest in "[a:@/?&=%,\\[\\]0]{0,24}") {
        let _ = parse(&format!("postgres://{rest}"));
    }

    #[test]
    fn what_is_encoded_comes_back(user in "[^\\x00]{1,12}", password in "[^\\x00]{1,12}", name in "[^\\x00]{1,12}") {
        let url = format!(
            "postgres://{}:{}@host:1/{}",
            encode(&user, ""), encode(&password, ""), encode(&name, "")
        );
        check(&url, &[
            ("user", &user), ("password", &password), ("host", "host"), ("port", "1"), ("dbname", &name),
        ]);
    }
}
