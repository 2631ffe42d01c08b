//! Drives the real binary in a sandbox of its own: a temporary home, an empty environment.

#[path = "cli/sandbox.rs"]
mod sandbox;

#[path = "cli/gate.rs"]
mod gate;
