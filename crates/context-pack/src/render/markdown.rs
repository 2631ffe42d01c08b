//! Markdown: a heading a file, its content in a fence that nothing inside can close.

use super::{Depth, Heading, Section, State};

pub(super) fn heading(heading: &Heading) -> String {
    match &heading.branch {
        Some(branch) => format!("# {}, branch {branch}\n\n", heading.name),
        None => format!("# {}\n\n", heading.name),
    }
}

pub(super) fn tree(tree: &str) -> String {
    fenced("", tree)
}

pub(super) fn section(section: &Section) -> String {
    let depth = match section.depth {
        Depth::Outline => " (outline)",
        Depth::Head | Depth::Parts | Depth::Full => "",
    };
    format!("## {}{depth}\n\n{}", section.name, fenced(section.tag, &section.body))
}

pub(super) fn patch(patch: &str) -> String {
    format!("## Changes\n\n{}", fenced("diff", patch))
}

pub(super) fn log(log: &str) -> String {
    format!("## Last commits\n\n{}", fenced("", log))
}

pub(super) fn state(state: &State) -> String {
    format!("Packed at commit {}\n", state.commit)
}

fn fenced(tag: &str, body: &str) -> String {
    let fence = fence(body);
    // A fence that does not begin its line closes nothing, and all that follows would be content.
    let end = if body.is_empty() || body.ends_with('\n') { "" } else { "\n" };
    format!("{fence}{tag}\n{body}{end}{fence}\n\n")
}

/// A fence longer than any run of backticks in `body`.
fn fence(body: &str) -> String {
    let mut longest = 0;
    let mut run = 0;
    for byte in body.bytes() {
        run = if byte == b'`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    "`".repeat((longest + 1).max(3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_is_longer_than_any_in_its_content() {
        assert_eq!(fence("plain"), "```");
        assert_eq!(fence("a ``` b"), "````");
        assert_eq!(fence(&"`".repeat(40)), "`".repeat(41));
    }
}
