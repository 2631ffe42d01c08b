//! The tree of the files as text, cut to a number of lines: folders that do not fit are counted.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A folder: its folders by name, and its files.
#[derive(Debug, Default)]
struct Folder<'a> {
    folders: BTreeMap<&'a str, Folder<'a>>,
    files: Vec<&'a str>,
    n_files: usize,
}

impl<'a> Folder<'a> {
    fn insert(&mut self, path: &'a str) {
        self.n_files += 1;
        match path.split_once('/') {
            Some((first, rest)) => self.folders.entry(first).or_default().insert(rest),
            None => self.files.push(path),
        }
    }

    fn n_lines(&self) -> usize {
        self.folders.len() + self.files.len()
    }
}

/// The tree of `names`, which are separated by `/`, in at most `n_lines` lines.
///
/// The folders nearest to the root are opened first; one that does not fit says how many files it has.
pub(crate) fn render(names: &[String], n_lines: usize) -> String {
    let mut root = Folder::default();
    for name in names {
        root.insert(name);
    }
    let mut left = n_lines.saturating_sub(root.n_lines().min(n_lines));
    let mut open = Vec::new();
    let mut level: Vec<(String, &Folder<'_>)> = vec![(String::new(), &root)];
    while !level.is_empty() {
        let mut next = Vec::new();
        for (path, folder) in level {
            for (name, child) in &folder.folders {
                let path = format!("{path}{name}/");
                if child.n_lines() <= left {
                    left -= child.n_lines();
                    open.push(path.clone());
                    next.push((path, child));
                }
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

fn write(folder: &Folder<'_>, path: &str, depth: usize, open: &[String], text: &mut String) {
    let indent = "  ".repeat(depth);
    for (name, child) in &folder.folders {
        let child_path = format!("{path}{name}/");
        if open.binary_search(&child_path).is_ok() {
            let _ = writeln!(text, "{indent}{name}/");
            write(child, &child_path, depth + 1, open, text);
        } else {
            let word = if child.n_files == 1 { "file" } else { "files" };
            let _ = writeln!(text, "{indent}{name}/ ({} {word})", child.n_files);
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
}
