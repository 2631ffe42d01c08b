//! A PostgreSQL for stories that stop it, cut it off or fill its disk.
//!
//! Stories that need only some server use the one of `AGENT_PLUMBING_TEST_POSTGRES`, as the tests of the tools do.

pub mod authority;
pub mod cluster;
pub mod pooler;

use std::path::PathBuf;

pub use cluster::Cluster;

/// The programs of a server. Where they are missing a story is skipped with a word, and in CI it fails.
#[track_caller]
pub fn programs() -> Option<PathBuf> {
    let programs = cluster::programs();
    if programs.is_none() {
        crate::have(&["/usr/lib/postgresql (14 or newer)"]);
    }
    programs
}

/// A server of its own for a story.
#[track_caller]
pub fn start() -> Option<Cluster> {
    programs().map(|programs| Cluster::start(&programs).expect("a server starts"))
}
