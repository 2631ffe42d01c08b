//! A client in the style of the Python original: one line out, one line in, no half-close.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;

use e2e::SECRET;

use crate::sandbox;

#[test]
fn a_one_line_client_gets_a_credential() {
    let home = sandbox();
    home.vault();
    home.expect(0, "credential-proxy start");
    let mut client =
        UnixStream::connect(home.home().join(".local/share/credential-proxy/proxy.sock"))
            .expect("a daemon");
    client.write_all(b"{\"action\":\"get\",\"service\":\"github.com\"}\n").expect("a request");
    let mut answer = String::new();
    BufReader::new(client).read_line(&mut answer).expect("an answer");
    let answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
    assert_eq!(answer["password"], SECRET);
    assert_eq!(answer["username"], "me");
    assert_eq!(answer["service"], "github.com");
}

#[test]
fn the_originals_python_client_works_unchanged() {
    if !e2e::have(&["python3"]) {
        return;
    }
    let home = sandbox();
    home.vault();
    home.expect(0, "credential-proxy start");
    home.write(
        "client.py",
        "import json, os, socket, sys\n\
         s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)\n\
         s.settimeout(60)\n\
         s.connect(os.path.expanduser('~/.local/share/credential-proxy/proxy.sock'))\n\
         s.sendall((json.dumps({'action': 'get', 'service': sys.argv[1]}) + '\\n').encode())\n\
         data = b''\n\
         while b'\\n' not in data:\n\
         \x20   chunk = s.recv(4096)\n\
         \x20   if not chunk: break\n\
         \x20   data += chunk\n\
         print(json.loads(data)['password'])\n",
    );
    assert_eq!(home.expect(0, "python3 client.py github.com").stdout.trim(), SECRET);
}
