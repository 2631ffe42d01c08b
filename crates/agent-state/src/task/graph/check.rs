//! What holds of every graph that is accepted; for tests and for the fuzz target.

use super::{Graph, MAX_ATTEMPTS};
use crate::value::Json;

/// Reads it, and asserts what holds when it is accepted.
pub(crate) fn graph(bytes: &[u8]) {
    let graph = match Graph::read(bytes) {
        Ok(graph) => graph,
        Err(error) => {
            let _ = (error.to_string(), error.data());
            return;
        }
    };
    let mut ids = std::collections::HashSet::new();
    let mut done = vec![false; graph.nodes.len()];
    assert!(!done.is_empty(), "a graph has nodes");
    for node in &graph.nodes {
        assert!(ids.insert(node.id.as_str()), "ids are unique");
        assert!((1..=MAX_ATTEMPTS).contains(&node.max_attempts), "attempts are bounded");
        assert!(node.after.is_sorted_by(|one, next| one < next), "each dependency stands once");
        if let Some(payload) = &node.payload {
            assert!(
                Json::parse(payload.as_str()).is_ok_and(|again| again == *payload),
                "a payload is JSON"
            );
        }
    }
    for _ in 0..graph.nodes.len() {
        let free = (0..graph.nodes.len()).find(|place| {
            !done[*place] && graph.nodes[*place].after.iter().all(|above| done[*above])
        });
        match free {
            Some(place) => done[place] = true,
            None => break,
        }
    }
    assert!(done.iter().all(|done| *done), "every node can be reached");
}
