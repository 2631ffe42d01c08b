//! Helper protocols: the real git against a server on loopback, docker's and AWS's exchanges.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;

use crate::sandbox::{BIN, Sandbox, has, seen};

/// A web server on loopback that serves a folder to those who know the password.
struct Server {
    port: u16,
    n_refused: Arc<AtomicUsize>,
}

impl Server {
    fn start(folder: PathBuf, account: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let expect = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(account));
        let n_refused = Arc::new(AtomicUsize::new(0));
        let refused = Arc::clone(&n_refused);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if !serve(stream, &folder, &expect) {
                    refused.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        Self { port, n_refused }
    }
}

/// One request; whether it was let in.
fn serve(mut stream: TcpStream, folder: &Path, expect: &str) -> bool {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let path =
        lines.next().and_then(|line| line.split(' ').nth(1).map(str::to_owned)).unwrap_or_default();
    // All of the header is read, so that closing the connection does not reset it.
    let header: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let is_allowed = header.iter().any(|line| {
        line.split_once(": ").is_some_and(|(name, value)| {
            name.eq_ignore_ascii_case("authorization") && value == expect
        })
    });
    let file = folder.join(path.split('?').next().unwrap_or_default().trim_start_matches('/'));
    let (status, body) = if !is_allowed {
        ("401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"", Vec::new())
    } else if let Ok(body) = std::fs::read(&file) {
        ("200 OK", body)
    } else {
        ("404 Not Found", Vec::new())
    };
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(&body);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let _ = stream.read(&mut [0; 16]);
    is_allowed
}

fn git(home: &Sandbox, args: &[&str]) -> crate::sandbox::Seen {
    let mut command = home.program("git", args);
    command.env("GIT_TERMINAL_PROMPT", "0").env("GIT_CONFIG_NOSYSTEM", "1");
    seen(command, "")
}

/// A bare repository that a plain web server can serve.
fn repository(home: &Sandbox) -> PathBuf {
    home.write("file.txt", "content\n");
    for args in [
        &["init", "-q", "work"][..],
        &[
            "-C",
            "work",
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@example.org",
            "commit",
            "-q",
            "--allow-empty",
            "-m",
            "first",
        ],
        &["clone", "-q", "--bare", "work", "served/repo.git"],
        &["-C", "served/repo.git", "update-server-info"],
    ] {
        git(home, args).code(0);
    }
    home.home().join("served")
}

#[test]
fn git_clones_over_http_with_a_password_from_the_vault_and_no_prompt() {
    if !has("git") {
        return;
    }
    let home = Sandbox::new();
    let server = Server::start(repository(&home), "bot:clone-secret");
    let url = format!("http://127.0.0.1:{}", server.port);
    git(&home, &["config", "--global", "credential.helper", &format!("!{BIN} git-credential")])
        .code(0);
    assert_ne!(git(&home, &["clone", "-q", &format!("{url}/repo.git"), "nothing"]).code, 0);

    // A secret of an https address is not given to a plain one.
    let secure = url.replace("http:", "https:");
    home.feed(&["add", "secure", "--username", "bot", "--url", &secure, "--stdin"], "clone-secret")
        .code(0);
    home.run(&["rename", "secure", &format!("127.0.0.1:{}", server.port)]).code(0);
    assert_ne!(git(&home, &["clone", "-q", &format!("{url}/repo.git"), "nothing"]).code, 0);
    home.run(&["delete", &format!("127.0.0.1:{}", server.port)]).code(0);

    home.feed(&["add", &url, "--username", "bot", "--stdin"], "clone-secret").code(0);
    let cloned = git(&home, &["clone", "-q", &format!("{url}/repo.git"), "cloned"]).code(0);
    assert!(!cloned.stderr.contains("clone-secret"));
    assert!(server.n_refused.load(Ordering::SeqCst) >= 3);
    git(&home, &["-C", "cloned", "log", "-1"]).code(0);
    // What worked is stored again by git, and that changes nothing.
    assert_eq!(home.run(&["list", "--json"]).code(0).json()["count"], 1);

    // The same through GIT_ASKPASS.
    git(&home, &["config", "--global", "--unset", "credential.helper"]).code(0);
    let link = home.home().join("credential-proxy-askpass");
    std::os::unix::fs::symlink(BIN, &link).unwrap();
    let mut command = home.program("git", &["clone", "-q", &format!("{url}/repo.git"), "again"]);
    command.env("GIT_ASKPASS", &link).env("GIT_CONFIG_NOSYSTEM", "1");
    seen(command, "").code(0);
}

#[test]
fn the_git_protocol_is_kept_to_the_letter() {
    let home = Sandbox::new();
    home.feed(&["add", "https://example.org:8443/x", "--username", "me", "--stdin"], "pw-8443")
        .code(0);
    let get = |text: &str| home.feed(&["git-credential", "get"], text).code(0).stdout;
    assert_eq!(get("protocol=https\nhost=example.org:8443\n\n"), "username=me\npassword=pw-8443\n");
    assert_eq!(
        get(
            "protocol=https\nhost=example.org:8443\nwwwauth[]=Basic\ncapability[]=authtype\nunknown=1\n"
        ),
        "username=me\npassword=pw-8443\n"
    );
    for text in [
        "protocol=https\nhost=example.org\n\n",
        "protocol=http\nhost=example.org:8443\n\n",
        "protocol=https\nhost=example.org:8443\nusername=you\n\n",
        "",
        "\n",
        "garbage\n",
    ] {
        assert_eq!(get(text), "", "{text:?}");
    }
    assert_eq!(home.feed(&["git-credential", "frobnicate"], "x=y\n").code(0).stdout, "");
    assert_eq!(home.feed(&["git-credential", "capability"], "").code(0).stdout, "version 0\n");

    let told = "protocol=https\nhost=new.org\nusername=u\npassword=p1-secret\npassword_expiry_utc=4102444800\n\n";
    home.feed(&["git-credential", "store"], told).code(0);
    assert_eq!(
        get("protocol=https\nhost=new.org\n\n"),
        "username=u\npassword=p1-secret\npassword_expiry_utc=4102444800\n"
    );
    home.feed(&["git-credential", "store"], &told.replace("p1-", "p2-")).code(0);
    assert!(get("protocol=https\nhost=new.org\n\n").contains("p2-secret"));
    // An erase of another password is not for the one that is kept.
    home.feed(&["git-credential", "erase"], told).code(0);
    assert!(get("protocol=https\nhost=new.org\n\n").contains("p2-secret"));
    home.feed(&["git-credential", "erase"], &told.replace("p1-", "p2-")).code(0);
    assert_eq!(get("protocol=https\nhost=new.org\n\n"), "");

    home.feed(&["add", "https://lines.org/", "--username", "me", "--stdin"], "a\nb").code(0);
    assert_eq!(get("protocol=https\nhost=lines.org\n\n"), "");
}

#[test]
fn dockers_exchanges_have_its_exact_texts_on_stdout() {
    let home = Sandbox::new();
    let link = home.home().join("docker-credential-proxy");
    std::os::unix::fs::symlink(BIN, &link).unwrap();
    let docker = |operation: &str, stdin: &str| {
        seen(home.program(link.to_str().unwrap(), &[operation]), stdin)
    };
    let server = "https://index.docker.io/v1/";
    assert_eq!(docker("get", server).code(1).stdout, "credentials not found in native keychain\n");
    assert_eq!(docker("get", "\n").code(1).stdout, "no credentials server URL\n");
    assert_eq!(
        docker("store", "{\"Username\":\"u\",\"Secret\":\"p\"}").code(1).stdout,
        "no credentials server URL\n"
    );
    assert_eq!(
        docker("store", "{\"ServerURL\":\"https://x\",\"Secret\":\"p\"}").code(1).stdout,
        "no credentials username\n"
    );
    assert!(!docker("store", "{\"canary").code(1).stdout.contains("canary"));
    docker(
        "store",
        &format!("{{\"ServerURL\":\"{server}\",\"Username\":\"u\",\"Secret\":\"docker-secret\"}}"),
    )
    .code(0);
    let got = docker("get", &format!("{server}\n")).code(0).json();
    assert_eq!(
        got,
        serde_json::json!({ "ServerURL": server, "Username": "u", "Secret": "docker-secret" })
    );
    docker(
        "store",
        &format!(
            "{{\"ServerURL\":\"{server}\",\"Username\":\"v\",\"Secret\":\"docker-secret-2\"}}"
        ),
    )
    .code(0);
    assert_eq!(docker("get", server).code(0).json()["Username"], "v");
    home.add("registry.example.com", "imported", "registry-secret");
    assert_eq!(docker("get", "registry.example.com").code(0).json()["Username"], "imported");
    assert_eq!(docker("list", "").code(0).json(), serde_json::json!({ server: "v" }));
    docker("erase", "https://registry.example.com").code(0);
    home.run(&["get", "registry.example.com", "--check"]).code(0);
    docker("erase", server).code(0);
    assert_eq!(docker("get", server).code(1).stdout, "credentials not found in native keychain\n");
    assert!(docker("frobnicate", "").code(1).stdout.contains("unknown"));
    docker("version", "").code(0);
}

#[test]
fn aws_gets_its_document_with_and_without_a_session() {
    let home = Sandbox::with("aws-prod", "AKIAEXAMPLE", "aws-secret-key");
    let plain = home.run(&["aws-credential", "aws-prod"]).code(0).json();
    assert_eq!(
        plain,
        serde_json::json!({ "Version": 1, "AccessKeyId": "AKIAEXAMPLE", "SecretAccessKey": "aws-secret-key" })
    );
    home.feed(
        &["edit", "aws-prod", "--field", "session_token", "--expires", "2030-01-01", "--stdin"],
        "the-session\n",
    )
    .code(0);
    let whole = home.run(&["aws-credential", "aws-prod"]).code(0).json();
    assert_eq!(whole["Expiration"], "2030-01-01T00:00:00.000Z");
    assert_eq!(whole["SessionToken"], "the-session");
    assert_eq!(home.run(&["aws-credential", "absent"]).code(1).stdout, "");
}

#[test]
fn askpass_answers_what_it_understands_and_nothing_else() {
    let home = Sandbox::new();
    home.feed(&["add", "https://github.com/", "--username", "me", "--stdin"], "gh-secret").code(0);
    home.add("/home/u/.ssh/id_ed25519", "", "key-passphrase");
    for (prompt, answer) in [
        ("Username for 'https://github.com': ", "me\n"),
        ("Password for 'https://me@github.com': ", "gh-secret\n"),
        ("Enter passphrase for key '/home/u/.ssh/id_ed25519': ", "key-passphrase\n"),
    ] {
        assert_eq!(home.run(&["askpass", prompt]).code(0).stdout, answer);
    }
    for prompt in [
        "Password for 'http://me@github.com': ",
        "What is it? ",
        "Password for 'https://evil.com': ",
    ] {
        assert_eq!(home.run(&["askpass", prompt]).code(1).stdout, "");
    }
    // Who stored a password without a username has one account there, whatever its name is.
    home.add("sudo", "", "sudo-secret");
    home.add("host.example", "", "host-secret");
    home.add("host.example", "other", "others-secret");
    for (prompt, answer) in [
        ("[sudo] password for root: ", "sudo-secret\n"),
        ("me@host.example's password: ", "host-secret\n"),
        ("other@host.example's password: ", "others-secret\n"),
    ] {
        assert_eq!(home.run(&["askpass", prompt]).code(0).stdout, answer);
    }
    let mut command = home.command(&["askpass", "Anything: "]);
    command.env("CREDENTIAL_PROXY_ASKPASS", "github.com");
    assert_eq!(seen(command, "").code(0).stdout, "gh-secret\n");
}
