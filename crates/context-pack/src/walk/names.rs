//! What is left out by name: dependencies, build output, logs, lock files, generated files, media.
//!
//! Names only; what a file holds is looked at when it is read.

use std::ffi::OsStr;
use std::path::Path;

use crate::parts;

use super::lists::{
    BINARY, BUILD_BESIDE, BUILD_OF_PROJECT, BUILD_OUTPUT, DATA, DEPENDENCIES, GENERATED_ENDS,
    LOCKS, MARKERS, MEDIA,
};

/// Why a file or a folder is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Reason {
    /// A folder of dependencies or of a tool's cache.
    Dependencies,
    /// A folder of build output.
    BuildOutput,
    /// Another work tree of the packed repository, which has its files once more.
    WorkTree,
    /// A log, or a folder of logs.
    Log,
    /// A lock file.
    Lock,
    /// Generated or minified.
    Generated,
    /// An image, a sound, a film, a font.
    Media,
    /// An archive, a program, a database: no text.
    Binary,
    /// A dump of data.
    Data,
    /// A key, a credential, an environment file.
    Secret,
    /// What an ignore file names, when nothing above says more.
    Ignored,
}

impl Reason {
    /// What the summary calls a number of them.
    pub(crate) fn plural(self) -> &'static str {
        match self {
            Self::Dependencies => "dependency folders",
            Self::BuildOutput => "build folders",
            Self::WorkTree => "other worktrees",
            Self::Log => "logs",
            Self::Lock => "lock files",
            Self::Generated => "generated files",
            Self::Media => "media files",
            Self::Binary => "binary files",
            Self::Data => "data dumps",
            Self::Secret => "secret files",
            Self::Ignored => "ignored paths",
        }
    }
}

/// Why the folder at `path` under its root is left out; `real` is where it is on disk.
///
/// What holds a mark is known by [`is_marker`] when it is listed.
pub(super) fn folder(path: &Path, real: &Path) -> Option<Reason> {
    let name = parts::lower_name(path);
    let name = name.as_ref();
    if DEPENDENCIES.contains(&name) || name.ends_with(".egg-info") {
        return Some(Reason::Dependencies);
    }
    let of_project = BUILD_OF_PROJECT.iter().find(|(folder, _)| *folder == name);
    if let (Some((_, ends)), Some(parent)) = (of_project, real.parent())
        && holds(parent, ends)
    {
        return Some(Reason::BuildOutput);
    }
    // Below a folder of sources, `target` or `logs` is the name of a module.
    let under_source = parts::folders(path).any(|part| part == b"src" || part == b"lib");
    if !under_source {
        if BUILD_OUTPUT.contains(&name)
            || name.starts_with("cmake-build-")
            || name.starts_with("bazel-")
        {
            return Some(Reason::BuildOutput);
        }
        if matches!(name, "logs" | "log") {
            return Some(Reason::Log);
        }
        let beside = BUILD_BESIDE.iter().find(|(folder, _)| *folder == name);
        if let (Some((_, files)), Some(parent)) = (beside, real.parent())
            && files.iter().any(|file| parent.join(file).is_file())
        {
            return Some(Reason::BuildOutput);
        }
    }
    None
}

/// Whether a folder directly holds a file whose name ends like one of these.
fn holds(folder: &Path, ends: &[&str]) -> bool {
    let entries = folder.read_dir().into_iter().flatten().filter_map(Result::ok);
    let mut paths = entries.map(|entry| entry.path());
    paths.any(|path| {
        let extension = path.extension().map(OsStr::to_ascii_lowercase);
        extension.is_some_and(|extension| ends.iter().any(|known| extension == *known))
    })
}

/// Whether a file marks the folder which holds it as a cache or as an environment.
pub(super) fn is_marker(name: &OsStr) -> bool {
    MARKERS.iter().any(|marker| name == *marker)
}

/// Whether a file says how this tool packs, and nothing of what is packed.
pub(super) fn is_own(name: &OsStr) -> bool {
    name == ".context-pack.toml" || name == ".context-packignore"
}

/// Why the file at `path` is left out.
pub(super) fn file(path: &Path) -> Option<Reason> {
    let name = parts::lower_name(path);
    let name = name.as_ref();
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    if LOCKS.contains(&name) || extension == "lock" {
        return Some(Reason::Lock);
    }
    if is_log(name, extension) {
        return Some(Reason::Log);
    }
    if GENERATED_ENDS.iter().any(|end| name.ends_with(end)) {
        return Some(Reason::Generated);
    }
    if matches!(name, ".ds_store" | "thumbs.db" | "desktop.ini") || BINARY.contains(&extension) {
        return Some(Reason::Binary);
    }
    if MEDIA.contains(&extension) {
        return Some(Reason::Media);
    }
    if DATA.contains(&extension) || name.ends_with(".sql.gz") || name.ends_with("dump.sql") {
        return Some(Reason::Data);
    }
    None
}

fn is_log(name: &str, extension: &str) -> bool {
    let rotated = name
        .split_once(".log.")
        .is_some_and(|(_, rest)| rest.starts_with(|first: char| first.is_ascii_digit()));
    extension == "log" || rotated || name.ends_with("nohup.out")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_nobody_reads_are_known_by_their_names() {
        for (name, expect) in [
            ("src/main.rs", None),
            ("Cargo.lock", Some(Reason::Lock)),
            ("sub/yarn.lock", Some(Reason::Lock)),
            ("debug.log", Some(Reason::Log)),
            ("app.log.12", Some(Reason::Log)),
            ("catalog.rs", None),
            ("blog.login.ts", None),
            ("app.min.js", Some(Reason::Generated)),
            ("api_pb2.py", Some(Reason::Generated)),
            ("logo.PNG", Some(Reason::Media)),
            ("lib.so", Some(Reason::Binary)),
            ("users.csv", Some(Reason::Data)),
            ("Makefile", None),
            ("README", None),
            (".gitignore", None),
        ] {
            assert_eq!(file(Path::new(name)), expect, "{name}");
        }
    }

    #[test]
    fn what_a_project_of_dotnet_builds_is_left_out_beside_it_alone() {
        let written = crate::written::Written::new(&[("src/App/App.csproj", ""), ("all.sln", "")]);
        for (name, expect) in [
            ("src/App/bin", Some(Reason::BuildOutput)),
            ("src/App/Debug", Some(Reason::BuildOutput)),
            ("src/App/Pages", None),
            ("src/bin", None),
            ("bin", None),
            ("Release", Some(Reason::BuildOutput)),
        ] {
            assert_eq!(folder(Path::new(name), &written.folder().join(name)), expect, "{name}");
        }
    }

    #[test]
    fn folders_of_others_are_left_out_and_modules_with_such_names_are_not() {
        let nowhere = Path::new("/nonexistent/folder");
        for (name, expect) in [
            ("node_modules", Some(Reason::Dependencies)),
            ("web/node_modules", Some(Reason::Dependencies)),
            ("target", Some(Reason::BuildOutput)),
            ("src/target", None),
            ("logs", Some(Reason::Log)),
            ("build", None),
            ("CVS", Some(Reason::Dependencies)),
            ("web/.angular", Some(Reason::BuildOutput)),
            ("dist-newstyle", Some(Reason::BuildOutput)),
            ("Release", None),
            ("bin", None),
            ("src/vendor", Some(Reason::Dependencies)),
            ("tools", None),
        ] {
            assert_eq!(folder(Path::new(name), nowhere), expect, "{name}");
        }
    }
}
