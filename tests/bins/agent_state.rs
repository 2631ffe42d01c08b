fn main() -> std::process::ExitCode {
    agent_state::main()
}
