//! What the user adds to the rules: globs, exact names, the agent that the pack is for.

use std::path::{Component, Path, PathBuf};

use common::atomic;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::agents;
use crate::Error;

/// The rules of one pack.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    include: Option<GlobSet>,
    exclude: Option<GlobSet>,
    /// Names that come in although they are left out by default.
    pub(super) lift: Vec<String>,
    /// The agent that the pack is for.
    pub(super) agent: Option<String>,
    /// Files that the pack itself writes, by their real paths.
    outputs: Vec<PathBuf>,
}

impl Rules {
    /// Checks the globs.
    pub(crate) fn new(
        include: &[String],
        exclude: &[String],
        lift: Vec<String>,
        agent: Option<String>,
    ) -> Result<Self, Error> {
        let (include, exclude) = (globs(include)?, globs(exclude)?);
        Ok(Self { include, exclude, lift, agent, outputs: Vec::new() })
    }

    /// The same rules for a pack that writes these files: it would grow by itself with every run.
    pub(crate) fn without(self, outputs: Vec<PathBuf>) -> Self {
        Self { outputs, ..self }
    }

    /// Whether the pack itself writes the file at `path` under its root, or a killed one left it there.
    pub(super) fn is_output(&self, root: &Path, path: &Path) -> bool {
        if self.outputs.is_empty() {
            return false;
        }
        let is_left = path.file_name().is_some_and(atomic::is_temporary);
        self.outputs
            .iter()
            .filter_map(|output| output.strip_prefix(root).ok())
            .any(|output| output == path || is_left && output.parent() == path.parent())
    }

    /// Whether the file at `path` under its root may be packed, as far as the globs go.
    pub(super) fn allow(&self, path: &Path) -> bool {
        self.include.as_ref().is_none_or(|include| include.is_match(path))
            && !self.exclude.as_ref().is_some_and(|exclude| exclude.is_match(path))
    }

    /// Whether the user named this file exactly.
    pub(super) fn lifts(&self, path: &Path) -> bool {
        self.lift.iter().any(|name| Path::new(name) == path)
    }

    /// Whether the folder at `path` under its root belongs to another agent; those above it do not.
    pub(super) fn is_of_another_agent(&self, root: &Path, path: &Path) -> bool {
        let agent = self.agent.as_ref();
        agent.is_some_and(|agent| agents::is_folder_of_another(agent, root, path))
    }

    /// Whether any folder above the file belongs to another agent.
    pub(crate) fn hides(&self, root: &Path, path: &Path) -> bool {
        let folder = path.parent().unwrap_or(Path::new(""));
        let agent = self.agent.as_ref();
        agent.is_some_and(|agent| agents::is_within_another(agent, root, folder))
    }
}

/// A pattern without a slash matches at any depth; one that names a folder matches what is in it.
pub(crate) fn globs(patterns: &[String]) -> Result<Option<GlobSet>, Error> {
    if patterns.is_empty() {
        return Ok(None);
    }
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let bad = |source| Error::Glob { pattern: pattern.clone(), source };
        let plain = pattern.trim_start_matches("./").trim_end_matches('/');
        let rooted = plain.strip_prefix('/').unwrap_or(plain);
        if rooted.is_empty() {
            return Err(Error::EmptyGlob { pattern: pattern.clone() });
        }
        let anywhere = !plain.contains('/');
        for end in ["", "/**"] {
            let glob =
                if anywhere { format!("**/{rooted}{end}") } else { format!("{rooted}{end}") };
            set.add(GlobBuilder::new(&glob).literal_separator(true).build().map_err(bad)?);
        }
    }
    set.build().map(Some).map_err(|source| Error::Glob { pattern: patterns.join(", "), source })
}

/// Whether a pattern is a plain name.
pub(crate) fn is_exact(pattern: &str) -> bool {
    !pattern.contains(['*', '?', '[', '{', '!'])
        && Path::new(pattern)
            .components()
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_as_people_expect_them_to() {
        let check = |pattern: &str, path: &str, expect: bool| {
            let globs = globs(&[pattern.to_owned()]).unwrap().unwrap();
            assert_eq!(globs.is_match(path), expect, "{pattern} {path}");
        };
        check("*.rs", "src/deep/main.rs", true);
        check("src/*.rs", "src/main.rs", true);
        check("src/*.rs", "src/deep/main.rs", false);
        check("src/**", "src/deep/main.rs", true);
        check("src", "src/main.rs", true);
        check("src/", "a/src/main.rs", true);
        check("/src", "a/src/main.rs", false);
        check(".env", "config/.env", true);
        for wrong in ["[", "", "/", "./"] {
            assert!(globs(&[wrong.to_owned()]).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn what_a_pack_writes_and_what_a_killed_one_left_beside_it_are_outputs() {
        let outputs = vec![PathBuf::from("/tree/out/pack.md"), PathBuf::from("/x")];
        let rules = Rules::default().without(outputs);
        for (path, expect) in [
            ("out/pack.md", true),
            ("out/.tmp-a1b2c3", true),
            ("pack.md", false),
            (".tmp-a1b2c3", false),
            ("x", false),
        ] {
            assert_eq!(rules.is_output(Path::new("/tree"), Path::new(path)), expect, "{path}");
        }
    }
}
