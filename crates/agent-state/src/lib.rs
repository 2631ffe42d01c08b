//! Identity, run journal, versioned state, locks and coordination for a fleet of agents.

/// The whole program.
pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
