fn main() -> std::process::ExitCode {
    context_pack::main()
}
