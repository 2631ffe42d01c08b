//! Servers that refuse, lie or say nothing, played by a listener on loopback.

#![expect(clippy::disallowed_methods, reason = "what a person would have written")]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::thread;

use super::super::surroundings::Surroundings;
use super::*;
use crate::exit::Exit;
use crate::report::Explain as _;

const PATIENCE: Duration = Duration::from_secs(20);

fn server(url: &str) -> Server {
    Server::complete(url, &Surroundings::for_test(Path::new("/nowhere"), &[])).unwrap()
}

fn refusal(url: &str, within: Duration) -> ConnectError {
    server(url).connect(within).expect_err("nobody is there who would accept")
}

/// Listens, and has `talk` talk to whoever comes; also counts them.
fn play(talk: impl Fn(TcpStream) + Send + 'static) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let visits = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&visits);
    thread::spawn(move || {
        for stream in listener.incoming() {
            counted.fetch_add(1, Ordering::SeqCst);
            talk(stream.unwrap());
        }
    });
    (port, visits)
}

/// Reads one message that has no type, as those are with which a connection begins.
fn read_untyped(stream: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap_or_default();
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap();
    let mut body = vec![0; length.saturating_sub(4)];
    stream.read_exact(&mut body).unwrap_or_default();
    body
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[kind], &length.to_be_bytes()[..], body].concat()
}

fn error(state: &str, text: &str) -> Vec<u8> {
    message(b'E', format!("SFATAL\0VFATAL\0C{state}\0M{text}\0\0").as_bytes())
}

/// A server that answers the first words with `answer`.
fn answering(answer: Vec<u8>) -> (u16, Arc<AtomicUsize>) {
    play(move |mut stream| {
        read_untyped(&mut stream);
        let _ = stream.write_all(&answer);
    })
}

/// A server that lets everybody in and reports these parameters, then says nothing more.
fn welcoming(parameters: &[(&str, &str)]) -> u16 {
    let mut answer = message(b'R', &0_u32.to_be_bytes());
    for (name, value) in parameters {
        answer.extend(message(b'S', format!("{name}\0{value}\0").as_bytes()));
    }
    answer.extend(message(b'K', &[0; 8]));
    answer.extend(message(b'Z', b"I"));
    let kept = std::sync::Mutex::new(Vec::new());
    let (port, _) = play(move |mut stream| {
        read_untyped(&mut stream);
        let _ = stream.write_all(&answer);
        kept.lock().unwrap().push(stream);
    });
    port
}

const PRIMARY: &[(&str, &str)] =
    &[("in_hot_standby", "off"), ("default_transaction_read_only", "off")];
const STANDBY: &[(&str, &str)] =
    &[("in_hot_standby", "on"), ("default_transaction_read_only", "off")];

#[test]
fn a_closed_port_is_tried_again_later() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let error = refusal(&format!("postgres://u:hunter2@127.0.0.1:{port}/db"), PATIENCE);
    assert_eq!(
        error.to_string(),
        format!(
            "cannot connect to the database postgres://u@127.0.0.1:{port}/db: Connection refused"
        )
    );
    assert_eq!((error.exit(), error.code()), (Exit::Again, "unreachable"));
    assert!(error.hint().is_some());
    assert!(!format!("{error:?}").contains("hunter2"));
}

#[test]
fn a_missing_socket_is_tried_again_later() {
    let folder = tempfile::tempdir().unwrap();
    let error = refusal(&format!("postgres:///db?host={}", folder.path().display()), PATIENCE);
    assert!(error.to_string().ends_with("No such file or directory"), "{error}");
    assert_eq!(error.exit(), Exit::Again);
}

#[test]
fn a_server_that_accepts_and_says_nothing_is_given_up() {
    let held = std::sync::Mutex::new(Vec::new());
    let (port, _) = play(move |stream| held.lock().unwrap().push(stream));
    for mode in ["disable", "prefer", "require"] {
        let began = std::time::Instant::now();
        let error = refusal(
            &format!("postgres://127.0.0.1:{port}/db?sslmode={mode}"),
            Duration::from_millis(200),
        );
        assert!(error.to_string().contains("no answer in"), "{error}");
        assert_eq!(error.exit(), Exit::Again);
        assert!(began.elapsed() < PATIENCE);
    }
}

