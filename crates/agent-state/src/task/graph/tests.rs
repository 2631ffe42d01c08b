//! What is a graph and what is not.

use super::*;
use proptest::prelude::*;

fn refused(text: &str) -> String {
    Graph::read(text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn a_graph_is_read_with_its_values_as_they_were_written() {
    let text = r#"{"goal": "ship", "nodes": [
        {"id": "a", "payload": {"n": 123456789012345678901234567890.10}},
        {"id": "b", "after": ["a", "a"], "max_attempts": 1}]}"#;
    let graph = Graph::read(text.as_bytes()).unwrap();
    let [a, b] = graph.nodes.as_slice() else { panic!("{graph:?}") };
    assert_eq!(a.payload.as_ref().unwrap().as_str(), r#"{"n":123456789012345678901234567890.10}"#);
    assert_eq!((a.max_attempts, b.max_attempts), (3, 1));
    assert_eq!((a.after.as_slice(), b.after.as_slice()), ([].as_slice(), [0].as_slice()));
    assert_eq!(graph.goal.unwrap().as_str(), "\"ship\"");
}

#[test]
fn a_cycle_is_named_by_its_path_and_what_leads_into_it_is_not() {
    let cycle = r#"{"nodes":[{"id":"x","after":["a"]},{"id":"a","after":["r","c"]},{"id":"b","after":["a"]},
        {"id":"c","after":["b"]},{"id":"r"}]}"#;
    assert_eq!(refused(cycle), "its nodes wait for each other: `a` after `c` after `b` after `a`");
    let own = r#"{"nodes":[{"id":"a","after":["a"]}]}"#;
    assert_eq!(refused(own), "its nodes wait for each other: `a` after `a`");
}

#[test]
fn a_long_cycle_is_told_in_short_and_given_in_full_to_programs() {
    let nodes: Vec<Value> = (0..50)
        .map(|n| json!({"id": n.to_string(), "after": [((n + 1) % 50).to_string()]}))
        .collect();
    let error = Graph::read(json!({ "nodes": nodes }).to_string().as_bytes()).unwrap_err();
    assert!(error.to_string().ends_with("after `11` after 38 more after `0`"), "{error}");
    assert_eq!(error.data().unwrap()["cycle"].as_array().unwrap().len(), 51);
}

