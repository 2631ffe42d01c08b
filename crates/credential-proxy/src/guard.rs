//! What a process does before it reads its first secret: no core, no debugger, no swap of secrets.

use rustix::process::{Resource, Rlimit, setrlimit};

/// Forbids cores and, on Linux, reading of the memory by other processes of this user.
pub(crate) fn harden() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    // Neither call fails for a limit that is lowered and a flag that is cleared.
    let _ = setrlimit(Resource::Core, none);
    hide();
}

/// Forbids reading of the memory by other processes of this user; an exec undoes it.
pub(crate) fn hide() {
    #[cfg(target_os = "linux")]
    {
        let _ =
            rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    }
}