#[test]
fn a_silent_host_leaves_time_for_the_next() {
    let held = std::sync::Mutex::new(Vec::new());
    let (silent, _) = play(move |stream| held.lock().unwrap().push(stream));
    let good = welcoming(PRIMARY);
    let url = format!("postgres://127.0.0.1:{silent},127.0.0.1:{good}/db?sslmode=disable");
    server(&url).connect(Duration::from_secs(4)).unwrap();
}

#[test]
fn what_the_server_says_decides_whether_to_try_again() {
    for (state, text, exit) in [
        ("57P03", "the database system is starting up", Exit::Again),
        ("57P03", "the database system is shutting down", Exit::Again),
        ("53300", "sorry, too many clients already", Exit::Again),
        ("57P01", "terminating connection due to administrator command", Exit::Again),
        ("28P01", "password authentication failed for user \"u\"", Exit::Failed),
        ("28000", "no pg_hba.conf entry for host", Exit::Failed),
        ("3D000", "database \"db\" does not exist", Exit::Failed),
        ("42501", "permission denied for database \"db\"", Exit::Failed),
        ("53100", "could not write init file: No space left on device", Exit::Failed),
        // PgBouncer has one code for all.
        ("08P01", "query_wait_timeout", Exit::Again),
        (
            "08P01",
            "server login has been failing, try again later (server_login_retry)",
            Exit::Again,
        ),
        ("08P01", "no such database: db", Exit::Failed),
        ("08P01", "password authentication failed", Exit::Failed),
    ] {
        let (port, _) = answering(error(state, text));
        let refused =
            refusal(&format!("postgres://u@127.0.0.1:{port}/db?sslmode=disable"), PATIENCE);
        assert!(refused.to_string().ends_with(&format!("/db: {text}")), "{refused}");
        assert_eq!(refused.exit(), exit, "{text}");
        assert!(refused.hint().is_some(), "{text}");
    }
}

#[test]
fn a_host_that_knows_us_and_refuses_ends_the_search() {
    let (first, _) = answering(error("28P01", "password authentication failed for user \"me\""));
    let (second, visits) = answering(error("57P03", "the database system is starting up"));
    let hosts = format!("127.0.0.1:{first},127.0.0.1:{second}");
    let refused = refusal(&format!("postgres://{hosts}/db?sslmode=disable"), PATIENCE);
    assert_eq!((refused.exit(), visits.load(Ordering::SeqCst)), (Exit::Failed, 0));
    let hosts = format!("127.0.0.1:{second},127.0.0.1:{first}");
    let refused = refusal(&format!("postgres://{hosts}/db?sslmode=disable"), PATIENCE);
    let shown = refused.to_string();
    assert!(
        shown.contains(&format!("127.0.0.1:{second}: the database system is starting up; ")),
        "{shown}"
    );
    assert_eq!((refused.exit(), visits.load(Ordering::SeqCst)), (Exit::Failed, 1));
}

#[test]
fn the_primary_is_found_among_its_standbys() {
    let standby = welcoming(STANDBY);
    let primary = welcoming(PRIMARY);
    let read_only =
        welcoming(&[("in_hot_standby", "off"), ("default_transaction_read_only", "on")]);
    let all = format!("127.0.0.1:{standby},127.0.0.1:{read_only},127.0.0.1:{primary}");
    let connects = |hosts: &str, role: &str| {
        let url = format!("postgres://{hosts}/db?sslmode=disable&target_session_attrs={role}");
        server(&url).connect(PATIENCE).map(|_| ())
    };
    for role in ["any", "read-write", "read-only", "primary", "standby", "prefer-standby"] {
        connects(&all, role).unwrap();
    }
    let error = connects(&format!("127.0.0.1:{standby}"), "read-write").unwrap_err();
    assert!(error.to_string().ends_with("/db: it is read-only"), "{error}");
    assert_eq!(error.exit(), Exit::Again);
    let error =
        connects(&format!("127.0.0.1:{primary},127.0.0.1:{read_only}"), "standby").unwrap_err();
    assert!(error.to_string().ends_with(": it is not a standby"), "{error}");
    connects(&format!("127.0.0.1:{primary}"), "prefer-standby").unwrap();
}

