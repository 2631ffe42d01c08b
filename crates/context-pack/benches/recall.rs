//! Replays a repository's own history: does a pack hold what the next commits change?
//!
//! At 12 commits in the past, 40 apart, the tree is packed as it was then. Of the files that the
//! next 20 commits modify, weighted by how often, `seen` is the share that is in the pack at
//! outline depth or better, and `read` the share of the modified lines that is in it word for
//! word. The same is measured for simple strategies with whole and with cut files, which have as
//! many tokens as the pack: the budget less the default margin, counted as exactly.
//!
//! `cargo xtask bench recall --repo PATH [--budget 32000]…`

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark that cannot go on should stop"
)]
#![expect(clippy::cast_precision_loss, reason = "shares are for people")]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

const N_POINTS: usize = 12;
const SPACING: usize = 40;
const WINDOW: usize = 20;

/// What the product takes off a budget by default, in percent.
const MARGIN: usize = 5;

/// What a strategy shows of each file: its lines.
type Shown = HashMap<String, HashSet<String>>;

/// What the next commits change: how often each file, and which of its lines.
#[derive(Default)]
struct Future {
    files: BTreeMap<String, usize>,
    lines: Vec<(String, String)>,
}

#[derive(Default, Clone)]
struct Score {
    seen: f64,
    read: f64,
    n_points: usize,
}

fn main() {
    let mut repositories = Vec::new();
    let mut budgets = Vec::new();
    let mut extra = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--repo" => repositories.push(PathBuf::from(arguments.next().unwrap())),
            "--budget" => budgets.push(arguments.next().unwrap().parse::<usize>().unwrap()),
            "--flag" => extra.push(arguments.next().unwrap()),
            // cargo bench adds this.
            "--bench" => {}
            other => panic!(
                "unknown argument {other}; known are --repo PATH, --budget TOKENS, --flag FLAG"
            ),
        }
    }
    if budgets.is_empty() {
        budgets.push(32_000);
    }
    if repositories.is_empty() {
        repositories.push(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../.."));
    }
    for budget in budgets {
        let mut all: BTreeMap<String, Vec<Score>> = BTreeMap::new();
        for repository in &repositories {
            let repository = fs::canonicalize(repository).unwrap();
            let name = repository.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let scores: BTreeMap<String, Score> =
                replay(&repository, budget, &extra).into_iter().collect();
            print(&format!("{name}, {budget} tokens"), &scores, false);
            for (strategy, score) in scores {
                all.entry(strategy).or_default().push(score);
            }
        }
        let means = all.into_iter().map(|(strategy, scores)| {
            let n_scores = scores.len() as f64;
            let seen = scores.iter().map(|score| score.seen).sum::<f64>() / n_scores;
            let read = scores.iter().map(|score| score.read).sum::<f64>() / n_scores;
            (strategy, Score { seen, read, n_points: scores.len() })
        });
        print(&format!("mean, {budget} tokens"), &means.collect(), true);
    }
}

/// The scores of every strategy, each a line of JSON: `cargo xtask bench` makes tables of them.
fn print(of: &str, scores: &BTreeMap<String, Score>, is_goal: bool) {
    let newest = scores.get("newest first, whole files").map_or(0.0, |score| score.read);
    let row = |name: String, floor: Option<f64>, product: f64, goal: &str| {
        let goal = if is_goal { goal } else { "" };
        println!(
            "{}",
            json!({ "name": name, "unit": "share", "floor": floor, "product": product, "goal": goal })
        );
    };
    for (strategy, score) in scores {
        let is_ours = strategy == "context-pack";
        let (seen, read) = if is_ours { (">= 0.7", ">= 1.5") } else { ("", "") };
        row(format!("seen, {strategy}, {of}"), None, score.seen, seen);
        row(format!("read, {strategy}, {of}"), is_ours.then_some(newest), score.read, read);
    }
}

