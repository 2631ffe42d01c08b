//! What a file is, by its name and its place alone, and the language that it is written in.

use std::path::Path;

use crate::parts;

/// What a file is to somebody who must work in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// What agents and people are told to read first: `AGENTS.md`, `SOUL.md`.
    Instruction,
    /// The README.
    Readme,
    /// How the tree is built and how to contribute.
    Guide,
    /// What it is made of: `Cargo.toml`, `package.json`.
    Manifest,
    /// Where a program starts.
    Entry,
    /// Source code.
    Source,
    /// Tests.
    Test,
    /// Settings of tools.
    Settings,
    /// Other documents.
    Document,
    /// Fixtures, examples, test data.
    Fixture,
    /// Changelogs and the like: long, and rarely what is asked for.
    Chronicle,
    /// Anything else.
    Other,
}

impl Kind {
    /// The word that `--explain` shows.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Instruction => "instruction",
            Self::Readme => "readme",
            Self::Guide => "guide",
            Self::Manifest => "manifest",
            Self::Entry => "entry",
            Self::Source => "source",
            Self::Test => "test",
            Self::Settings => "settings",
            Self::Document => "document",
            Self::Fixture => "fixture",
            Self::Chronicle => "chronicle",
            Self::Other => "other",
        }
    }

    /// The kind of the file at `path` under its root.
    pub(crate) fn of(path: &Path) -> Self {
        let Some(name) = path.file_name() else { return Self::Other };
        if has_folder(path, FIXTURE_FOLDERS) {
            return Self::Fixture;
        }
        let name = name.to_string_lossy();
        let lower = name.to_ascii_lowercase();
        let (stem, extension) = lower.rsplit_once('.').unwrap_or((&lower, ""));
        if INSTRUCTIONS.contains(&lower.as_str()) {
            return Self::Instruction;
        }
        if stem == "readme" || lower == "readme" {
            return Self::Readme;
        }
        let is_prose = matches!(
            extension,
            "md" | "mdx" | "markdown" | "rst" | "adoc" | "asciidoc" | "txt" | "org" | ""
        );
        if is_prose && CHRONICLES.iter().any(|chronicle| stem.starts_with(chronicle)) {
            return Self::Chronicle;
        }
        if is_prose && GUIDES.contains(&stem) {
            return Self::Guide;
        }
        if MANIFESTS.contains(&lower.as_str())
            || matches!(extension, "csproj" | "fsproj" | "sln" | "gemspec" | "cabal")
        {
            return Self::Manifest;
        }
        // The settings of what runs the tests are often named like one.
        let is_named = is_named_like_a_test(&name, stem) && !is_settings(&lower, extension);
        if is_named || has_folder(path, TEST_FOLDERS) {
            return Self::Test;
        }
        if is_entry(path, &lower, stem) {
            return Self::Entry;
        }
        if is_source(extension) {
            return Self::Source;
        }
        if is_prose && !extension.is_empty() {
            return Self::Document;
        }
        if is_settings(&lower, extension) {
            return Self::Settings;
        }
        Self::Other
    }
}

const INSTRUCTIONS: &[&str] = &[
    ".clinerules",
    ".cursorrules",
    ".windsurfrules",
    "agent.md",
    "agents.md",
    "bulletin.md",
    "claude.md",
    "constitution.md",
    "copilot-instructions.md",
    "gemini.md",
    "heartbeat.md",
    "identity.md",
    "memory.md",
    "soul.md",
];

const GUIDES: &[&str] =
    &["architecture", "contributing", "design", "development", "hacking", "overview", "style"];

const CHRONICLES: &[&str] = &[
    "authors",
    "changelog",
    "changes",
    "code_of_conduct",
    "contributors",
    "copying",
    "credits",
    "history",
    "licence",
    "license",
    "news",
    "notice",
    "patents",
    "release-notes",
    "release_notes",
    "releases",
    "thanks",
    "unlicense",
];