#[test]
fn tls_is_asked_for_as_the_mode_says() {
    // A server without TLS: it says N, and takes what follows as the beginning of a session.
    let (port, visits) = play(move |mut stream| {
        let first = read_untyped(&mut stream);
        if first == 80_877_103_u32.to_be_bytes() {
            let _ = stream.write_all(b"N");
            read_untyped(&mut stream);
        }
        let _ = stream.write_all(&error("57P03", "the database system is starting up"));
    });
    let url = |mode: &str| format!("postgres://127.0.0.1:{port}/db?sslmode={mode}");
    for mode in ["disable", "allow", "prefer"] {
        let error = refusal(&url(mode), PATIENCE);
        assert!(error.to_string().contains("starting up"), "{mode}: {error}");
    }
    assert_eq!(visits.load(Ordering::SeqCst), 3, "each mode needs one connection");
    let error = refusal(&url("require"), PATIENCE);
    assert!(error.to_string().ends_with("it does not offer TLS"), "{error}");
    assert_eq!(error.exit(), Exit::Failed);
}

#[test]
fn a_password_that_is_asked_for_and_unknown_has_its_own_hint() {
    let (port, _) = answering(message(b'R', &3_u32.to_be_bytes()));
    let error = refusal(&format!("postgres://127.0.0.1:{port}/db?sslmode=disable"), PATIENCE);
    assert!(error.to_string().ends_with("it asks for a password, and none is known"), "{error}");
    assert_eq!(error.exit(), Exit::Failed);
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join(".pgpass"), "*:*:*:*:hunter2").unwrap();
    let around = Surroundings::for_test(home.path(), &[]);
    let url = format!("postgres://127.0.0.1:{port}/db?sslmode=disable");
    let error = Server::complete(&url, &around).unwrap().connect(PATIENCE).unwrap_err();
    assert!(error.hint().unwrap().contains(".pgpass is not used"), "{:?}", error.hint());
}

#[test]
fn what_is_no_server_of_this_kind_is_said_to_be_none() {
    for answer in
        [&b"SSH-2.0-OpenSSH_9.2\r\n"[..], b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"\0\0\0\0\0\0"]
    {
        let (port, _) = answering(answer.to_vec());
        for mode in ["disable", "prefer"] {
            let url = format!("postgres://u:hunter2@127.0.0.1:{port}/db?sslmode={mode}");
            let error = refusal(&url, Duration::from_secs(2));
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}

#[test]
fn an_unknown_name_and_a_missing_root_certificate_are_for_somebody_to_fix() {
    let error = refusal("postgres://no-such-host.invalid/db", PATIENCE);
    assert!(error.to_string().contains("its name cannot be looked up: "), "{error}");
    let error = refusal("postgres://127.0.0.1:1/db?sslmode=verify-full", PATIENCE);
    assert_eq!(error.exit(), Exit::Failed);
    assert!(
        error.to_string().ends_with(
            "cannot read the root certificate /nowhere/.postgresql/root.crt: No such file or directory (os error 2)"
        ),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("sslrootcert=system"));
}

#[test]
fn a_statement_that_is_never_answered_is_given_up() {
    let port = welcoming(PRIMARY);
    let url = format!("postgres://127.0.0.1:{port}/db?sslmode=disable");
    let mut client = server(&url).connect(PATIENCE).unwrap();
    assert!(!client.is_closed());
    client.wait_up_to(Duration::from_millis(50));
    let error = client.batch_execute("SELECT 1").unwrap_err();
    assert!(error.is_closed() && client.has_timed_out());
    assert!(super::super::is_transient(&error) && super::super::may_have_committed(&error));
    assert!(client.batch_execute("SELECT 1").is_err());
    assert!(client.is_closed());
}

#[test]
fn a_server_that_ends_the_session_is_believed_before_it_hangs_up() {
    let kept = std::sync::Mutex::new(Vec::new());
    let (port, _) = play(move |mut stream| {
        read_untyped(&mut stream);
        let mut welcome = message(b'R', &0_u32.to_be_bytes());
        for (name, value) in PRIMARY {
            welcome.extend(message(b'S', format!("{name}\0{value}\0").as_bytes()));
        }
        welcome.extend(message(b'Z', b"I"));
        let _ = stream.write_all(&welcome);
        let _ = stream.read(&mut [0; 1]);
        let _ = stream
            .write_all(&error("57P01", "terminating connection due to administrator command"));
        // The connection stays open for now, as it does while the server writes its last words to the log.
        kept.lock().unwrap().push(stream);
    });
    let url = format!("postgres://127.0.0.1:{port}/db?sslmode=disable");
    let mut client = server(&url).connect(PATIENCE).unwrap();
    client.wait_up_to(PATIENCE);
    let error = client.batch_execute("COMMIT").unwrap_err();
    assert!(super::super::is_transient(&error) && super::super::may_have_committed(&error));
    assert!(client.is_closed() && !client.has_timed_out());
}
