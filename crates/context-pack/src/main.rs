//! The doorbell of `context-pack`; everything else is in the library.

fn main() -> std::process::ExitCode {
    context_pack::main()
}
