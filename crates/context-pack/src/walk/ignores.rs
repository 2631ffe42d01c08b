//! What the ignore files of a folder and of the folders above it leave out.
//!
//! An ignore file is read only if it is a regular file of a size that people write: one that is a
//! pipe would never end, and one that leads to a device would fill the memory.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::git::checkout;

/// The names of ignore files; what an earlier one says counts more, however far up it stands.
const NAMES: [&str; 3] = [".context-packignore", ".ignore", ".gitignore"];

/// Above the largest that people write, below what costs a noticeable time.
const LARGEST: u64 = 1024 * 1024;

/// The rules of a folder, and those of the folders above it.
#[derive(Debug, Default)]
pub(super) struct Ignores {
    above: Option<Arc<Ignores>>,
    /// What each of [`NAMES`] says here, and last what git's own folder says.
    said: [Option<Gitignore>; NAMES.len() + 1],
}

/// Which ignore files a folder has.
#[derive(Debug, Default)]
pub(super) struct Has {
    named: [bool; NAMES.len()],
    git: bool,
}

impl Has {
    /// Notes the name of something in the folder.
    pub(super) fn note(&mut self, name: &std::ffi::OsStr) {
        if name == ".git" {
            self.git = true;
        }
        for (has, known) in self.named.iter_mut().zip(NAMES) {
            *has |= name == known;
        }
    }

    fn any(&self) -> bool {
        self.git || self.named.contains(&true)
    }
}

impl Ignores {
    /// The rules of the folders above `folder`, as far as its work tree reaches.
    ///
    /// Above the work tree nothing counts, or the same tree would be packed differently in two
    /// places.
    pub(super) fn above(folder: &Path, problems: &mut Vec<String>) -> Arc<Self> {
        let mut ignores = Arc::new(Self::default());
        let Some(top) = checkout::top_of(folder) else { return ignores };
        let above: Vec<&Path> = folder.ancestors().skip(1).collect();
        for folder in above.into_iter().rev().skip_while(|above| *above != top) {
            let has = Has { named: [true; NAMES.len()], git: folder == top };
            ignores = ignores.within(folder, folder, &has, problems);
        }
        ignores
    }

    /// The rules in a folder that lies in one with these rules; `name` is what people call it.
    pub(super) fn within(
        self: &Arc<Self>,
        folder: &Path,
        name: &Path,
        has: &Has,
        problems: &mut Vec<String>,
    ) -> Arc<Self> {
        if !has.any() {
            return Arc::clone(self);
        }
        let mut here = Self { above: Some(Arc::clone(self)), ..Self::default() };
        for ((said, has), file) in here.said.iter_mut().zip(has.named).zip(NAMES) {
            if has {
                let called = name.join(file).display().to_string();
                *said = read(folder, &folder.join(file), &called, problems);
            }
        }
        if let Some(exclude) = has.git.then(|| exclude_file(folder)).flatten() {
            here.said[NAMES.len()] =
                read(folder, &exclude, &exclude.display().to_string(), problems);
        }
        if here.said.iter().all(Option::is_none) { Arc::clone(self) } else { Arc::new(here) }
    }

    /// Whether there is any rule.
    pub(super) fn is_empty(&self) -> bool {
        self.above.is_none() && self.said.iter().all(Option::is_none)
    }

    /// Whether the file or folder at `path` is left out; the nearest rule that says something decides.
    pub(super) fn ignore(&self, path: &Path, is_folder: bool) -> bool {
        (0..self.said.len()).find_map(|kind| self.verdict(kind, path, is_folder)).unwrap_or(false)
    }

    fn verdict(&self, kind: usize, path: &Path, is_folder: bool) -> Option<bool> {
        let mut here = Some(self);
        while let Some(ignores) = here {
            if let Some(said) = &ignores.said[kind] {
                let matched = said.matched(path, is_folder);
                if !matched.is_none() {
                    return Some(matched.is_ignore());
                }
            }
            here = ignores.above.as_deref();
        }
        None
    }
}

