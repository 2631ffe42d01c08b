//! Markdown: a heading a file, its content in a fence that nothing inside can close.

use super::{Heading, Section};

pub(super) fn heading(heading: &Heading) -> String {
    format!("# {}\n\n", heading.name)
}

pub(super) fn tree(tree: &str) -> String {
    let fence = fence(tree);
    format!("{fence}\n{tree}{fence}\n\n")
}

pub(super) fn section(section: &Section) -> String {
    let fence = fence(&section.body);
    format!("## {}\n\n{fence}{}\n{}{fence}\n\n", section.name, section.tag, section.body)
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
