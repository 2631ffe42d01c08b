//! The workspace's own commands; `cargo xtask` without one lists them.
//!
//! One match, one file a command. Nothing here is part of the product.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command of the workspace talks to whoever runs it"
)]

mod bench;
mod ci;
#[expect(dead_code, unreachable_pub, reason = "shared with the stories, which use all of it")]
#[path = "../../tests/src/postgres/cluster/mod.rs"]
mod cluster;
mod demo;
mod dist;
mod postgres;
mod run;
mod soak;
mod targets;
mod tidy;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask COMMAND

  demo                  build the four tools and run the whole chain in a throw-away home
  test [ARGS]           run every test, those of a fleet database also on PostgreSQL; ARGS go to each test binary
  check                 format, lints, documentation, tidy, each tool installed alone
  ci [--tested]         what has to pass before a change lands: test, check, soak, dist, targets
  postgres -- COMMAND   run a command with a throw-away PostgreSQL, named by AGENT_PLUMBING_TEST_POSTGRES
  targets               the oldest Rust, static musl binaries, macOS, as far as each can be checked here
  tidy                  the rules of the source tree that no compiler checks
  dist [--debug]        a tarball and a Debian package under target/dist, tried in clean roots
  soak [--minutes N]    a fleet under random KILL and STOP, held against a ledger; --agents, --workers, --seed
  bench [NAME [ARGS]]   every ratio as a table, as JSON and as a picture; or those of chain, a tool, or one of its benches";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let command = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    let result = match command.as_str() {
        "demo" => demo::run(),
        "test" => ci::test(&rest),
        "check" => ci::check(),
        "ci" => ci::run(&rest),
        "postgres" => postgres::run(&rest),
        "targets" => targets::run(),
        "tidy" => tidy::run(),
        "dist" => dist::run(&rest),
        "soak" => soak::run(&rest),
        "bench" => bench::run(&rest),
        "" | "help" | "--help" | "-h" => {
            println!("{USAGE}");
            Ok(())
        }
        other => {
            eprintln!("xtask: unknown command {other}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
