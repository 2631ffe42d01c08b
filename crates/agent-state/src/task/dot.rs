//! A graph in the language of graphviz.

use std::fmt::Write as _;

use common::out::sanitize;

use super::{State, View};

/// The whole graph, each node with its state and who is at it.
pub(crate) fn render(view: &View) -> String {
    let mut dot = format!(
        "digraph {} {{\n  rankdir=LR;\n  node [shape=box, style=\"rounded,filled\", fontname=\"sans-serif\"];\n",
        quoted(view.task.title())
    );
    for (place, node) in view.nodes.iter().enumerate() {
        let by = node.agent.as_ref().map_or_else(String::new, |agent| format!(" {agent}"));
        let label = format!("{}\n{}{by}", node.id, node.state.as_str());
        let color = color(node.state);
        // Writing to a string cannot fail.
        let _ = writeln!(dot, "  n{place} [label={}, fillcolor=\"{color}\"];", quoted(&label));
    }
    for (place, after) in view.after.iter().enumerate() {
        for above in after {
            let _ = writeln!(dot, "  n{above} -> n{place};");
        }
    }
    dot.push('}');
    dot
}

/// Text in quotes. A backslash begins an escape there, as `\N` for the name of the node, so it is doubled;
/// what would change a terminal or the direction of the text is shown by its number.
fn quoted(text: &str) -> String {
    let lines: Vec<String> = text
        .split('\n')
        .map(|line| sanitize(line).replace('\\', "\\\\").replace('"', "\\\""))
        .collect();
    format!("\"{}\"", lines.join("\\n"))
}

fn color(state: State) -> &'static str {
    match state {
        State::Pending => "white",
        State::Running => "lightblue",
        State::Completed => "palegreen",
        State::Failed => "salmon",
        State::Blocked => "lightgray",
    }
}