#[test]
fn what_is_wrong_with_a_graph_is_named() {
    for (text, expect) in [
        (r#"{"nodes":[]}"#, "it has no nodes"),
        (
            r#"["ship", null, [{"id":"a"}]]"#,
            "invalid type: sequence, expected an object at line 1 column 0",
        ),
        (
            r#"{"nodes":[["a", [], 1, 3]]}"#,
            "invalid type: sequence, expected an object at line 1 column 10",
        ),
        (r#"{"nodes":[{"id":"a"},{"id":"a"}]}"#, "two nodes have the id `a`"),
        (
            r#"{"nodes":[{"id":"a","after":["b"]}]}"#,
            "`a` comes after `b`, which is no node of the graph",
        ),
        (r#"{"nodes":[{"id":""}]}"#, "node 1 has the id \"\": a name must not be empty"),
        (
            r#"{"nodes":[{"id":"a\u001b[31m"}]}"#,
            "node 1 has the id \"a\\u{1b}[31m\": a name must not contain control characters",
        ),
        (
            r#"{"nodes":[{"id":"a","max_attempts":0}]}"#,
            "`a` has a max_attempts of 0; it is a whole number from 1 to 1000",
        ),
        (
            r#"{"nodes":[{"id":"a","max_attempts":1.5}]}"#,
            "`a` has a max_attempts of 1.5; it is a whole number from 1 to 1000",
        ),
        (
            r#"{"nodes":[{"id":"a","depends_on":["b"]}]}"#,
            "unknown field `depends_on`, expected one of `id`, `after`, `payload`, `max_attempts` at line 1 column 32",
        ),
        (r#"{"nodes":[{"id":"a","id":"b"}]}"#, "duplicate field `id` at line 1 column 24"),
        (r#"{"goal":"x"}"#, "missing field `nodes` at line 1 column 12"),
    ] {
        assert_eq!(refused(text), expect);
    }
    for text in [
        "",
        "[]",
        "{",
        "null",
        "7",
        "{\"nodes\":{}}",
        "{\"nodes\":[{\"id\":7}]}",
        "{\"nodes\":[null]}",
    ] {
        assert!(Graph::read(text.as_bytes()).is_err(), "{text}");
    }
    assert!(matches!(Graph::read(b"\xff{}"), Err(GraphError::NotUtf8)));
}

#[test]
fn sizes_are_bounded() {
    let node = |payload: String| format!(r#"{{"nodes":[{{"id":"a","payload":{payload}}}]}}"#);
    let most = format!("\"{}\"", "x".repeat(MAX_BYTES - 2));
    assert!(Graph::read(node(most.clone()).as_bytes()).is_ok());
    assert!(
        refused(&node(format!("[{most}]")))
            .starts_with("the payload of `a`: a value has at most 1 MiB")
    );
    let nodes: Vec<Value> = (0..=MAX_NODES).map(|n| json!({"id": n.to_string()})).collect();
    let text = json!({ "nodes": nodes }).to_string();
    assert_eq!(refused(&text), "it has 100001 nodes, and 100000 are the most");
    assert!(matches!(Graph::read(&vec![b' '; MAX_TEXT + 1]), Err(GraphError::TextTooLarge)));
    let many = vec!["\"a\""; MAX_EDGES + 1].join(",");
    assert!(
        refused(&format!(r#"{{"nodes":[{{"id":"a"}},{{"id":"b","after":[{many}]}}]}}"#))
            .contains("1000000")
    );
}

#[test]
fn a_chain_of_all_nodes_and_deep_payloads_overflow_no_stack() {
    let nodes: Vec<Value> = (0..MAX_NODES)
        .map(|n| {
            if n == 0 {
                json!({"id": "0"})
            } else {
                json!({"id": n.to_string(), "after": [(n - 1).to_string()]})
            }
        })
        .collect();
    assert!(Graph::read(json!({ "nodes": nodes }).to_string().as_bytes()).is_ok());
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let within = format!(r#"{{"nodes":[{{"id":"a","payload":{deep}}}]}}"#);
    assert!(refused(&within).contains("at most 100 levels"));
    assert!(Graph::read(deep.as_bytes()).is_err());
    let _ = Graph::read(format!(r#"{{"nodes":{deep}}}"#).as_bytes());
}

/// A node as a person or a model may write it, right or wrong.
fn node() -> impl Strategy<Value = String> {
    let id = prop_oneof![
        6 => "[a-f]".prop_map(|id| format!("{id:?}")),
        1 => any::<String>().prop_map(|id| Value::from(id).to_string()),
        1 => Just("7".to_owned()),
    ];
    let payload = prop_oneof![
        3 => Just("null".to_owned()),
        1 => "[0-9]{1,40}(\\.[0-9]{1,9})?(e[0-9]{1,4})?",
        1 => (0..300_usize).prop_map(|n| "[".repeat(n) + &"]".repeat(n)),
        1 => any::<String>().prop_map(|text| Value::from(text).to_string()),
    ];
    let after = proptest::collection::vec("[a-g]".prop_map(|id| format!("{id:?}")), 0..3);
    (id, after, payload, -1..4_i64).prop_map(|(id, after, payload, attempts)| {
        let after = after.join(",");
        format!(r#"{{"id":{id},"after":[{after}],"payload":{payload},"max_attempts":{attempts}}}"#)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_accepted_is_a_graph_that_can_be_walked(nodes in proptest::collection::vec(node(), 0..7)) {
        let text = format!(r#"{{"goal":"g","nodes":[{}]}}"#, nodes.join(","));
        check::graph(text.as_bytes());
    }

    #[test]
    fn no_text_crashes_the_reader(text in "\\PC{0,80}|[\\[\\]{}\",:0-9a-e.\\\\-]{0,80}") {
        check::graph(text.as_bytes());
    }
}