/// The rules in the file at `path`, which people know as `called`, for what is in `folder`.
fn read(folder: &Path, path: &Path, called: &str, problems: &mut Vec<String>) -> Option<Gitignore> {
    let bytes = match content(path) {
        Ok(bytes) => bytes?,
        Err(error) => {
            problems.push(format!("packing without the ignore file {called}: {error}"));
            return None;
        }
    };
    let mut builder = GitignoreBuilder::new(folder);
    let text = String::from_utf8_lossy(&bytes);
    for line in text.strip_prefix('\u{feff}').unwrap_or(&text).lines() {
        // A line that is no pattern is skipped, as git does.
        let _ = builder.add_line(None, line);
    }
    builder.build().ok().filter(|rules| !rules.is_empty())
}

/// What is in an ignore file; nothing when there is none.
fn content(path: &Path) -> io::Result<Option<Vec<u8>>> {
    // To open a device can do something to it, so it is looked at before.
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => return Ok(None),
        Ok(metadata) if !metadata.is_file() => return Err(io::Error::other("no regular file")),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    // What took its place since then must not block.
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("no regular file"));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::other("larger than 1 MiB"));
    }
    Ok(Some(bytes))
}

/// The file in git's own folder with the rules that are not committed.
fn exclude_file(folder: &Path) -> Option<PathBuf> {
    const NAME: &str = "info/exclude";
    let git = folder.join(".git");
    if git.is_dir() {
        return Some(git.join(NAME));
    }
    // A linked work tree has a file that names its own folder, which names the common one.
    let own = checkout::linked(folder)?;
    let common = checkout::line(&own.join("commondir"));
    let common = common.map_or_else(|| own.clone(), |name| own.join(name));
    Some(common.join(NAME))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::written::Written;

    #[test]
    fn the_nearest_rule_decides_and_our_own_file_counts_more_than_gits() {
        let written = Written::new(&[
            (".gitignore", "*.txt\nout/\n"),
            (".context-packignore", "!kept.txt\n"),
            ("sub/.gitignore", "!near.txt\n"),
        ]);
        let top = written.folder();
        let mut has = Has::default();
        for name in NAMES {
            has.note(name.as_ref());
        }
        let problems = &mut Vec::new();
        let ignores = Arc::new(Ignores::default()).within(top, Path::new(""), &has, problems);
        let sub = ignores.within(&top.join("sub"), Path::new("sub"), &has, problems);
        for (name, is_folder, expect) in [
            ("a.txt", false, true),
            ("kept.txt", false, false),
            ("sub/near.txt", false, false),
            ("sub/a.txt", false, true),
            ("sub/out", true, true),
            ("sub/out", false, false),
        ] {
            assert_eq!(sub.ignore(&top.join(name), is_folder), expect, "{name}");
        }
        assert!(problems.is_empty(), "{problems:?}");
    }

    #[test]
    fn a_part_of_a_work_tree_has_the_rules_of_the_folders_above_it_and_no_others() {
        let written = Written::new(&[
            (".gitignore", "outside.txt\n"),
            ("tree/.git/info/exclude", "own.txt\n"),
            ("tree/.gitignore", "*.log\n"),
            ("tree/.context-packignore", "a/b/data\n"),
            ("tree/a/.ignore", "near.txt\n"),
            ("tree/a/b/x", ""),
        ]);
        let folder = written.folder().join("tree/a/b");
        let problems = &mut Vec::new();
        let ignores = Ignores::above(&folder, problems);
        for (name, expect) in [
            ("own.txt", true),
            ("x.log", true),
            ("data", true),
            ("near.txt", true),
            ("outside.txt", false),
        ] {
            assert_eq!(ignores.ignore(&folder.join(name), false), expect, "{name}");
        }
        assert!(problems.is_empty(), "{problems:?}");
    }
}
