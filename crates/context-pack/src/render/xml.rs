//! XML: an element a file, its content as character data that nothing inside can end.

use super::{Heading, Section, State};

pub(super) fn heading(heading: &Heading) -> String {
    let branch = heading
        .branch
        .as_deref()
        .map_or_else(String::new, |branch| format!(" branch=\"{}\"", attribute(branch)));
    format!("<repository name=\"{}\"{branch}>\n", attribute(&heading.name))
}

pub(super) fn tree(tree: &str) -> String {
    format!("<tree>{}</tree>\n", data(tree))
}

pub(super) fn section(section: &Section) -> String {
    format!(
        "<file path=\"{}\" depth=\"{}\" language=\"{}\">{}</file>\n",
        attribute(&section.name),
        section.depth.word(),
        section.tag,
        data(&section.body)
    )
}

pub(super) fn patch(patch: &str) -> String {
    format!("<diff>{}</diff>\n", data(patch))
}

pub(super) fn log(log: &str) -> String {
    format!("<log>{}</log>\n", data(log))
}

pub(super) fn state(state: &State) -> String {
    format!("<state commit=\"{}\"/>\n", attribute(&state.commit))
}

pub(super) fn document(pieces: &[&str]) -> String {
    format!("{}</repository>\n", pieces.concat())
}

fn attribute(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    // XML forbids two noncharacters even as references.
    text.replace('"', "&quot;").replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

/// A character data section; its end mark is split wherever it occurs inside.
fn data(text: &str) -> String {
    format!("<![CDATA[\n{}]]>", text.replace("]]>", "]]]]><![CDATA[>"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_cannot_end_its_own_element() {
        assert_eq!(data("a]]></file>"), "<![CDATA[\na]]]]><![CDATA[></file>]]>");
        assert_eq!(attribute("a\"<&>"), "a&quot;&lt;&amp;&gt;");
    }
}
