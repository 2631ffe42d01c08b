//! Who gives an order: the user, the process that started the command, and whether a terminal is there.

use std::io::IsTerminal as _;

use common::environment;

/// Whether a person can be asked: stdin is a terminal.
pub(crate) fn is_at_terminal() -> bool {
    std::io::stdin().is_terminal()
}

/// Who gives an order.
#[derive(Debug, Clone)]
pub(crate) struct Actor {
    /// The user, the parent process and the terminal, in one line for the records.
    pub(crate) name: String,
    /// Whether a person can be asked.
    pub(crate) attended: bool,
}

impl Actor {
    /// Who runs this process.
    pub(crate) fn here() -> Self {
        Self { name: describe(), attended: is_at_terminal() }
    }
}

/// The user, the parent process and the terminal, in one line for the records.
pub(crate) fn describe() -> String {
    let uid = rustix::process::getuid().as_raw();
    let user = environment::text("USER")
        .or_else(|| environment::text("LOGNAME"))
        .map_or_else(|| format!("uid {uid}"), |name| format!("{name} (uid {uid})"));
    let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
    let parent = parent.map_or_else(String::new, |pid| {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        let name = name.trim();
        let name = if name.is_empty() { "process" } else { name };
        format!(", from {name} ({pid})")
    });
    let terminal = rustix::termios::ttyname(std::io::stdin(), Vec::new())
        .ok()
        .and_then(|name| name.into_string().ok())
        .map_or_else(|| ", no terminal".to_owned(), |name| format!(", at {name}"));
    common::out::sanitize(&format!("{user}{parent}{terminal}")).into_owned()
}
