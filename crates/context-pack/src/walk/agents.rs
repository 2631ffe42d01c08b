//! Which folders belong to other agents than the one that the pack is for.
//!
//! In doubt a folder belongs to another agent: what is missing can be asked for, what leaked cannot
//! be taken back. Only an `agents` folder that is evidently source code is left alone.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;

use crate::kind::Language;

/// The folder that holds one folder an agent.
const AGENTS: &str = "agents";

/// The folder in it that all agents share.
const SHARED: &str = "shared";

/// Files that only the folder of an agent has.
const MARKS: &[&str] = &["SOUL.md", "IDENTITY.md", "HEARTBEAT.md", "MEMORY.md"];

/// Whether anything on the way from the top of the disk to the folder at `path` under `root`
/// belongs to another agent than `agent`.
pub(super) fn is_within_another(agent: &str, root: &Path, path: &Path) -> bool {
    root.ancestors().any(|above| is_of_another(agent, above, false))
        || path
            .ancestors()
            .filter(|above| !above.as_os_str().is_empty())
            .any(|above| is_folder_of_another(agent, root, above))
}

/// Whether the folder at `path` under `root` is that of another agent.
pub(super) fn is_folder_of_another(agent: &str, root: &Path, path: &Path) -> bool {
    // Where a workspace has its agents, or the packed folder itself is that place.
    let is_at_top = match path.components().count() {
        1 => root.file_name().is_some_and(is_agents),
        depth => depth == 2,
    };
    is_of_another(agent, &root.join(path), is_at_top)
}

fn is_of_another(agent: &str, real: &Path, is_at_top: bool) -> bool {
    let (Some(name), Some(parent)) = (real.file_name(), real.parent()) else { return false };
    if !parent.file_name().is_some_and(is_agents) || name == agent || is_shared(name) {
        return false;
    }
    // A folder `agents` deep in some source code is no workspace.
    parent.join(agent).is_dir()
        || is_marked(real)
        || super::folders(parent)
            .iter()
            .any(|beside| is_shared(beside.as_ref()) || is_marked(&parent.join(beside)))
        || is_at_top && !is_of_code(parent) && !is_of_code(real)
}

fn is_agents(name: &OsStr) -> bool {
    name.eq_ignore_ascii_case(AGENTS)
}

/// Whether the folder of this name in `agents` is that of all.
pub(crate) fn is_shared(name: &OsStr) -> bool {
    name.eq_ignore_ascii_case(SHARED)
}

fn is_marked(folder: &Path) -> bool {
    MARKS.iter().any(|mark| folder.join(mark).is_file())
}

/// Whether a folder directly holds source code, and nothing that was written in words.
fn is_of_code(folder: &Path) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let paths = entries.map(|entry| entry.path());
    let languages: Vec<Language> = paths.filter_map(|path| Language::of(&path)).collect();
    languages.iter().any(|language| language.is_code())
        && !languages.iter().any(|language| language.tag == "markdown")
}

/// The agents whose instructions are among these files.
pub(crate) fn agents<'a>(paths: impl Iterator<Item = &'a Path>) -> BTreeSet<String> {
    paths
        .filter(|path| path.file_name().is_some_and(|name| MARKS.iter().any(|mark| name == *mark)))
        .filter_map(|path| {
            let folder = path.parent()?;
            let parent = folder.parent()?.file_name()?;
            let name = folder.file_name()?;
            let is_one = is_agents(parent) && !is_shared(name);
            is_one.then(|| name.to_string_lossy().into_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::written::Written;

    #[test]
    fn agents_are_found_by_what_only_their_folders_have() {
        let paths = [
            "agents/a/SOUL.md",
            "agents/b/MEMORY.md",
            "agents/shared/MEMORY.md",
            "src/agents/x.rs",
        ];
        let names = agents(paths.iter().map(Path::new));
        assert_eq!(names.into_iter().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn a_folder_of_agents_is_told_from_source_code() {
        for (files, path, expect) in [
            (&["agents/bob/notes.md"][..], "agents/bob", true),
            (&["agents/bob/notes.md"], "agents/ada", false),
            (&["agents/bob/notes.md"], "agents/shared", false),
            (&["sub/agents/bob/SOUL.md"], "sub/agents/bob", true),
            (&["sub/agents/bob/x.md", "sub/agents/eve/SOUL.md"], "sub/agents/bob", true),
            (&["sub/agents/bob/x.md", "sub/agents/ada/x.md"], "sub/agents/bob", true),
            (&["sub/agents/bob/x.md", "sub/agents/shared/x.md"], "sub/agents/bob", true),
            (&["docs/agents/intro/x.md"], "docs/agents/intro", false),
            (&["agents/planner/plan.py"], "agents/planner", false),
            (&["agents/bob/tool.py", "agents/bob/notes.md"], "agents/bob", true),
            (&["agents/__init__.py", "agents/planner/x.txt"], "agents/planner", false),
            (&["src/agents/planner/plan.py"], "src/agents/planner", false),
        ] {
            let files: Vec<(&str, &str)> = files.iter().map(|name| (*name, "")).collect();
            let written = Written::new(&files);
            let found = is_within_another("ada", written.folder(), Path::new(path));
            assert_eq!(found, expect, "{files:?} {path}");
        }
        let written = Written::new(&[("agents/bob/SOUL.md", ""), ("agents/bob/notes/a.md", "")]);
        let root = written.folder().join("agents/bob/notes");
        assert!(is_within_another("ada", &root, Path::new("")));
        assert!(is_within_another("ada", &written.folder().join("agents"), Path::new("bob")));
        assert!(!is_within_another("bob", &root, Path::new("")));
    }
}