fn git(folder: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("git").current_dir(folder).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "git {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn replay(repository: &Path, budget: usize, extra: &[String]) -> Vec<(String, Score)> {
    let scratch = tempfile::tempdir().unwrap();
    let tree = scratch.path().join("tree");
    let source = fs::canonicalize(repository).unwrap();
    git(
        scratch.path(),
        &[
            "clone",
            "-q",
            "--shared",
            "--no-checkout",
            source.to_str().unwrap(),
            tree.to_str().unwrap(),
        ],
    );
    let prices = Prices::default();
    let limit = budget - budget * MARGIN / 100;
    let listed = text(&git(&tree, &["rev-list", "--no-merges", "HEAD"]));
    let commits: Vec<&str> = listed.lines().collect();
    let mut totals: BTreeMap<String, Score> = BTreeMap::new();
    for point in 0..N_POINTS {
        let index = WINDOW + point * SPACING;
        let Some(commit) = commits.get(index) else { break };
        let checkout = ["checkout", "-q", "-f", "--detach", commit];
        if !Command::new("git").current_dir(&tree).args(checkout).output().unwrap().status.success()
        {
            continue;
        }
        let snapshot = Snapshot::of(&tree);
        let future = future(&tree, &snapshot, &commits[index - WINDOW..index]);
        if future.files.is_empty() {
            continue;
        }
        let mut shown = vec![("context-pack".to_owned(), product(&tree, budget, extra))];
        for (name, order) in snapshot.orders() {
            for cut in [usize::MAX, 600, 200] {
                let label = if cut == usize::MAX {
                    format!("{name}, whole files")
                } else {
                    format!("{name}, cut to {cut}")
                };
                shown.push((label, snapshot.fill(&order, limit, cut, &prices)));
            }
        }
        for (name, shown) in shown {
            let score = totals.entry(name).or_default();
            let (seen, read) = future.score(&shown);
            score.seen += seen;
            score.read += read;
            score.n_points += 1;
        }
    }
    totals
        .into_iter()
        .map(|(name, score)| {
            let n_points = score.n_points as f64;
            (name, Score { seen: score.seen / n_points, read: score.read / n_points, ..score })
        })
        .collect()
}

/// Lock files, changelogs, images and snapshots are modified often and read by nobody.
fn counts(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let name = lower.rsplit('/').next().unwrap_or_default();
    let images = [".png", ".jpg", ".jpeg", ".gif", ".svg", ".ico", ".webp"];
    let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
    let is_lock = ends(&[".lock", "-lock.json", "-lock.yaml"]) || name == "go.sum";
    let is_snapshot =
        ends(&[".snap"]) || lower.contains("__snapshots__") || lower.contains("snapshots/");
    !is_lock && !is_snapshot && !name.starts_with("change") && !ends(&images)
}

fn future(tree: &Path, snapshot: &Snapshot, commits: &[&str]) -> Future {
    let mut future = Future::default();
    for commit in commits {
        // A copy of a repository can lack an object; its commit is passed over for all alike.
        let arguments = [
            "diff-tree",
            "-p",
            "-U0",
            "--no-renames",
            "--root",
            "--no-color",
            "--no-ext-diff",
            commit,
        ];
        let output = Command::new("git").current_dir(tree).args(arguments).output().unwrap();
        if !output.status.success() {
            continue;
        }
        let patch = text(&output.stdout);
        let mut file: Option<String> = None;
        for line in patch.lines() {
            if let Some(path) = line.strip_prefix("--- ") {
                file = path
                    .strip_prefix("a/")
                    .filter(|path| counts(path) && snapshot.lines.contains_key(*path))
                    .map(str::to_owned);
            } else if let Some(path) = line.strip_prefix("+++ ") {
                // A deleted file is not modified.
                file = file.filter(|_| path != "/dev/null");
                if let Some(file) = &file {
                    *future.files.entry(file.clone()).or_default() += 1;
                }
            } else if let (Some(file), Some(removed)) = (&file, line.strip_prefix('-'))
                && !removed.trim().is_empty()
                && snapshot.lines[file].contains(removed)
            {
                future.lines.push((file.clone(), removed.to_owned()));
            }
        }
    }
    future
}

impl Future {
    fn score(&self, shown: &Shown) -> (f64, f64) {
        let all: usize = self.files.values().sum();
        let seen: usize = self
            .files
            .iter()
            .filter(|(file, _)| shown.contains_key(*file))
            .map(|(_, count)| count)
            .sum();
        let read = self
            .lines
            .iter()
            .filter(|(file, line)| shown.get(file).is_some_and(|lines| lines.contains(line)));
        (seen as f64 / all.max(1) as f64, read.count() as f64 / self.lines.len().max(1) as f64)
    }
}

