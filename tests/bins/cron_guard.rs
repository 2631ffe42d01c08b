fn main() -> std::process::ExitCode {
    cron_guard::main()
}
