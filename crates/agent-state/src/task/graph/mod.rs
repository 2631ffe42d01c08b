//! The text of a graph, read and checked as a whole before anything is stored.

use std::collections::HashMap;

use common::name::{Name, NameError};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use self::object::Object;
use crate::value::{Json, MAX_BYTES, Reading, ValueError};

/// The longest text of a graph, in bytes.
pub(crate) const MAX_TEXT: usize = 64 << 20;
/// The most nodes of a graph.
pub(crate) const MAX_NODES: usize = 100_000;
/// The most "after" entries of a graph, all nodes together.
pub(crate) const MAX_EDGES: usize = 1_000_000;
/// The most attempts of a node.
pub(crate) const MAX_ATTEMPTS: i64 = 1000;
/// How often a node is given out when its graph does not say.
const DEFAULT_ATTEMPTS: i64 = 3;
/// How many nodes of a cycle a message names.
const NAMED: usize = 12;

/// A graph without a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Graph {
    pub(crate) goal: Option<Json>,
    pub(crate) context: Option<Json>,
    pub(crate) nodes: Vec<Plan>,
}

/// A node of a graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) id: Name,
    /// The places of the nodes that it comes after, each once.
    pub(crate) after: Vec<usize>,
    pub(crate) payload: Option<Json>,
    pub(crate) max_attempts: i64,
}

/// Why a text is no graph.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GraphError {
    #[error("it is not JSON in UTF-8")]
    NotUtf8,
    #[error("it has more than 64 MiB")]
    TextTooLarge,
    #[error("{0}")]
    Form(#[from] serde_json::Error),
    #[error("it has no nodes")]
    Empty,
    #[error("it has {0} nodes, and {MAX_NODES} are the most")]
    TooManyNodes(usize),
    #[error("it has more than {MAX_EDGES} dependencies")]
    TooManyEdges,
    #[error("node {} has the id {id:?}: {source}", .place + 1)]
    Id { place: usize, id: String, source: NameError },
    #[error("two nodes have the id `{0}`")]
    Duplicate(String),
    #[error("`{node}` comes after `{after}`, which is no node of the graph")]
    Unknown { node: String, after: String },
    #[error("its nodes wait for each other: {}", path(.0))]
    Cycle(Vec<String>),
    #[error(
        "`{node}` has a max_attempts of {found}; it is a whole number from 1 to {MAX_ATTEMPTS}"
    )]
    Attempts { node: String, found: String },
    #[error("{what}: {source}")]
    Value { what: String, source: ValueError },
}

impl GraphError {
    /// Facts for programs.
    pub(crate) fn data(&self) -> Option<Value> {
        match self {
            Self::Duplicate(id) => Some(json!({ "id": id })),
            Self::Unknown { node, after } => Some(json!({ "id": node, "after": after })),
            Self::Cycle(ids) => Some(json!({ "cycle": ids })),
            Self::Attempts { node, .. } => Some(json!({ "id": node })),
            _ => None,
        }
    }
}

/// As in "`a` after `c` after `b` after `a`".
fn path(ids: &[String]) -> String {
    let quoted: Vec<String> = ids.iter().map(|id| format!("`{id}`")).collect();
    match (quoted.get(..NAMED), quoted.last()) {
        (Some(first), Some(last)) if quoted.len() > NAMED + 1 => {
            let n_more = quoted.len() - NAMED - 1;
            format!("{} after {n_more} more after {last}", first.join(" after "))
        }
        _ => quoted.join(" after "),
    }
}

/// The text as it is written; what is misspelled is refused rather than overlooked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written<'a> {
    #[serde(borrow, default)]
    goal: Option<&'a RawValue>,
    #[serde(borrow, default)]
    context: Option<&'a RawValue>,
    #[serde(borrow)]
    nodes: Vec<Object<WrittenNode<'a>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenNode<'a> {
    id: String,
    #[serde(default)]
    after: Vec<String>,
    #[serde(borrow, default)]
    payload: Option<&'a RawValue>,
    #[serde(borrow, default)]
    max_attempts: Option<&'a RawValue>,
}

