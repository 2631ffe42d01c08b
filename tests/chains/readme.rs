//! The console blocks of the READMEs are true: each is run as it stands, and what it prints is compared.
//!
//! What differs from run to run (ids, times, durations, hashes, process ids) is compared by its shape. A block
//! that needs more than a sandbox has `<!-- shown, not run: why -->` before it.

use std::fs;
use std::path::Path;

use crate::{Sandbox, sandbox};

/// A command of a block and what it prints.
#[derive(Debug, Default)]
struct Step {
    command: String,
    output: Vec<String>,
}

/// Runs the console blocks of a README in one home, and says how many ran.
#[track_caller]
fn run(readme: &str, prepare: fn(&Sandbox)) -> usize {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(readme);
    let text = fs::read_to_string(path).expect("a README");
    let sandbox = sandbox();
    prepare(&sandbox);
    let blocks = blocks(&text);
    for steps in &blocks {
        // One shell a block, so that variables and $? mean what they mean to a reader.
        let after = format!("\n_code=$?; printf '{MARK}\\n'; (exit $_code)\n");
        let commands: Vec<&str> = steps.iter().map(|step| step.command.as_str()).collect();
        let script = format!("exec 2>&1\n{}{after}", commands.join(&after));
        let printed =
            sandbox.run(&script).stdout.replace(&sandbox.home().display().to_string(), "/home/me");
        for (step, printed) in steps.iter().zip(printed.split(&format!("{MARK}\n"))) {
            let wanted: Vec<String> = step.output.iter().map(|line| shape(line)).collect();
            let printed: Vec<String> = printed.trim_end().lines().map(shape).collect();
            assert_eq!(wanted, printed, "{readme}: $ {}", step.command);
        }
    }
    blocks.len()
}

const MARK: &str = "== the next command of the block ==";

/// The blocks that are to be run, each as its commands.
fn blocks(text: &str) -> Vec<Vec<Step>> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    let mut before = "";
    while let Some(line) = lines.next() {
        let fence = line.trim_end_matches("console");
        if line != fence && fence.len() >= 3 && fence.chars().all(|c| c == '`') {
            let body: Vec<&str> = lines.by_ref().take_while(|line| *line != fence).collect();
            if !before.starts_with("<!-- shown, not run: ") {
                blocks.push(steps(&body));
            }
        }
        if !line.is_empty() {
            before = line;
        }
    }
    blocks
}

fn steps(body: &[&str]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in body {
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step { command: command.to_owned(), output: Vec::new() });
        } else if let Some(step) = steps.last_mut() {
            step.output.push((*line).to_owned());
        }
    }
    for step in &mut steps {
        // An empty line may also only set two commands apart.
        let end = step.output.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1);
        step.output.truncate(end);
    }
    // The tools are installed in the sandbox by other means.
    steps.retain(|step| !step.command.starts_with("cargo install"));
    steps
}

/// A line with what differs from run to run replaced by its kind, and with single spaces.
fn shape(line: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in line.split_whitespace() {
        // A process id has any number of digits.
        let is_pid = words.last().is_some_and(|before| before == "pid");
        words.push(if is_pid { shape_of_pid(word) } else { shape_of_word(word) });
    }
    words.join(" ")
}

fn shape_of_pid(word: &str) -> String {
    let rest = word.trim_start_matches(|c: char| c.is_ascii_digit());
    if rest.len() < word.len() { format!("<number>{rest}") } else { word.to_owned() }
}

fn shape_of_word(word: &str) -> String {
    let bare = word.trim_matches(|c: char| ",;:()…\"".contains(c));
    if bare.is_empty() {
        return word.to_owned();
    }
    let kind = if is_id(bare) {
        "<id>"
    } else if is_time(bare) {
        "<time>"
    } else if bare.len() >= 8 && bare.chars().all(|c| c.is_ascii_hexdigit()) {
        "<hash>"
    } else if is_duration(bare) {
        "<duration>"
    } else if bare.len() >= 4 && bare.chars().all(|c| c.is_ascii_digit()) {
        "<number>"
    } else {
        bare
    };
    word.replacen(bare, kind, 1)
}

/// `01a1fe1b-f844-7484-a4bc-9c3e1148ddec`.
fn is_id(word: &str) -> bool {
    let lengths: Vec<usize> = word.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && word.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

/// `2026-11-21T12:36:48.319Z`.
fn is_time(word: &str) -> bool {
    word.ends_with('Z') && word.len() == 24 && word.chars().filter(|c| *c == ':').count() == 2
}

/// `14ms`, `4m`, `3.2s`, `0s`.
fn is_duration(word: &str) -> bool {
    let unit = word.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    unit.len() < word.len() && ["ms", "s", "m", "h", "d"].contains(&unit)
}

/// A job that fails.
fn backup(sandbox: &Sandbox) {
    let text = "#!/bin/sh\necho 'backup: no space left on device' >&2\nexit 1\n";
    sandbox.program("../backup", text);
}

#[test]
fn the_front_page_shows_what_happens() {
    let n_blocks = run("README.md", |sandbox| {
        sandbox.vault();
        backup(sandbox);
        sandbox.write("proj/README.md", "# Weather\n\nPrints the weather of a place.\n");
        // Put together here, so that no scanner takes this file for a leak.
        let token = format!("gh{}_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8", "p");
        sandbox.write(
            "proj/src/weather.py",
            &format!(
                "\"\"\"The weather of a place.\"\"\"\n\nTOKEN = \"{token}\"\n\n\n\
                 def today(place):\n    return ask(\"today\", place)\n"
            ),
        );
        sandbox.write("proj/.env", "KEY=1\n");
        sandbox.write("proj/node_modules/x/index.js", "x\n");
    });
    assert!(n_blocks >= 4, "{n_blocks}");
}

#[test]
fn the_readme_of_cron_guard_shows_what_happens() {
    let n_blocks = run("crates/cron-guard/README.md", backup);
    assert!(n_blocks >= 1, "{n_blocks}");
}

#[test]
fn the_readme_of_agent_state_shows_what_happens() {
    let n_blocks = run("crates/agent-state/README.md", |sandbox| {
        sandbox.program("make", "#!/bin/sh\n");
        sandbox.program("git", "#!/bin/sh\n");
        sandbox.write("skill.md", "be kind\n");
    });
    assert!(n_blocks >= 6, "{n_blocks}");
}

#[test]
fn the_readme_of_context_pack_shows_what_happens() {
    run("crates/context-pack/README.md", |_| {});
}

#[test]
fn the_readme_of_credential_proxy_shows_what_happens() {
    let n_blocks = run("crates/credential-proxy/README.md", |sandbox| {
        sandbox.write(
            "export.csv",
            "name,url,username,password,note\n\
             github.com,https://github.com/,me,first-long-secret,\n\
             github.com,https://github.com/,bot,second-long-secret,\n\
             registry.example,https://registry.example/,me,third-long-secret,\n",
        );
    });
    assert!(n_blocks >= 2, "{n_blocks}");
}