const MANIFESTS: &[&str] = &[
    "build.gradle",
    "build.gradle.kts",
    "build.sbt",
    "build.zig",
    "cargo.toml",
    "cmakelists.txt",
    "composer.json",
    "deno.json",
    "gemfile",
    "go.mod",
    "go.work",
    "meson.build",
    "mix.exs",
    "package.json",
    "package.swift",
    "pipfile",
    "pom.xml",
    "project.clj",
    "pubspec.yaml",
    "pyproject.toml",
    "rebar.config",
    "requirements.txt",
    "settings.gradle",
    "settings.gradle.kts",
    "setup.cfg",
    "setup.py",
    "stack.yaml",
];

const FIXTURE_FOLDERS: &[&str] = &[
    "__fixtures__",
    "__mocks__",
    "__snapshots__",
    "cassettes",
    "corpora",
    "corpus",
    "example",
    "examples",
    "fixture",
    "fixtures",
    "golden",
    "mocks",
    "playground",
    "sample",
    "samples",
    "snapshots",
    "test-data",
    "test_data",
    "testdata",
];

const TEST_FOLDERS: &[&str] =
    &["__tests__", "e2e", "spec", "specs", "test", "tests", "testsuite", "testing"];

fn has_folder(path: &Path, names: &[&str]) -> bool {
    let is_one = |part: &[u8]| names.iter().any(|name| part.eq_ignore_ascii_case(name.as_bytes()));
    parts::folders(path).any(is_one)
}

fn is_named_like_a_test(name: &str, stem: &str) -> bool {
    stem.starts_with("test_")
        || ["_test", "_tests", ".test", ".spec", "_spec", "-test"]
            .iter()
            .any(|end| stem.ends_with(end))
        || stem == "conftest"
        || stem == "tests"
        || ["Test.java", "Tests.java", "Tests.cs", "Test.cs", "Test.php", "Test.kt"]
            .iter()
            .any(|end| name.ends_with(end))
}

fn is_entry(path: &Path, lower: &str, stem: &str) -> bool {
    let depth = parts::depth(path);
    let is_program = matches!(
        stem,
        "main"
            | "lib"
            | "__main__"
            | "app"
            | "index"
            | "server"
            | "cli"
            | "mod"
            | "manage"
            | "program"
    );
    let extension = lower.rsplit_once('.').map_or("", |(_, extension)| extension);
    depth < 4 && is_program && is_source(extension) && stem != "mod"
        || depth < 2
            && matches!(
                lower,
                "makefile" | "justfile" | "dockerfile" | "rakefile" | "taskfile.yml" | "procfile"
            )
}

fn is_source(extension: &str) -> bool {
    Language::of_extension(extension).is_some_and(Language::is_code)
}

fn is_settings(lower: &str, extension: &str) -> bool {
    lower.starts_with('.')
        || matches!(
            extension,
            "toml"
                | "yaml"
                | "yml"
                | "ini"
                | "cfg"
                | "conf"
                | "json"
                | "json5"
                | "jsonc"
                | "properties"
                | "nix"
        )
        || matches!(lower, "makefile" | "justfile" | "dockerfile" | "rakefile")
}

/// The language of a file, as far as it matters for a fence or an outline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Language {
    /// The tag of a fence.
    pub(crate) tag: &'static str,
    code: bool,
}

