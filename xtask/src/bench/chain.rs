//! The whole line beside an empty process: the price of a tick.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::row::Row;
use crate::run::{binaries, build_tools, cargo, must};

/// The gate chain around `true` against an empty process: the price of a tick.
pub(super) fn run() -> Result<Vec<Row>> {
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
    must(tool("credential-proxy", &["init"]).stdout(Stdio::null()))?;
    let csv = home.path().join("export.csv");
    std::fs::write(
        &csv,
        "name,url,username,password,note\ngithub.com,https://github.com/,me,a-long-secret,\n",
    )?;
    must(
        tool("credential-proxy", &["import", "chrome"])
            .arg(&csv)
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
    )?;
    must(tool("credential-proxy", &["start"]).stdout(Stdio::null()))?;
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
    let row = |name: &str, product: Duration, goal: &str| Row {
        bench: "chain".to_owned(),
        name: name.to_owned(),
        unit: "ms".to_owned(),
        floor: Some(floor.as_secs_f64() * 1e3),
        product: product.as_secs_f64() * 1e3,
        goal: goal.to_owned(),
    };
    Ok(vec![
        row("cron-guard, agent-state, credential-proxy, true", masked, ""),
        row("the same with --no-masking", plain, "<= 10"),
    ])
}

fn time(command: &mut Command) -> Result<Duration> {
    command.stdin(Stdio::null());
    let started = Instant::now();
    must(command)?;
    Ok(started.elapsed())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
