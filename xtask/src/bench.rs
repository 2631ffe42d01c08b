//! Ratios of the product to a floor, measured in the same run, in turn: floor, product, floor, product, …
//!
//! Nothing is asserted: a number is for reading, and a shared machine is no judge. Each tool's own
//! benches are run by cargo; this file holds what crosses tools.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::run::{binaries, build_tools, cargo};

/// Runs the bench that is named, or all of them.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let (name, rest) =
        args.split_first().map_or(("", &[][..]), |(name, rest)| (name.as_str(), rest));
    match name {
        "" => {
            chain()?;
            for (package, bench) in TOOL_BENCHES {
                tool(package, bench, &[])?;
            }
            Ok(())
        }
        "chain" => chain(),
        name => {
            let benches: Vec<_> = TOOL_BENCHES
                .iter()
                .filter(|(package, bench)| *package == name || *bench == name)
                .collect();
            ensure!(!benches.is_empty(), "there is no bench {name}");
            benches.into_iter().try_for_each(|(package, bench)| tool(package, bench, rest))
        }
    }
}

/// The benches of the tools: the package and the name of its bench.
const TOOL_BENCHES: [(&str, &str); 6] = [
    ("agent-state", "fleet"),
    ("agent-state", "tasks"),
    ("cron-guard", "gate"),
    ("context-pack", "speed"),
    ("context-pack", "recall"),
    ("credential-proxy", "proxy"),
];

fn tool(package: &str, bench: &str, args: &[String]) -> Result<()> {
    let mut command = vec!["bench", "--quiet", "--package", package, "--bench", bench, "--"];
    command.extend(args.iter().map(String::as_str));
    cargo(&command)
}

/// The gate chain around `true` against an empty process: the price of a tick.
fn chain() -> Result<()> {
    let bin = build_tools("release")?;
    cargo(&["build", "--quiet", "--locked", "--release", "--package", "xtask", "--bin", "floor"])?;
    let home = tempfile::tempdir()?;
    let tool = |name: &str, args: &[&str]| {
        let mut command = Command::new(bin.join(name));
        command
            .args(args)
            .env_clear()
            .env("HOME", home.path())
            .env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
        command
    };
    check(tool("credential-proxy", &["init"]).stdout(Stdio::null()))?;
    let csv = home.path().join("export.csv");
    std::fs::write(
        &csv,
        "name,url,username,password,note\ngithub.com,https://github.com/,me,a-long-secret,\n",
    )?;
    check(
        tool("credential-proxy", &["import", "chrome"])
            .arg(&csv)
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
    )?;
    check(tool("credential-proxy", &["start"]).stdout(Stdio::null()))?;
    let line = |masking: &str| {
        let words = format!(
            "exec bench -- agent-state exec bench -- credential-proxy exec {masking} --env KEY=github.com -- true"
        );
        tool("cron-guard", &words.split_whitespace().collect::<Vec<_>>())
    };
    let floor = binaries("release").join("floor");
    let measured = (|| {
        let rounds = 100;
        let mut times = [const { Vec::new() }; 3];
        for _ in 0..rounds {
            times[0].push(time(&mut Command::new(&floor))?);
            times[1].push(time(&mut line(""))?);
            times[2].push(time(&mut line("--no-masking"))?);
        }
        Ok::<_, anyhow::Error>(times.map(median))
    })();
    let _ = tool("credential-proxy", &["stop"]).stdout(Stdio::null()).status();
    let [floor, masked, plain] = measured?;
    println!("chain: median of 100 rounds, in turn");
    println!("  empty process                                         {:>8}   1.0", shown(floor));
    println!(
        "  cron-guard, agent-state, credential-proxy, true       {:>8}  {:>4.1}",
        shown(masked),
        ratio(masked, floor)
    );
    println!(
        "  the same with --no-masking                            {:>8}  {:>4.1}   (goal: under 10)",
        shown(plain),
        ratio(plain, floor)
    );
    Ok(())
}

fn check(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    ensure!(status.success(), "{command:?} failed: {status}");
    Ok(())
}

fn time(command: &mut Command) -> Result<Duration> {
    command.stdin(Stdio::null());
    let started = Instant::now();
    check(command)?;
    Ok(started.elapsed())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn shown(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

fn ratio(time: Duration, floor: Duration) -> f64 {
    time.as_secs_f64() / floor.as_secs_f64().max(f64::EPSILON)
}
