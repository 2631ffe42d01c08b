//! Task graphs as people and other programs see them.

use serde_json::{Value, json};

use super::sandbox::{Sandbox, collect};
use super::tasks::{SHIP, code_of, done, shipping, take};

#[test]
fn the_tree_names_states_and_holders() {
    let sandbox = shipping();
    let (_, lease) = take(&sandbox, "a");
    done(&sandbox, "ship/build", &lease, "1");
    take(&sandbox, "b");
    let tree = sandbox.run(["task", "status", "ship"]).ok();
    let lines: Vec<&str> = tree.lines().collect();
    assert_eq!(lines[0], "ship  running: 1 completed, 1 running, 3 pending");
    assert_eq!(lines[1], "build  completed, a");
    assert_eq!(lines[2], "└── test  ready");
    assert!(lines[4].starts_with("lint  running, b, 4m "), "{tree}");
    assert_eq!(lines[7], "└── release (above)");
}

/// Reads a graph of graphviz as strictly as its grammar: ids, quoted strings, attributes, edges; nothing else.
fn check_dot(dot: &str) -> (usize, usize) {
    let mut lines = dot.lines();
    let head = lines.next().unwrap();
    quoted(head.strip_prefix("digraph ").unwrap().strip_suffix(" {").unwrap());
    let (mut n_nodes, mut n_edges) = (0, 0);
    let is_id =
        |text: &str| text.strip_prefix('n').is_some_and(|rest| rest.parse::<usize>().is_ok());
    for line in lines {
        let Some(statement) = line.strip_prefix("  ").and_then(|line| line.strip_suffix(';'))
        else {
            assert_eq!(line, "}");
            continue;
        };
        if let Some((_, to)) = statement.split_once(" -> ").filter(|(from, _)| is_id(from)) {
            assert!(is_id(to), "{line}");
            n_edges += 1;
        } else if let Some((id, rest)) = statement.split_once(" [label=") {
            assert!(is_id(id), "{line}");
            let (label, color) = rest.rsplit_once(", fillcolor=").unwrap();
            quoted(label);
            quoted(color.strip_suffix(']').unwrap());
            n_nodes += 1;
        }
    }
    (n_nodes, n_edges)
}

/// One string of graphviz, whole.
fn quoted(text: &str) {
    let inner = text.strip_prefix('"').unwrap().strip_suffix('"').unwrap();
    let mut escaped = false;
    for character in inner.chars() {
        assert!(escaped || character != '"', "{text}");
        assert!(!escaped || matches!(character, '"' | '\\' | 'n'), "{text}");
        assert!(!character.is_control(), "{text:?}");
        escaped = !escaped && character == '\\';
    }
    assert!(!escaped, "{text}");
}

#[test]
fn graphviz_reads_the_graph_also_with_hostile_ids() {
    let sandbox = Sandbox::with_agents(["a"]);
    let ids = [
        "\"]; n9 [label=\"x",
        "\\",
        "\\N\\G",
        "<b>",
        "a\\\"",
        "\u{202e}rtl",
        "日本",
        "n0 -> n1",
        "{rank=same}",
    ];
    let nodes: Vec<Value> = ids
        .iter()
        .enumerate()
        .map(|(n, id)| json!({"id": id, "after": if n == 0 { vec![] } else { vec![ids[n - 1]] }}))
        .collect();
    sandbox
        .run_fed(
            json!({ "nodes": nodes }).to_string().as_bytes(),
            ["task", "submit", "-", "--name", "\"\\ >"],
        )
        .ok();
    let dot = sandbox.run(["task", "status", "\"\\ >", "--dot"]).ok();
    assert_eq!(check_dot(&dot), (ids.len(), ids.len() - 1));
    let as_json = sandbox.run(["task", "status", "\"\\ >", "--dot", "--json"]).json();
    assert_eq!(as_json["dot"], dot);
    // Where graphviz is installed it is asked itself.
    let mut graphviz = std::process::Command::new("dot");
    graphviz
        .arg("-Tplain")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped());
    if let Ok(mut child) = graphviz.spawn() {
        use std::io::Write as _;
        child.stdin.take().unwrap().write_all(dot.as_bytes()).unwrap();
        let drawn = collect(child).code(0).stdout;
        assert_eq!(
            drawn.lines().filter(|line| line.starts_with("node ")).count(),
            ids.len(),
            "{drawn}"
        );
    }
}

#[test]
fn prune_forgets_ended_tasks_and_never_an_open_one() {
    let sandbox = shipping();
    let ended = sandbox.run(["task", "submit", SHIP]).ok();
    sandbox.run(["task", "cancel", &ended]).ok();
    let later = |args: [&str; 4]| sandbox.run_with(("AGENT_PLUMBING_CLOCK", "+100d"), args);
    let planned = later(["prune", "--older-than=90d", "--dry-run", "--json"]).json();
    let pruned = later(["prune", "--older-than=90d", "--json", "--color=never"]).json();
    assert_eq!((&planned["pruned"]["tasks"], &pruned["pruned"]["tasks"]), (&json!(1), &json!(1)));
    assert_eq!(sandbox.run(["task", "list", "--json"]).lines().len(), 1);
    assert_eq!(code_of(&sandbox.run(["task", "status", &ended, "--json"]).no()), "no_task");
    let doctor = later(["doctor", "--json", "--color=never", "--busy-timeout=5s"]).code(1);
    assert!(
        doctor.stdout.contains("`ship` is open and nobody has worked on it for 100d"),
        "{doctor:?}"
    );
    assert_eq!(sandbox.damage(), [""; 0]);
}

#[test]
fn people_and_programs_are_told_of_open_tasks() {
    let sandbox = shipping();
    take(&sandbox, "a");
    assert_eq!(sandbox.run(["stats", "--json"]).json()["open_tasks"], 1);
    assert!(sandbox.run(["board"]).ok().contains("ship  0/5  1 running"));
    assert_eq!(sandbox.run(["board", "--json"]).json()["tasks"][0]["name"], "ship");
    assert!(
        sandbox.run(["coord", "bulletin"]).ok().contains("- `ship`: 0 of 5 nodes are completed")
    );
}