/// Packs the tree with the real binary and reads the files back out of the document.
fn product(tree: &Path, budget: usize, extra: &[String]) -> Shown {
    let output = Command::new(env!("CARGO_BIN_EXE_context-pack"))
        .args([tree.to_str().unwrap(), "--budget", &budget.to_string(), "-q"])
        .args(extra)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let document = text(&output.stdout);
    let mut shown = Shown::new();
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        let Some(name) = line.strip_prefix("## ") else { continue };
        let name = name.strip_suffix(" (outline)").unwrap_or(name).to_owned();
        let opening = lines.nth(1).unwrap_or_default();
        let fence = &opening[..opening.len() - opening.trim_start_matches('`').len()];
        let body = lines.by_ref().take_while(|line| *line != fence).map(str::to_owned).collect();
        shown.insert(name, body);
    }
    shown
}

/// The tokens of the heading and the fence of a file, besides its name.
const FRAME: usize = 6;

/// Hardly any text has more bytes than this to a token.
const MOST_BYTES: usize = 8;

/// Counts the tokens of texts, most of which come again at the next point.
struct Prices {
    tokenizer: tiktoken_rs::CoreBPE,
    known: RefCell<HashMap<String, usize>>,
}

impl Default for Prices {
    fn default() -> Self {
        Self { tokenizer: tiktoken_rs::cl100k_base().unwrap(), known: RefCell::default() }
    }
}

impl Prices {
    fn count(&self, text: &str) -> usize {
        let known = self.known.borrow().get(text).copied();
        known.unwrap_or_else(|| {
            let count = self.tokenizer.encode_ordinary(text).len();
            self.known.borrow_mut().insert(text.to_owned(), count);
            count
        })
    }
}

/// A tree at one commit, and what its history says.
struct Snapshot {
    texts: BTreeMap<String, String>,
    lines: HashMap<String, HashSet<String>>,
    newest: Vec<String>,
    busiest: Vec<String>,
}

impl Snapshot {
    fn of(tree: &Path) -> Self {
        let listed = git(tree, &["ls-files", "-z"]);
        let mut texts = BTreeMap::new();
        for name in
            listed.split(|byte| *byte == 0).filter_map(|name| std::str::from_utf8(name).ok())
        {
            if counts(name)
                && tree
                    .join(name)
                    .symlink_metadata()
                    .is_ok_and(|metadata| metadata.is_file() && metadata.len() < 2_000_000)
                && let Ok(body) = fs::read_to_string(tree.join(name))
                && !body.contains('\0')
            {
                texts.insert(name.to_owned(), body);
            }
        }
        let lines = texts
            .iter()
            .map(|(name, body)| (name.clone(), body.lines().map(str::to_owned).collect()))
            .collect();
        let log = text(&git(
            tree,
            &["log", "-n", "2000", "--no-merges", "--no-renames", "--name-only", "--format="],
        ));
        let mut newest = Vec::new();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        let mut known = BTreeSet::new();
        for name in log.lines().filter(|name| texts.contains_key(*name)) {
            if known.insert(name) {
                newest.push(name.to_owned());
            }
            *counts.entry(name).or_default() += 1;
        }
        let mut busiest = newest.clone();
        busiest.sort_by_key(|name| std::cmp::Reverse(counts[name.as_str()]));
        Self { texts, lines, newest, busiest }
    }

    fn orders(&self) -> Vec<(&'static str, Vec<String>)> {
        vec![
            ("alphabetical", self.texts.keys().cloned().collect()),
            ("newest first", self.newest.clone()),
            ("most often changed first", self.busiest.clone()),
        ]
    }

    /// Takes files in this order, each cut to about `cut` tokens, until `limit` is spent.
    fn fill(&self, order: &[String], limit: usize, cut: usize, prices: &Prices) -> Shown {
        let mut left = limit;
        let mut shown = Shown::new();
        for name in order {
            let body = &self.texts[name];
            let end = body.len().min(cut.saturating_mul(4));
            let end = (0..=end).rev().find(|end| body.is_char_boundary(*end)).unwrap_or(0);
            // Most files are too large for what is left, whatever the count says.
            if end / MOST_BYTES > left {
                continue;
            }
            let price = prices.count(&body[..end]) + prices.count(name) + FRAME;
            if price > left {
                continue;
            }
            left -= price;
            shown.insert(name.clone(), body[..end].lines().map(str::to_owned).collect());
        }
        shown
    }
}
