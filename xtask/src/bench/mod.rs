//! Ratios of the product to a floor, measured in the same run, in turn: floor, product, floor, product, …
//!
//! Nothing is asserted: a number is for reading, and a shared machine is no judge. Each tool's own benches print
//! a line of JSON a measurement; here they become a table, `target/bench/bench.json` and `target/bench/bench.svg`.

mod chain;
mod plot;
mod row;

use std::fs;

use anyhow::{Result, ensure};

use crate::cluster::Cluster;
use crate::postgres;
use crate::run::{cargo_output, root};
use row::Row;

/// The benches of the tools: the package and the name of its bench.
const TOOL_BENCHES: [(&str, &str); 8] = [
    ("agent-state", "fleet"),
    ("agent-state", "tasks"),
    ("agent-state", POSTGRES),
    ("cron-guard", "gate"),
    ("cron-guard", POSTGRES),
    ("context-pack", "speed"),
    ("context-pack", "recall"),
    ("credential-proxy", "proxy"),
];

/// The name of the benches that need a server.
const POSTGRES: &str = "postgres";

/// Runs the bench that is named by its package or its own name, or all of them.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let (name, rest) =
        args.split_first().map_or(("", &[][..]), |(name, rest)| (name.as_str(), rest));
    // Paths of trees can be given without a name: they are for the benches that take one.
    let (name, rest) = if name.starts_with("--") { ("", args) } else { (name, rest) };
    let mut rows = Vec::new();
    if matches!(name, "" | "chain") {
        rows.extend(chain::run()?);
        row::print(&rows);
    }
    let mut is_known = name.is_empty() || name == "chain";
    for (package, bench) in TOOL_BENCHES {
        if name.is_empty() || name == package || name == bench {
            is_known = true;
            let takes_them = !name.is_empty() || package == "context-pack";
            let server = if bench == POSTGRES {
                let Some(server) = server()? else {
                    println!("\n{package} {bench}: passed over, no PostgreSQL 14 or newer is here");
                    continue;
                };
                Some(server)
            } else {
                None
            };
            let args = if takes_them { rest } else { &[] };
            let measured = tool(package, bench, args, server.as_ref())?;
            row::print(&measured);
            rows.extend(measured);
        }
    }
    ensure!(is_known, "there is no bench {name}");
    let folder = root().join("target/bench");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("bench.json"), serde_json::to_string_pretty(&rows)? + "\n")?;
    fs::write(folder.join("bench.svg"), plot::svg(&rows))?;
    println!("written: {}", folder.join("bench.{json,svg}").display());
    Ok(())
}

/// A server that waits for its disk, as a user's does.
fn server() -> Result<Option<Cluster>> {
    let Some(mut server) = postgres::start()? else { return Ok(None) };
    server.set("fsync", "on");
    server.set("full_page_writes", "on");
    server.restart()?;
    Ok(Some(server))
}

fn tool(package: &str, bench: &str, args: &[String], server: Option<&Cluster>) -> Result<Vec<Row>> {
    let mut command = vec!["bench", "--quiet", "--package", package, "--bench", bench, "--"];
    command.extend(args.iter().map(String::as_str));
    let variable = server.map(|server| (postgres::VARIABLE, server.url("postgres")));
    let printed = cargo_output(&command, variable.as_slice())?;
    printed.lines().map(|line| Row::read(&format!("{package} {bench}"), line)).collect()
}
