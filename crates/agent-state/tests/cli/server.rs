//! A server that a test started, and a client of it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::rpc::line;
use super::sandbox::{Sandbox, collect, kill, wait_until};

/// A server that is ready, and ends with the test.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) socket: PathBuf,
}

impl Server {
    pub(crate) fn start(sandbox: &Sandbox) -> Self {
        Self::of(sandbox.command().arg("serve"))
    }

    pub(crate) fn of(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut ready).unwrap();
        assert!(ready.ends_with('\n'), "{:?}", collect(child));
        Self { child, socket: PathBuf::from(ready.trim_end()) }
    }

    pub(crate) fn client(&self) -> Client {
        Client::of(UnixStream::connect(&self.socket).unwrap())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.child.id(), signal);
    }

    /// Ends it with TERM; its exit code and what it said on stderr.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        self.signal(Signal::TERM);
        self.wait()
    }

    pub(crate) fn wait(&mut self) -> (Option<i32>, String) {
        wait_until(|| self.child.try_wait().unwrap().is_some());
        let mut said = String::new();
        self.child.stderr.as_mut().unwrap().read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) struct Client {
    pub(crate) stream: UnixStream,
    answers: BufReader<UnixStream>,
}

impl Client {
    pub(crate) fn of(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let answers = BufReader::new(stream.try_clone().unwrap());
        Self { stream, answers }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    pub(crate) fn request(&mut self, method: &str, params: &Value) {
        self.send(line(&json!(1), method, params).as_bytes());
    }

    /// The next answer; `None` when the connection was closed.
    pub(crate) fn answer(&mut self) -> Option<Value> {
        let mut answer = String::new();
        match self.answers.read_line(&mut answer) {
            Ok(0) => None,
            Ok(_) => Some(serde_json::from_str(&answer).unwrap()),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.request(method, params);
        self.answer().unwrap()
    }

    #[track_caller]
    pub(crate) fn works(&mut self) {
        assert!(self.ask("stats", &json!({}))["result"].is_object());
    }
}

pub(crate) fn n_waiting(sandbox: &Sandbox) -> usize {
    sandbox.run(["board", "--json"]).json()["waiting"].as_array().unwrap().len()
}
