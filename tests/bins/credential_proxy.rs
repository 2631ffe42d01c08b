fn main() -> std::process::ExitCode {
    credential_proxy::main()
}