/// Extensions, the tag of each, and whether it is code.
const LANGUAGES: &[(&[&str], &str, bool)] = &[
    (&["rs"], "rust", true),
    (&["py", "pyi", "pyw"], "python", true),
    (&["js", "mjs", "cjs", "jsx"], "javascript", true),
    (&["ts", "mts", "cts"], "typescript", true),
    (&["tsx"], "tsx", true),
    (&["go"], "go", true),
    (&["java"], "java", true),
    (&["c", "h"], "c", true),
    (&["cc", "cpp", "cxx", "hh", "hpp", "hxx", "ipp", "inl"], "cpp", true),
    (&["rb", "rake"], "ruby", true),
    (&["php"], "php", true),
    (&["cs"], "csharp", true),
    (&["sh", "bash", "zsh", "ksh"], "bash", true),
    (&["md", "mdx", "markdown"], "markdown", false),
    (&["toml"], "toml", false),
    (&["json", "jsonc", "json5"], "json", false),
    (&["yaml", "yml"], "yaml", false),
    (&["kt", "kts"], "kotlin", true),
    (&["swift"], "swift", true),
    (&["scala", "sc"], "scala", true),
    (&["clj", "cljs", "cljc"], "clojure", true),
    (&["ex", "exs"], "elixir", true),
    (&["erl", "hrl"], "erlang", true),
    (&["hs"], "haskell", true),
    (&["ml", "mli"], "ocaml", true),
    (&["fs", "fsx"], "fsharp", true),
    (&["lua"], "lua", true),
    (&["pl", "pm"], "perl", true),
    (&["r"], "r", true),
    (&["jl"], "julia", true),
    (&["dart"], "dart", true),
    (&["zig"], "zig", true),
    (&["nim"], "nim", true),
    (&["vue"], "vue", true),
    (&["svelte"], "svelte", true),
    (&["tcl"], "tcl", true),
    (&["ps1"], "powershell", true),
    (&["fish"], "fish", true),
    (&["sql"], "sql", true),
    (&["proto"], "protobuf", true),
    (&["graphql", "gql"], "graphql", true),
    (&["tf", "hcl"], "hcl", true),
    (&["nix"], "nix", true),
    (&["css", "scss", "sass", "less"], "css", true),
    (&["html", "htm"], "html", true),
    (&["xml"], "xml", false),
    (&["el", "lisp", "scm"], "lisp", true),
    (&["vim"], "vim", true),
    (&["rst"], "rst", false),
];

impl Language {
    /// The language that an extension stands for.
    pub(crate) fn of_extension(extension: &str) -> Option<Self> {
        LANGUAGES
            .iter()
            .find(|(extensions, _, _)| {
                extensions.iter().any(|known| known.eq_ignore_ascii_case(extension))
            })
            .map(|(_, tag, code)| Self { tag, code: *code })
    }

    /// The language of the file at `path`.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let known = match name.to_ascii_lowercase().as_str() {
            "makefile" | "gnumakefile" => Some("makefile"),
            "dockerfile" | "containerfile" => Some("dockerfile"),
            "justfile" => Some("just"),
            "gemfile" | "rakefile" => Some("ruby"),
            _ => None,
        };
        match known {
            Some(tag) => Some(Self { tag, code: true }),
            None => Self::of_extension(path.extension()?.to_str()?),
        }
    }

    /// Whether this is code rather than prose or data.
    pub(crate) fn is_code(self) -> bool {
        self.code
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_its_name_and_its_place() {
        for (path, expect) in [
            ("AGENTS.md", Kind::Instruction),
            ("agents/bob/SOUL.md", Kind::Instruction),
            ("README.md", Kind::Readme),
            ("docs/ARCHITECTURE.md", Kind::Guide),
            ("Cargo.toml", Kind::Manifest),
            ("tests/testdata/x/Cargo.toml", Kind::Fixture),
            ("src/main.rs", Kind::Entry),
            ("src/deep/down/below/here/main.rs", Kind::Source),
            ("src/walk.rs", Kind::Source),
            ("src/walk_test.go", Kind::Test),
            ("tests/cli.rs", Kind::Test),
            ("CHANGELOG.md", Kind::Chronicle),
            ("LICENSE", Kind::Chronicle),
            ("src/changes.rs", Kind::Source),
            (".github/workflows/ci.yml", Kind::Settings),
            (".github/workflows/tests.yaml", Kind::Settings),
            ("tests/tests.yaml", Kind::Test),
            ("docs/guide.md", Kind::Document),
            ("noname", Kind::Other),
        ] {
            assert_eq!(Kind::of(Path::new(path)), expect, "{path}");
        }
    }
}
