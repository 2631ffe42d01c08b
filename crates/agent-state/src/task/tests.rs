//! The rules of graphs, and how they are drawn.

use common::clock::Timestamp;

use super::*;

const NOW: Timestamp = Timestamp(1_000_000);

fn node(place: usize, id: &str, state: State, waiting_for: i64) -> Node {
    Node {
        seq: i64::try_from(place).unwrap(),
        node_id: format!("node-{place}"),
        task_id: "t".to_owned(),
        id: id.to_owned(),
        state,
        waiting_for,
        attempts: i64::from(state != State::Pending),
        max_attempts: 1,
        reason: None,
        error: None,
        blocked_by: None,
        agent_id: None,
        agent: (state == State::Running).then(|| "reviewer".to_owned()),
        run_id: None,
        lease_id: Some("l".to_owned()),
        leased_at: None,
        lease_ms: 0,
        lease_until: (state == State::Running).then_some(Timestamp(NOW.0 + 60_000)),
        ended_at: None,
        holder: None,
    }
}

fn view(nodes: Vec<Node>, after: Vec<Vec<usize>>) -> View {
    let mut counts = Counts::default();
    for node in &nodes {
        *counts.of(node.state) += 1;
    }
    let task = Task {
        task_id: "t".to_owned(),
        name: Some("ship".to_owned()),
        goal: None,
        state: counts.state(),
        reason: None,
        run_id: None,
        submitted_at: NOW,
        changed_at: NOW,
        ended_at: None,
        n_nodes: i64::try_from(nodes.len()).unwrap(),
        counts,
    };
    View { task, nodes, after }
}

fn text(view: &View) -> String {
    let lines = tree::render(view, NOW);
    let lines: Vec<String> =
        lines.into_iter().map(|line| format!("{}{}", line.branch, line.text)).collect();
    lines.join("\n")
}

/// `a` is above `b` and `c`, and both are above `d`.
fn diamond() -> View {
    let nodes = vec![
        node(0, "a", State::Completed, 0),
        node(1, "b", State::Running, 0),
        node(2, "c", State::Pending, 0),
        node(3, "d", State::Pending, 2),
    ];
    view(nodes, vec![vec![], vec![0], vec![0], vec![1, 2]])
}

#[test]
fn a_node_with_two_parents_is_shown_in_full_once() {
    assert_eq!(
        text(&diamond()),
        "a  completed\n├── b  running, reviewer, 1m left\n│   └── d  waits for 2\n└── c  ready\n    └── d (above)"
    );
}

#[test]
fn an_attempt_that_ended_by_itself_is_seen_with_all_that_follows_from_it() {
    let seen = diamond().seen(&[(1, Lapse::Expired)]);
    let states: Vec<State> = seen.nodes.iter().map(|node| node.state).collect();
    assert_eq!(states, [State::Completed, State::Failed, State::Pending, State::Blocked]);
    assert_eq!(seen.nodes[3].blocked_by.as_deref(), Some("b"));
    assert_eq!(seen.task.reason.as_deref(), Some("`b` failed: expired"));
    // `c` can still be done.
    assert_eq!((seen.task.state, seen.task.counts.blocked), (State::Running, 1));

    let mut again = diamond();
    again.nodes[1].max_attempts = 2;
    let seen = again.seen(&[(1, Lapse::ProcessGone)]);
    assert_eq!((seen.nodes[1].state, seen.nodes[3].state), (State::Pending, State::Pending));
    assert_eq!(seen.nodes[1].lease_id, None);
}

#[test]
fn a_wide_graph_is_cut_to_what_matters() {
    let n_nodes = 10_000;
    let mut nodes = vec![node(0, "root", State::Completed, 0)];
    nodes.extend((1..n_nodes).map(|n| node(n, &format!("n{n}"), State::Completed, 0)));
    nodes[7_000] = node(7_000, "slow", State::Running, 0);
    nodes[9_000] =
        Node { error: Some("no disk".to_owned()), ..node(9_000, "bad", State::Failed, 0) };
    let after = (0..n_nodes).map(|n| if n == 0 { vec![] } else { vec![0] }).collect();
    let text = text(&view(nodes, after));
    assert!(text.lines().count() < 30, "{text}");
    assert!(
        text.contains("├── slow  running") && text.contains("├── bad  failed, no disk"),
        "{text}"
    );
    assert!(text.contains("└── … 9979 more: 9979 completed"), "{text}");
    assert!(
        text.ends_with("9979 of 10000 nodes are not shown; --json and --dot have all"),
        "{text}"
    );
}

#[test]
fn a_long_chain_is_cut_and_what_runs_in_it_is_listed() {
    let n_nodes = 100_000;
    let mut nodes: Vec<Node> =
        (0..n_nodes).map(|n| node(n, &format!("n{n}"), State::Pending, 1)).collect();
    nodes[50_000] = node(50_000, "middle", State::Running, 0);
    let after = (0..n_nodes).map(|n| if n == 0 { vec![] } else { vec![n - 1] }).collect();
    let text = text(&view(nodes, after));
    assert!(text.lines().count() < 20, "{text}");
    assert!(text.contains("… 1 more below it"), "{text}");
    assert!(text.ends_with("  middle  running, reviewer, 1m left"), "{text}");
}

#[test]
fn many_roots_with_many_children_stay_on_a_page() {
    let nodes: Vec<Node> =
        (0..2_000).map(|n| node(n, &format!("n{n}"), State::Pending, 0)).collect();
    let after = (0..2_000_usize).map(|n| if n < 40 { vec![] } else { vec![n % 40] }).collect();
    let lines = text(&view(nodes, after)).lines().count();
    assert!(lines <= 103, "{lines}");
}

#[test]
fn ids_cannot_speak_to_the_terminal_or_to_graphviz() {
    let mut hostile = diamond();
    hostile.nodes[0].id = "\u{202e}\"]; x [label=\"\\N".to_owned();
    hostile.nodes[1].id = "<b>bold</b>".to_owned();
    assert!(text(&hostile).starts_with("\\u{202e}\"]; x"), "{}", text(&hostile));
    let dot = dot::render(&hostile);
    assert!(
        dot.contains(
            r#"n0 [label="\\u{202e}\"]; x [label=\"\\N\ncompleted", fillcolor="palegreen"];"#
        ),
        "{dot}"
    );
    assert!(
        dot.contains(r#"n1 [label="<b>bold</b>\nrunning reviewer", fillcolor="lightblue"];"#),
        "{dot}"
    );
    assert!(dot.contains("  n1 -> n3;\n  n2 -> n3;\n}"), "{dot}");
}
