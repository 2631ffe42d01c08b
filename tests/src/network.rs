//! Several hosts on one machine: each with a network, a name, a boot and processes of its own.
//!
//! They are namespaces on a bridge, and nothing of the machine's own network is touched. Each namespace ends when
//! the pipe to its first process is closed, so that a story that is killed leaves none behind. It needs root.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::{Binaries, PATIENCE, Sandbox, Seen, have};

/// The programs that make namespaces.
const PROGRAMS: [&str; 4] = ["unshare", "nsenter", "ip", "mount"];

/// A bridge, and the hosts on it.
pub struct Network {
    hub: Space,
    hosts: Vec<Host>,
}

/// A machine as its processes see it.
pub struct Host {
    space: Space,
    sandbox: Sandbox,
    name: String,
    variables: Vec<(String, String)>,
}

/// Namespaces that live as long as this value.
struct Space {
    /// `unshare`; its only child is the first process inside.
    outside: Child,
    inside: u32,
}

impl Network {
    /// A network without hosts; `None`, with a word, where something is missing; in CI that fails.
    #[track_caller]
    pub fn new() -> Option<Self> {
        if !have(&PROGRAMS) || !rustix::process::getuid().is_root() {
            assert!(std::env::var_os("CI").is_none(), "CI is not root");
            return None;
        }
        let hub = Space::new(
            &["--net"],
            "ip link set lo up && ip link add hub type bridge && \
             ip addr add 10.77.0.1/24 dev hub && ip link set hub up",
        );
        Some(Self { hub, hosts: Vec::new() })
    }

    /// The address of the hub, where a server can listen.
    pub fn address(&self) -> &'static str {
        "10.77.0.1"
    }

    /// A process in the hub's network namespace.
    pub fn process(&self) -> u32 {
        self.hub.inside
    }

    /// Adds a host of this name with these variables in its environment.
    pub fn add(&mut self, binaries: Binaries, name: &str, variables: &[(&str, &str)]) -> usize {
        let number = self.hosts.len();
        let sandbox = Sandbox::new(binaries);
        // Its first process gives the host a name and a boot of its own.
        let boot = sandbox.write("boot_id", &format!("00000000-0000-4000-8000-{number:012}\n"));
        let space = Space::new(
            &["--net", "--uts", "--ipc", "--pid", "--mount", "--mount-proc"],
            &format!(
                "hostname {name} && ip link set lo up && \
                 mount --bind {} /proc/sys/kernel/random/boot_id",
                boot.display()
            ),
        );
        let (port, inside) = (format!("port{number}"), space.inside);
        self.hub.expect(&format!(
            "ip link add {port} type veth peer name eth0 netns /proc/{inside}/ns/net && \
             ip link set {port} master hub up"
        ));
        space.expect(&format!(
            "ip addr add 10.77.0.{}/24 dev eth0 && ip link set eth0 up",
            number + 2
        ));
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        self.hosts.push(Host { space, sandbox, name: name.to_owned(), variables });
        number
    }

    /// A host.
    ///
    /// # Panics
    ///
    /// When there is none of this number.
    pub fn host(&self, number: usize) -> &Host {
        &self.hosts[number]
    }

    /// Cuts a host off: what it sends is lost without a word, and it hears nothing.
    pub fn cut_off(&self, number: usize) {
        self.hub.expect(&format!("ip link set port{number} nomaster"));
    }

    /// Lets it in again.
    pub fn rejoin(&self, number: usize) {
        self.hub.expect(&format!("ip link set port{number} master hub"));
    }
}

impl Host {
    /// Its home.
    pub fn home(&self) -> &Sandbox {
        &self.sandbox
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A line for sh on this host.
    pub fn command(&self, line: &str) -> Command {
        let mut command = self.space.enter();
        command
            .args(["--uts", "--ipc", "--pid", "--mount"])
            .arg(format!("--wd={}", self.sandbox.home().display()))
            .args(["/bin/sh", "-c", line])
            .env_clear()
            .env("HOME", self.sandbox.home())
            .env("PATH", self.sandbox.path())
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// Runs a line to its end.
    pub fn run(&self, line: &str) -> Seen {
        Seen::from(self.command(line).output().expect("nsenter runs"))
    }

    /// Runs a line and fails the story unless it ends with `code`.
    #[track_caller]
    pub fn expect(&self, code: i32, line: &str) -> Seen {
        let seen = self.run(line);
        assert_eq!(seen.code, code, "{} on {}\n{seen:#?}", line, self.name);
        seen
    }

    /// Starts a line and leaves it running; what it says on stderr is in `stderr` below its home.
    pub fn start(&self, line: &str) -> Child {
        let log = fs::File::create(self.sandbox.home().join("stderr")).expect("a file");
        self.command(line).stdout(Stdio::null()).stderr(log).spawn().expect("nsenter runs")
    }
}

impl Space {
    /// New namespaces of these kinds, in which `setup` has been done.
    fn new(kinds: &[&str], setup: &str) -> Self {
        let script = format!("{{ {setup}; }} && echo ready && read -r word");
        let mut outside = Command::new("unshare")
            .args(kinds)
            .args(["--fork", "--kill-child", "/bin/sh", "-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare runs");
        let mut line = String::new();
        let stdout = outside.stdout.take().expect("a pipe");
        let mut stdout = std::io::BufReader::new(stdout);
        std::io::BufRead::read_line(&mut stdout, &mut line).expect("a line");
        assert_eq!(line, "ready\n", "namespaces are set up: {setup}");
        let inside = child_of(outside.id()).expect("unshare has a child");
        Self { outside, inside }
    }

    /// `nsenter` into the network; more kinds, a program and its arguments are to follow.
    fn enter(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.inside.to_string(), "--net"]);
        command
    }

    /// Runs a line of sh in the network.
    #[track_caller]
    fn expect(&self, line: &str) -> Output {
        let output = self.enter().args(["/bin/sh", "-c", line]).output().expect("nsenter runs");
        assert!(output.status.success(), "{line}: {output:?}");
        output
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        // The end of its input ends the first process, and with it everybody in its pid namespace.
        drop(self.outside.stdin.take());
        let _ = self.outside.wait();
    }
}

/// The only child of a process.
fn child_of(pid: u32) -> Option<u32> {
    let until = Instant::now() + PATIENCE;
    let children = format!("/proc/{pid}/task/{pid}/children");
    while Instant::now() < until {
        let text = fs::read_to_string(Path::new(&children)).ok()?;
        if let Some(child) = text.split_whitespace().next() {
            return child.parse().ok();
        }
        thread::sleep(Duration::from_millis(5));
    }
    None
}
