//! The tree of the files as text, cut to a number of lines: folders that do not fit are counted.
//!
//! Only folders that may be shown are looked into: a large tree has thousands of others.

use std::cmp::Reverse;
use std::fmt::Write as _;

/// A folder: the names of all files in it, sorted by their bytes, and how long its own path is.
#[derive(Debug, Clone, Copy)]
struct Folder<'a> {
    names: &'a [&'a str],
    start: usize,
}

/// What is directly in a folder: folders, by name, and files.
#[derive(Debug, Default)]
struct Children<'a> {
    folders: Vec<(&'a str, Folder<'a>)>,
    files: Vec<&'a str>,
}

impl<'a> Folder<'a> {
    fn children(self) -> Children<'a> {
        let mut children = Children::default();
        let mut rest = self.names;
        while let Some(first) = rest.first() {
            let own = first.get(self.start..).unwrap_or_default();
            let Some((name, _)) = own.split_once('/') else {
                children.files.push(own);
                rest = &rest[1..];
                continue;
            };
            let start = self.start + name.len() + 1;
            let path = first.get(..start).unwrap_or_default();
            // What is in a folder stands together.
            let (names, others) =
                rest.split_at(rest.partition_point(|name| name.starts_with(path)));
            children.folders.push((name, Folder { names, start }));
            rest = others;
        }
        children.folders.sort_by_key(|(name, _)| *name);
        children
    }
}

impl Children<'_> {
    fn n_lines(&self) -> usize {
        self.folders.len() + self.files.len()
    }
}

/// The tree of `names`, which are separated by `/`, in at most `n_lines` lines.
///
/// The folders nearest to the root are opened first; one that does not fit says how many files it has.
pub(crate) fn render(names: &[String], n_lines: usize) -> String {
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.sort_unstable();
    let root = Folder { names: &names, start: 0 }.children();
    let mut left = n_lines.saturating_sub(root.n_lines().min(n_lines));
    let mut open = Vec::new();
    let mut level = below("", &root);
    while !level.is_empty() {
        // What is hidden holds settings, and where the most files are is the most to see.
        level.sort_by_key(|(path, folder)| (is_hidden(path), Reverse(folder.names.len())));
        let mut next = Vec::new();
        for (path, folder) in level {
            let children = folder.children();
            if children.n_lines() <= left {
                left -= children.n_lines();
                next.extend(below(&path, &children));
                open.push(path);
            }
        }
        level = next;
    }
    open.sort();
    let mut text = String::new();
    write(&root, "", 0, &open, &mut text);
    let n_written = text.lines().count();
    if n_written > n_lines {
        let kept: String = text.split_inclusive('\n').take(n_lines.saturating_sub(1)).collect();
        return format!("{kept}… {} lines omitted …\n", n_written - n_lines.saturating_sub(1));
    }
    text
}

/// The folders in a folder, each with its path, which ends with `/`.
fn below<'a>(path: &str, children: &Children<'a>) -> Vec<(String, Folder<'a>)> {
    let folders = children.folders.iter();
    folders.map(|(name, folder)| (format!("{path}{name}/"), *folder)).collect()
}

/// Whether a folder, or one above it, has a name that begins with a dot.
fn is_hidden(path: &str) -> bool {
    path.split('/').any(|part| part.starts_with('.'))
}

fn write(folder: &Children<'_>, path: &str, depth: usize, open: &[String], text: &mut String) {
    let indent = "  ".repeat(depth);
    for (name, child) in &folder.folders {
        let child_path = format!("{path}{name}/");
        if open.binary_search(&child_path).is_ok() {
            let _ = writeln!(text, "{indent}{name}/");
            write(&child.children(), &child_path, depth + 1, open, text);
        } else {
            let n_files = child.names.len();
            let word = if n_files == 1 { "file" } else { "files" };
            let _ = writeln!(text, "{indent}{name}/ ({n_files} {word})");
        }
    }
    for name in &folder.files {
        let _ = writeln!(text, "{indent}{name}");
    }
}

#[cfg(test)]
mod tests {
    use super::render;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_tree_that_fits_is_shown_whole() {
        let names = names(&["README.md", "src/a/deep.rs", "src/main.rs"]);
        assert_eq!(render(&names, 10), "src/\n  a/\n    deep.rs\n  main.rs\nREADME.md\n");
    }

    #[test]
    fn folders_that_do_not_fit_are_counted_and_the_rest_is_said() {
        let names = names(&["a/1", "a/2", "a/3", "b/1", "c"]);
        assert_eq!(render(&names, 4), "a/ (3 files)\nb/\n  1\nc\n");
        assert_eq!(render(&names, 2), "a/ (3 files)\n… 2 lines omitted …\n");
    }

    #[test]
    fn the_larger_folder_is_opened_first_and_what_is_hidden_last() {
        let few = names(&["a/a/1", "b/b/1", "b/b/2"]);
        assert_eq!(render(&few, 6), "a/\n  a/ (1 file)\nb/\n  b/\n    1\n    2\n");
        let names = names(&[".github/a/1", ".github/a/2", "src/a/1", "src/a/2"]);
        assert_eq!(render(&names, 6), ".github/\n  a/ (2 files)\nsrc/\n  a/\n    1\n    2\n");
    }

    #[test]
    fn folders_stand_by_name_whatever_order_their_files_have() {
        let names = names(&["z/a/1", "a-b/1", "a/b/2", "a/1", "a"]);
        let expect = "a/\n  b/\n    2\n  1\na-b/\n  1\nz/\n  a/\n    1\na\n";
        assert_eq!(render(&names, 20), expect);
    }
}
