//! Stories that chain the real binaries, one file a story.

mod breaker;
mod client;
mod crash;
mod cron;
mod day;
mod line;
mod locks;
mod missing;
mod output;
mod postgres;
mod readme;
mod terminal;
mod timeout;
mod versions;

use e2e::{Binaries, Sandbox};

/// A sandbox with the four tools of this workspace.
fn sandbox() -> Sandbox {
    Sandbox::new(binaries())
}

/// The four tools of this workspace.
fn binaries() -> Binaries {
    Binaries {
        tools: [
            ("agent-state", env!("CARGO_BIN_EXE_agent-state-e2e")),
            ("context-pack", env!("CARGO_BIN_EXE_context-pack-e2e")),
            ("credential-proxy", env!("CARGO_BIN_EXE_credential-proxy-e2e")),
            ("cron-guard", env!("CARGO_BIN_EXE_cron-guard-e2e")),
        ],
    }
}
