//! Writes a document piece by piece, so that each piece can be counted before it is taken.
//!
//! No content can close its own section: a fence is longer than any run of backticks in it. Names
//! are escaped, for a file name may hold anything.

mod markdown;

use crate::request::Format;

/// What stands at the head of a document.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heading {
    /// The name of the repository.
    pub(crate) name: String,
}

/// A file as it appears in the document.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    /// Its path, with `/` and without control characters.
    pub(crate) name: String,
    /// The tag of its language.
    pub(crate) tag: &'static str,
    /// What is shown of it.
    pub(crate) body: String,
}

/// Writes the pieces of a document in one form.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Renderer {
    format: Format,
}

impl Renderer {
    /// A renderer for this form.
    pub(crate) fn new(format: Format) -> Self {
        Self { format }
    }

    /// The head of the document.
    pub(crate) fn heading(self, heading: &Heading) -> String {
        match self.format {
            Format::Markdown => markdown::heading(heading),
        }
    }

    /// The tree of the files.
    pub(crate) fn tree(self, tree: &str) -> String {
        match self.format {
            Format::Markdown => markdown::tree(tree),
        }
    }

    /// One file.
    pub(crate) fn section(self, section: &Section) -> String {
        match self.format {
            Format::Markdown => markdown::section(section),
        }
    }
}

/// A path as text that no terminal and no heading can be fooled with.
pub(crate) fn name_of(path: &std::path::Path) -> String {
    let lossy = path.to_string_lossy();
    common::out::sanitize(&lossy).into_owned()
}
