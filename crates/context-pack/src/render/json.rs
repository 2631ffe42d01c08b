//! JSON: one object with the same parts as the other forms, the files in an array.

use serde_json::{Value, json};

use super::{Heading, Section, State};

/// `"key":value`, as a member of the document.
fn member(key: &str, value: &Value) -> String {
    format!("{}:{value}", Value::from(key))
}

pub(super) fn heading(heading: &Heading) -> String {
    let mut text = member("name", &json!(heading.name));
    if let Some(branch) = &heading.branch {
        text.push(',');
        text.push_str(&member("branch", &json!(branch)));
    }
    text
}

pub(super) fn tree(tree: &str) -> String {
    member("tree", &json!(tree))
}

pub(super) fn section(section: &Section) -> String {
    json!({
        "path": section.name,
        "depth": section.depth.word(),
        "language": section.tag,
        "text": section.body,
    })
    .to_string()
}

pub(super) fn patch(patch: &str) -> String {
    member("diff", &json!(patch))
}

pub(super) fn log(log: &str) -> String {
    member("log", &json!(log.lines().collect::<Vec<_>>()))
}

pub(super) fn state(state: &State) -> String {
    member("commit", &json!(state.commit))
}

/// One object of members, the sections among them as the array `files`.
pub(super) fn document(before: &[&str], sections: &[&str], after: &[&str]) -> String {
    let files = format!("\"files\":[\n{}\n]", sections.join(",\n"));
    let members: Vec<&str> = before.iter().chain([&files.as_str()]).chain(after).copied().collect();
    format!("{{{}}}\n", members.join(",\n"))
}
