//! Connecting to real servers: who is let in, which of several is taken, what a lost connection looks like.

use std::thread;
use std::time::Duration;

use common::exit::Exit;
use common::postgres::{ConnectError, Server, is_transient, may_have_committed, scratch};
use common::report::Explain as _;
use e2e::postgres::{self, cluster};
use e2e::wait_for;

pub(super) const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn connect(url: &str) -> Result<common::postgres::Client, ConnectError> {
    Server::parse(url).expect("a URL").connect(PATIENCE)
}

#[test]
fn a_password_is_exchanged_by_every_method_of_the_server() {
    let Some(mut server) = postgres::start() else { return };
    server
        .sql(
            "postgres",
            "CREATE ROLE scram LOGIN PASSWORD 'hunter2';\
             SET password_encryption = md5; CREATE ROLE md5 LOGIN PASSWORD 'hunter2'",
        )
        .unwrap();
    server
        .admit(
            "local all fleet trust\nhost all scram all scram-sha-256\nhost all md5 all md5\n\
             host all plain all password\nhost all fleet all reject\n",
        )
        .unwrap();
    server.sql("postgres", "CREATE ROLE plain LOGIN PASSWORD 'hunter2'").unwrap();
    server.restart().unwrap();
    let url = |user: &str, password: &str| {
        format!("postgres://{user}{password}@127.0.0.1:{}/postgres?passfile=/none", server.port())
    };
    for user in ["scram", "md5", "plain"] {
        let mut client = connect(&url(user, ":hunter2")).unwrap();
        let row = client.query_typed("SELECT current_user::text", &[]).unwrap().remove(0);
        assert_eq!(row.get::<_, String>(0), user);
        let refused = connect(&url(user, ":wrong")).unwrap_err();
        assert_eq!(refused.exit(), Exit::Failed, "{refused}");
        assert!(refused.to_string().contains("password authentication failed"), "{refused}");
        let refused = connect(&url(user, "")).unwrap_err();
        assert!(refused.to_string().contains("asks for a password"), "{refused}");
    }
    let refused = connect(&url("fleet", "")).unwrap_err();
    assert!(refused.to_string().contains("pg_hba.conf"), "{refused}");
    assert_eq!(refused.exit(), Exit::Failed);
    let refused = connect(&format!("postgres://scram:hunter2@127.0.0.1:{}/none", server.port()));
    assert!(refused.unwrap_err().to_string().ends_with("database \"none\" does not exist"));
    let socket = format!(
        "postgres://fleet@/postgres?host={}&port={}",
        server.folder().display(),
        server.port()
    );
    connect(&socket).unwrap();
}

#[test]
fn the_primary_is_found_behind_a_standby_and_after_a_promotion() {
    let Some(mut primary) = postgres::start() else { return };
    let mut standby = primary.standby().unwrap();
    standby.resume().unwrap();
    let both = |query: &str| {
        format!(
            "postgres://fleet@127.0.0.1:{},127.0.0.1:{}/postgres{query}",
            standby.port(),
            primary.port()
        )
    };
    let port = |url: &str| {
        let rows = connect(url).unwrap().query_typed("SELECT inet_server_port()", &[]).unwrap();
        u16::try_from(rows[0].get::<_, i32>(0)).unwrap()
    };
    assert_eq!(port(&both("")), primary.port());
    assert_eq!(port(&both("?target_session_attrs=standby")), standby.port());
    assert_eq!(port(&both("?target_session_attrs=any")), standby.port());
    let alone = connect(&standby.url("postgres")).unwrap_err();
    assert_eq!((alone.exit(), alone.code()), (Exit::Again, "unreachable"), "{alone}");

    let url = both("");
    primary.stop();
    let none = connect(&url).unwrap_err();
    assert_eq!(none.exit(), Exit::Again, "{none}");
    assert!(none.to_string().contains("it is read-only; 127.0.0.1:"), "{none}");
    standby.promote().unwrap();
    assert_eq!(port(&url), standby.port());
}

#[test]
fn a_write_that_meets_a_standby_or_a_stopping_server_can_be_tried_again() {
    let Some(mut server) = postgres::start() else { return };
    let mut client = connect(&server.url("postgres")).unwrap();
    client
        .batch_execute("CREATE TABLE t (n INTEGER); SET default_transaction_read_only = on")
        .unwrap();
    let error = client.batch_execute("INSERT INTO t VALUES (1)").unwrap_err();
    assert!(is_transient(&error) && !may_have_committed(&error), "{error:?}");

    let mut other = connect(&server.url("postgres")).unwrap();
    let sleeper = thread::spawn(move || {
        let error = other.batch_execute("SELECT pg_sleep(60)").unwrap_err();
        (is_transient(&error), may_have_committed(&error), other.is_closed())
    });
    wait_for("the sleeper", || {
        let found = server.sql(
            "postgres",
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'",
        );
        (found.ok()? == "1").then_some(())
    });
    server
        .sql(
            "postgres",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()",
        )
        .unwrap();
    assert_eq!(sleeper.join().unwrap(), (true, true, true));

    let error = client.batch_execute("SELECT 1").unwrap_err();
    assert!(is_transient(&error), "{error:?}");
    server.stop();
    let refused = connect(&server.url("postgres")).unwrap_err();
    assert_eq!(refused.exit(), Exit::Again, "{refused}");
}

#[test]
fn a_frozen_server_is_given_up() {
    let Some(server) = postgres::start() else { return };
    let mut client = connect(&server.url("postgres")).unwrap();
    client.wait_up_to(Duration::from_millis(300));
    // A statement waits for a lock that nobody gives back, as behind a server that has stopped.
    let mut holder = connect(&server.url("postgres")).unwrap();
    holder.batch_execute("BEGIN; SELECT pg_advisory_xact_lock(1)").unwrap();
    let error = client.batch_execute("SELECT pg_advisory_xact_lock(1)").unwrap_err();
    assert!(is_transient(&error) && client.has_timed_out(), "{error:?}");
}

#[test]
fn a_full_server_is_tried_again_later_and_not_taken_for_a_wrong_password() {
    let Some(programs) = postgres::programs() else { return };
    let mut server = cluster::Cluster::make(&programs, &std::env::temp_dir()).unwrap();
    server.set("max_connections", "6");
    server.resume().unwrap();
    let held: Vec<_> =
        std::iter::repeat_with(|| connect(&server.url("postgres"))).take(8).collect();
    let refused =
        held.into_iter().find_map(Result::err).expect("a server of six connections is full");
    assert_eq!(refused.exit(), Exit::Again, "{refused}");
    assert!(refused.to_string().contains("too many clients"), "{refused}");
}

#[test]
fn scratch_databases_are_made_by_many_at_once() {
    let Some(server) = postgres::start() else { return };
    let url = server.url("postgres");
    let makers: Vec<_> = (0..8)
        .map(|_| {
            let url = url.clone();
            thread::spawn(move || {
                let scratch = scratch::Scratch::on(&url);
                scratch.connect().batch_execute("CREATE TABLE t (n INTEGER)").unwrap();
            })
        })
        .collect();
    for maker in makers {
        maker.join().unwrap();
    }
    let left =
        server.sql("postgres", "SELECT count(*) FROM pg_database WHERE datname LIKE 'scratch%'");
    assert_eq!(left.unwrap(), "0");
}