impl Graph {
    /// Reads the bytes of a graph.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, GraphError> {
        if bytes.len() > MAX_TEXT {
            return Err(GraphError::TextTooLarge);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| GraphError::NotUtf8)?;
        // Some editors begin a file with the mark of its byte order.
        let Object(written) =
            serde_json::from_str::<Object<Written<'_>>>(text.trim_start_matches('\u{feff}'))?;
        let n_nodes = written.nodes.len();
        if n_nodes == 0 {
            return Err(GraphError::Empty);
        }
        if n_nodes > MAX_NODES {
            return Err(GraphError::TooManyNodes(n_nodes));
        }
        let mut places = HashMap::with_capacity(n_nodes);
        for (place, Object(node)) in written.nodes.iter().enumerate() {
            if places.insert(node.id.as_str(), place).is_some() {
                return Err(GraphError::Duplicate(node.id.clone()));
            }
        }
        let mut n_edges = 0;
        let mut nodes = Vec::with_capacity(n_nodes);
        for (place, Object(node)) in written.nodes.iter().enumerate() {
            n_edges += node.after.len();
            if n_edges > MAX_EDGES {
                return Err(GraphError::TooManyEdges);
            }
            nodes.push(node.check(place, &places)?);
        }
        let graph = Self {
            goal: value("the goal", written.goal)?,
            context: value("the context", written.context)?,
            nodes,
        };
        match graph.cycle() {
            Some(cycle) => Err(GraphError::Cycle(cycle)),
            None => Ok(graph),
        }
    }

    /// A cycle by the ids of its nodes, each after the next; the first stands at the end again.
    fn cycle(&self) -> Option<Vec<String>> {
        let mut n_waiting: Vec<usize> = self.nodes.iter().map(|node| node.after.len()).collect();
        let mut below = vec![Vec::new(); self.nodes.len()];
        for (place, node) in self.nodes.iter().enumerate() {
            for above in &node.after {
                below[*above].push(place);
            }
        }
        let mut ready: Vec<usize> =
            (0..self.nodes.len()).filter(|place| n_waiting[*place] == 0).collect();
        while let Some(place) = ready.pop() {
            for node in &below[place] {
                n_waiting[*node] -= 1;
                if n_waiting[*node] == 0 {
                    ready.push(*node);
                }
            }
        }
        // Whatever still waits comes after something that still waits: going up must come around.
        let mut place = n_waiting.iter().position(|n_waiting| *n_waiting > 0)?;
        let mut seen_at = HashMap::new();
        let mut way = Vec::new();
        let start = loop {
            if let Some(start) = seen_at.insert(place, way.len()) {
                way.push(place);
                break start;
            }
            way.push(place);
            place = *self.nodes[place].after.iter().find(|above| n_waiting[**above] > 0)?;
        };
        Some(way[start..].iter().map(|place| self.nodes[*place].id.to_string()).collect())
    }
}

impl WrittenNode<'_> {
    fn check(&self, place: usize, places: &HashMap<&str, usize>) -> Result<Plan, GraphError> {
        let id: Name = self.id.parse().map_err(|source| GraphError::Id {
            place,
            id: shortened(&self.id),
            source,
        })?;
        let mut after = Vec::with_capacity(self.after.len());
        for above in &self.after {
            match places.get(above.as_str()) {
                Some(place) => after.push(*place),
                None => {
                    return Err(GraphError::Unknown {
                        node: self.id.clone(),
                        after: shortened(above),
                    });
                }
            }
        }
        after.sort_unstable();
        after.dedup();
        Ok(Plan {
            after,
            payload: value(&format!("the payload of `{id}`"), self.payload)?,
            max_attempts: self.max_attempts()?,
            id,
        })
    }

    fn max_attempts(&self) -> Result<i64, GraphError> {
        let Some(written) = self.max_attempts else { return Ok(DEFAULT_ATTEMPTS) };
        let read: Option<i64> = serde_json::from_str(written.get()).ok();
        read.filter(|attempts| (1..=MAX_ATTEMPTS).contains(attempts)).ok_or_else(|| {
            GraphError::Attempts { node: self.id.clone(), found: shortened(written.get()) }
        })
    }
}

fn shortened(text: &str) -> String {
    const MOST: usize = 200;
    if text.chars().count() <= MOST { text.to_owned() } else { text.chars().take(MOST).collect() }
}

/// A value as it was written; an absent one and `null` are none.
fn value(what: &str, written: Option<&RawValue>) -> Result<Option<Json>, GraphError> {
    let Some(written) = written else { return Ok(None) };
    let failed = |source| GraphError::Value { what: what.to_owned(), source };
    if written.get().len() > MAX_BYTES {
        return Err(failed(ValueError::TooLarge));
    }
    Json::read(written.get(), Reading::Json).and_then(Json::handed_on).map(Some).map_err(failed)
}

#[cfg(any(test, fuzzing))]
pub(crate) mod check;
mod object;
#[cfg(test)]
mod tests;
