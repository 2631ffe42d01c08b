//! How long a pack takes, beside the floor and whatever peers are installed.
//!
//! The floor is what any pack must do: walk the tree with `ignore`, read the packed files, and run
//! git's log for the same history. All are run in turns, so that a busy machine is busy for all.
//!
//! `cargo xtask bench speed --repo PATH [--budget 32000] [--rounds 11]`

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark that cannot go on should stop"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ignore::{WalkBuilder, WalkState};
use serde_json::json;

/// A name and what is timed under it.
type Contender = (String, Box<dyn Fn()>);

fn main() {
    let mut repositories = Vec::new();
    let (mut budget, mut n_rounds) = (32_000_usize, 11_usize);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--repo" => repositories.push(PathBuf::from(arguments.next().unwrap())),
            "--budget" => budget = arguments.next().unwrap().parse().unwrap(),
            "--rounds" => n_rounds = arguments.next().unwrap().parse().unwrap(),
            // cargo bench adds this.
            "--bench" => {}
            other => panic!(
                "unknown argument {other}; known are --repo PATH, --budget TOKENS, --rounds N"
            ),
        }
    }
    if repositories.is_empty() {
        repositories.push(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../.."));
    }
    for repository in repositories {
        measure(&std::fs::canonicalize(repository).unwrap(), budget, n_rounds);
    }
}

fn measure(tree: &Path, budget: usize, n_rounds: usize) {
    let contenders = contenders(tree, budget);
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); contenders.len()];
    for (_, run) in &contenders {
        run();
    }
    for _ in 0..n_rounds.max(1) {
        for ((_, run), times) in contenders.iter().zip(&mut times) {
            let start = Instant::now();
            run();
            times.push(start.elapsed());
        }
    }
    let name = tree.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let floor = median(&mut times[0]);
    for ((contender, _), times) in contenders.iter().zip(&mut times) {
        let median = median(times);
        if contender == "floor" {
            continue;
        }
        let goal = if contender == "context-pack" { "<= 1.5" } else { "" };
        let name = format!("{contender}, {name}");
        let [floor, product] = [floor, median].map(|time| time.as_secs_f64() * 1e3);
        // One measurement is a line of JSON: `cargo xtask bench` makes tables of them.
        println!(
            "{}",
            json!({ "name": name, "unit": "ms", "floor": floor, "product": product, "goal": goal })
        );
    }
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn contenders(tree: &Path, budget: usize) -> Vec<Contender> {
    let packed = packed(tree, budget);
    let at = tree.to_path_buf();
    let mut contenders: Vec<Contender> = vec![(
        "floor".to_owned(),
        Box::new(move || {
            let logs =
                [log(&at, &["-n", "600", "--name-only"]), log(&at, &["-n", "50", "-p", "-U0"])];
            walk(&at);
            for file in &packed {
                let _ = std::hint::black_box(std::fs::read(at.join(file)));
            }
            for mut log in logs {
                log.wait().unwrap();
            }
        }),
    )];
    let tree = tree.to_str().unwrap().to_owned();
    let budget = budget.to_string();
    let ours = env!("CARGO_BIN_EXE_context-pack");
    let commands: [(&str, Vec<&str>); 4] = [
        ("context-pack", vec![ours, &tree, "--budget", &budget, "-q"]),
        ("yek", vec!["yek", "--tokens", &budget, &tree]),
        (
            "sephera",
            vec!["sephera", "context", "--path", &tree, "--no-config", "--budget", &budget],
        ),
        ("code2prompt", vec!["code2prompt", &tree, "-O", "/dev/null", "--token-format", "raw"]),
    ];
    for (name, command) in commands {
        let command: Vec<String> = command.into_iter().map(str::to_owned).collect();
        // A peer that is not installed is left out of the table.
        if spawn(&command)
            .is_some_and(|mut child| child.wait().is_ok_and(|status| status.success()))
        {
            contenders.push((
                name.to_owned(),
                Box::new(move || {
                    spawn(&command).unwrap().wait().unwrap();
                }),
            ));
        }
    }
    contenders
}

fn spawn(command: &[String]) -> Option<std::process::Child> {
    let mut run = Command::new(&command[0]);
    run.args(&command[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()
}

fn log(tree: &Path, arguments: &[&str]) -> std::process::Child {
    Command::new("git")
        .current_dir(tree)
        .args(["--no-pager", "log", "--no-merges", "--no-renames", "--format=%H"])
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn walk(tree: &Path) {
    let skipped = ["node_modules", "target", "venv", "dist", ".git"];
    WalkBuilder::new(tree)
        .hidden(false)
        .threads(2)
        .filter_entry(move |entry| !skipped.iter().any(|name| entry.file_name() == *name))
        .build_parallel()
        .run(|| {
            Box::new(|entry| {
                std::hint::black_box(&entry);
                WalkState::Continue
            })
        });
}

/// The names of the files that a pack holds.
fn packed(tree: &Path, budget: usize) -> Vec<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_context-pack"))
        .args([tree.to_str().unwrap(), "--list", "-q", "--budget", &budget.to_string()])
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}
