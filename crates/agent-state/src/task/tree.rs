//! A graph as a tree for people: what can begin at once on the left, what comes after it below.
//!
//! A node with several parents is shown in full below the first, and by name below the others. A large
//! graph is cut, and what runs or failed where it was cut is listed behind the tree.

use common::clock::Timestamp;
use common::duration;
use common::out::sanitize;

use super::{Counts, Node, State, View};

/// The most lines of a tree.
const LINES: usize = 100;
/// The most nodes that are shown below one node, or side by side at the left.
const CHILDREN: usize = 20;
/// The deepest level that is shown.
const DEPTH: usize = 12;
/// The most nodes that are listed behind a tree that was cut.
const LISTED: usize = 20;

/// A line for people: blanks and branches, then what stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) branch: String,
    /// Safe for a terminal.
    pub(crate) text: String,
    /// The state that gives the line its color; none for a remark.
    pub(crate) state: Option<State>,
}

/// What is to be drawn next.
enum Item {
    Node { place: usize, depth: usize, branch: String, below: String },
    Remark { branch: String, text: String },
}

/// The tree, cut to what a person can read.
pub(crate) fn render(view: &View, now: Timestamp) -> Vec<Line> {
    let below = view.below();
    let roots: Vec<usize> =
        (0..view.nodes.len()).filter(|place| view.after[*place].is_empty()).collect();
    let mut lines = Vec::new();
    let mut shown = vec![false; view.nodes.len()];
    let mut was_cut = false;
    let mut items = Vec::new();
    push(&mut items, view, &roots, 0, None);
    while let Some(item) = items.pop() {
        if lines.len() >= LINES {
            was_cut = true;
            break;
        }
        match item {
            Item::Remark { branch, text } => {
                was_cut = true;
                lines.push(Line { branch, text, state: None });
            }
            Item::Node { place, depth, branch, below: prefix } => {
                let node = &view.nodes[place];
                if shown[place] {
                    let text = format!("{} (above)", sanitize(&node.id));
                    lines.push(Line { branch, text, state: None });
                    continue;
                }
                shown[place] = true;
                lines.push(Line { branch, text: describe(node, now), state: Some(node.state) });
                let children = &below[place];
                if depth + 1 < DEPTH {
                    push(&mut items, view, children, depth + 1, Some(&prefix));
                } else if children.iter().any(|child| !shown[*child]) {
                    let text = format!("… {} more below it", children.len());
                    items.push(Item::Remark { branch: format!("{prefix}└── "), text });
                }
            }
        }
    }
    if was_cut {
        list_the_rest(&mut lines, view, &shown, now);
    }
    lines
}

/// Puts nodes side by side, in their order; of many those that say most about the state of the task.
fn push(items: &mut Vec<Item>, view: &View, places: &[usize], depth: usize, prefix: Option<&str>) {
    let mut chosen = places.to_vec();
    let mut rest = None;
    if places.len() > CHILDREN {
        chosen.sort_by_key(|place| (interest(&view.nodes[*place]), *place));
        let left_out = chosen.split_off(CHILDREN);
        chosen.sort_unstable();
        rest = Some(format!("… {} more: {}", left_out.len(), summary(view, &left_out)));
    }
    let n_items = chosen.len() + usize::from(rest.is_some());
    let branches = |n: usize| match prefix {
        None => (String::new(), String::new()),
        Some(prefix) if n + 1 == n_items => (format!("{prefix}└── "), format!("{prefix}    ")),
        Some(prefix) => (format!("{prefix}├── "), format!("{prefix}│   ")),
    };
    // The last pushed is drawn first.
    if let Some(text) = rest {
        items.push(Item::Remark { branch: branches(n_items - 1).0, text });
    }
    for (n, place) in chosen.into_iter().enumerate().rev() {
        let (branch, below) = branches(n);
        items.push(Item::Node { place, depth, branch, below });
    }
}

/// What a person looks for comes first.
fn interest(node: &Node) -> u8 {
    match node.state {
        State::Failed => 0,
        State::Running => 1,
        State::Pending if node.is_ready() => 2,
        State::Blocked => 3,
        State::Pending => 4,
        State::Completed => 5,
    }
}

fn summary(view: &View, places: &[usize]) -> String {
    let mut counts = Counts::default();
    for place in places {
        *counts.of(view.nodes[*place].state) += 1;
    }
    said(counts)
}

/// As in "3 completed, 1 running".
pub(crate) fn said(mut counts: Counts) -> String {
    let parts: Vec<String> =
        [State::Completed, State::Running, State::Pending, State::Failed, State::Blocked]
            .into_iter()
            .map(|state| (*counts.of(state), state.as_str()))
            .filter(|(n_nodes, _)| *n_nodes > 0)
            .map(|(n_nodes, word)| format!("{n_nodes} {word}"))
            .collect();
    parts.join(", ")
}

fn list_the_rest(lines: &mut Vec<Line>, view: &View, shown: &[bool], now: Timestamp) {
    let hidden: Vec<&Node> =
        view.nodes.iter().zip(shown).filter(|(_, shown)| !**shown).map(|(node, _)| node).collect();
    if hidden.is_empty() {
        return;
    }
    let remark = |text: String| Line { branch: String::new(), text, state: None };
    lines.push(remark(String::new()));
    lines.push(remark(format!(
        "{} of {} nodes are not shown; --json and --dot have all",
        hidden.len(),
        view.nodes.len()
    )));
    for state in [State::Failed, State::Running] {
        let of_state: Vec<&&Node> = hidden.iter().filter(|node| node.state == state).collect();
        for node in of_state.iter().take(LISTED) {
            let text = describe(node, now);
            lines.push(Line { branch: "  ".to_owned(), text, state: Some(state) });
        }
        if of_state.len() > LISTED {
            let text = format!("… {} more {}", of_state.len() - LISTED, state.as_str());
            lines.push(Line { branch: "  ".to_owned(), text, state: None });
        }
    }
}

/// A node with its state, and who holds it or what stands in its way.
fn describe(node: &Node, now: Timestamp) -> String {
    let mut parts = vec![match node.state {
        State::Pending if node.is_ready() => "ready".to_owned(),
        State::Pending => format!("waits for {}", node.waiting_for),
        state => state.as_str().to_owned(),
    }];
    match node.state {
        State::Running => {
            parts.extend(node.agent.clone());
            let left = node.lease_until.map(|until| duration::human(until.since(now)));
            parts.extend(left.map(|left| format!("{left} left")));
        }
        State::Completed => parts.extend(node.agent.clone()),
        State::Failed | State::Pending => {
            // That it failed stands there already.
            let reason = node
                .reason
                .clone()
                .filter(|reason| node.state == State::Pending || reason != super::SAID_SO);
            parts.extend(node.error.as_deref().map(first_line).or(reason));
        }
        State::Blocked => parts.extend(node.blocked_by.as_ref().map(|id| format!("by {id}"))),
    }
    let is_again = node.attempts > 1 || (node.attempts == 1 && node.state == State::Pending);
    if is_again && node.state != State::Completed {
        parts.push(format!("attempt {} of {}", node.attempts, node.max_attempts));
    }
    sanitize(&format!("{}  {}", node.id, parts.join(", "))).into_owned()
}

/// The first line of a text, cut to what fits beside a node.
fn first_line(text: &str) -> String {
    const MOST: usize = 80;
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= MOST {
        return line.to_owned();
    }
    line.chars().take(MOST - 1).chain(['…']).collect()
}
