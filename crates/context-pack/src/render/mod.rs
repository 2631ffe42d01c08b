//! Writes a document piece by piece, so that each piece can be counted before it is taken.
//!
//! No content can close its own section: a fence is longer than any run of backticks in it, an
//! end mark is split, JSON is escaped. Names are escaped, for a file name may hold anything.

mod json;
mod markdown;
mod xml;

use crate::request::Format;

/// What stands at the head of a document: only what rarely changes, so that a model server can
/// keep what it made of the first bytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heading {
    /// The name of the repository.
    pub(crate) name: String,
    /// The branch that is checked out.
    pub(crate) branch: Option<String>,
}

/// What stands at the end, because it changes with every commit.
#[derive(Debug, Clone)]
pub(crate) struct State {
    /// The commit that is checked out.
    pub(crate) commit: String,
}

/// How much of a file is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Depth {
    /// Its outline.
    Outline,
    /// Its beginning, and for documents the headings of the rest.
    Head,
    /// Its outline, and in full what changed lately or is likely to.
    Parts,
    /// All of it.
    Full,
}

impl Depth {
    /// The word for programs.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Outline => "outline",
            Self::Head => "head",
            Self::Parts => "parts",
            Self::Full => "full",
        }
    }
}

/// A file as it appears in the document.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    /// Its path, with `/` and without control characters.
    pub(crate) name: String,
    /// The tag of its language.
    pub(crate) tag: &'static str,
    /// How much of it this is.
    pub(crate) depth: Depth,
    /// What is shown of it.
    pub(crate) body: String,
}

/// Where a piece stands in the document; the order is that of the variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// The heading.
    Heading,
    /// The tree.
    Tree,
    /// What must be read first, and changes least.
    Core,
    /// Outlines.
    Outlines,
    /// What is moving, in full.
    Moving,
    /// The last commits.
    Log,
    /// The uncommitted changes.
    Patch,
    /// The commit.
    State,
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
            Format::Xml => xml::heading(heading),
            Format::Json => json::heading(heading),
        }
    }

    /// The tree of the files.
    pub(crate) fn tree(self, tree: &str) -> String {
        match self.format {
            Format::Markdown => markdown::tree(tree),
            Format::Xml => xml::tree(tree),
            Format::Json => json::tree(tree),
        }
    }

    /// One file.
    pub(crate) fn section(self, section: &Section) -> String {
        match self.format {
            Format::Markdown => markdown::section(section),
            Format::Xml => xml::section(section),
            Format::Json => json::section(section),
        }
    }

    /// The uncommitted changes.
    pub(crate) fn patch(self, patch: &str) -> String {
        match self.format {
            Format::Markdown => markdown::patch(patch),
            Format::Xml => xml::patch(patch),
            Format::Json => json::patch(patch),
        }
    }

    /// The last commits.
    pub(crate) fn log(self, log: &str) -> String {
        match self.format {
            Format::Markdown => markdown::log(log),
            Format::Xml => xml::log(log),
            Format::Json => json::log(log),
        }
    }

    /// The commit.
    pub(crate) fn state(self, state: &State) -> String {
        match self.format {
            Format::Markdown => markdown::state(state),
            Format::Xml => xml::state(state),
            Format::Json => json::state(state),
        }
    }

    /// The document that the pieces make, which are in the order of their places.
    pub(crate) fn document(self, pieces: &[(Place, &str)]) -> String {
        let texts = |from: Place, to: Place| -> Vec<&str> {
            pieces
                .iter()
                .filter(|(place, _)| (from..=to).contains(place))
                .map(|(_, text)| *text)
                .collect()
        };
        match self.format {
            Format::Markdown => texts(Place::Heading, Place::State).concat(),
            Format::Xml => xml::document(&texts(Place::Heading, Place::State)),
            Format::Json => json::document(
                &texts(Place::Heading, Place::Tree),
                &texts(Place::Core, Place::Moving),
                &texts(Place::Log, Place::State),
            ),
        }
    }
}

/// A path as text that no terminal and no heading can be fooled with.
pub(crate) fn name_of(path: &std::path::Path) -> String {
    let lossy = path.to_string_lossy();
    common::out::sanitize(&lossy).into_owned()
}
