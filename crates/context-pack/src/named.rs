//! What hangs together: files that the ones that move import, and that the documents at the root name.
//!
//! Only a few files are read for it, all of which are read for the document anyway. A name stands
//! for a file when the tree has it once or twice; what resolves imports exactly is a compiler.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;

use foldhash::HashMap;

use crate::kind::Kind;
use crate::lines::lines;
use crate::threads::on_threads;
use crate::value::{NAMED, NAMED_IN_DOCUMENT, Value};
use crate::{parts, text};

/// The most files whose imports are looked at.
const MOST: usize = 24;

/// The most lines of a file that are looked at.
const LINES: usize = 400;

/// A name that more files have than this stands for none of them.
const AMBIGUOUS: usize = 2;

/// What each of the files at `paths` in a folder, which are sorted, is worth because others name it.
pub(crate) fn worth(paths: &[&Path], folder: &Path, values: &[Value]) -> Vec<f64> {
    let real = |index: usize| folder.join(paths[index]);
    let mut worth = vec![0.0; paths.len()];
    let moves = |index: &usize| values[*index].movement + values[*index].changed;
    let mut moving: Vec<usize> = (0..paths.len())
        .filter(|index| is_code(values[*index].kind) && moves(index) > 0.0)
        .collect();
    moving.sort_by(|left, right| {
        moves(right).total_cmp(&moves(left)).then(paths[*left].cmp(paths[*right]))
    });
    moving.truncate(MOST);
    let mut modules: HashMap<&str, Vec<usize>> = HashMap::default();
    if !moving.is_empty() {
        for (index, path) in paths.iter().enumerate().filter(|(at, _)| is_code(values[*at].kind)) {
            if let Some(module) = module(path) {
                modules.entry(module).or_default().push(index);
            }
        }
    }
    let module_files = |word: &str| {
        let files = modules.get(word).filter(|files| files.len() <= AMBIGUOUS);
        files.cloned().unwrap_or_default()
    };
    let imported = on_threads(&moving, |index| named(&real(*index), imports, module_files));
    for (index, imported) in moving.into_iter().zip(imported) {
        let share = NAMED * moves(&index);
        for named in imported.into_iter().filter(|at| *at != index) {
            worth[named] += share;
        }
    }
    let documents: Vec<usize> = (0..paths.len())
        .filter(|index| {
            matches!(values[*index].kind, Kind::Instruction | Kind::Readme | Kind::Guide)
                && parts::depth(paths[*index]) == 0
        })
        .take(MOST)
        .collect();
    if documents.is_empty() {
        return worth;
    }
    let whole = |word: &str| {
        let found = paths.binary_search_by(|path| path.as_os_str().cmp(OsStr::new(word)));
        found.into_iter().collect()
    };
    let mut in_documents = BTreeSet::new();
    for index in documents {
        in_documents.extend(named(&real(index), mentions, whole));
    }
    for index in in_documents {
        worth[index] += NAMED_IN_DOCUMENT;
    }
    worth
}

fn is_code(kind: Kind) -> bool {
    matches!(kind, Kind::Source | Kind::Entry | Kind::Test)
}

/// The files that the text of the file at `path` names, each once.
fn named(
    path: &Path,
    words: impl Fn(&str) -> Vec<&str>,
    known: impl Fn(&str) -> Vec<usize>,
) -> BTreeSet<usize> {
    let Some(body) = text::head(path).ok().and_then(|(bytes, _)| text::decode(&bytes)) else {
        return BTreeSet::new();
    };
    let files = lines(&body).take(LINES).flat_map(words).flat_map(known);
    files.collect()
}

/// The name by which other code calls the file: its own, or that of its folder.
fn module(path: &Path) -> Option<&str> {
    let stem = path.file_stem()?.to_str()?;
    let stem = stem.split('.').next().filter(|stem| !stem.is_empty())?;
    if matches!(stem, "mod" | "index" | "__init__") {
        return path.parent()?.file_name()?.to_str();
    }
    // Every crate and program has its own of these.
    (!matches!(stem, "main" | "lib" | "__main__")).then_some(stem)
}

/// The words of a line that imports something.
fn imports(line: &str) -> Vec<&str> {
    let start = line.trim_start();
    let mut rest = start;
    if let Some(public) = start.strip_prefix("pub") {
        let public = public.trim_start();
        rest = match public.strip_prefix('(').and_then(|inner| inner.split_once(')')) {
            Some((_, after)) => after.trim_start(),
            None => public,
        };
    }
    let opens = ["use ", "mod ", "import ", "from ", "#include ", "require", "using "];
    let says = ["require(", "import(", " from '", " from \""];
    if !opens.iter().any(|word| rest.starts_with(word))
        && !says.iter().any(|say| line.contains(say))
    {
        return Vec::new();
    }
    line.split(|letter: char| !letter.is_alphanumeric() && !matches!(letter, '_' | '-'))
        .filter(|word| word.len() > 2)
        .collect()
}

/// The words of a line that could be paths.
fn mentions(line: &str) -> Vec<&str> {
    line.split(|letter: char| letter.is_whitespace() || "`'\"()[]<>,;:*|".contains(letter))
        .map(|word| word.trim_start_matches("./").trim_end_matches('.'))
        .filter(|word| word.contains('/'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Signals, of_all};
    use crate::written::Written;

    /// The worth of files with these paths and texts, of which the first moved.
    fn worth_of(files: &[(&str, &str)]) -> Vec<f64> {
        let written = Written::new(files);
        let paths = &written.paths;
        let movement = HashMap::from_iter([(paths[0].into(), 1.0)]);
        let values = of_all(paths, &Signals { movement, ..Signals::default() });
        worth(paths, written.folder(), &values)
    }

    #[test]
    fn what_a_moving_file_imports_is_worth_more_than_what_it_does_not() {
        for (moving, text, imported) in [
            ("src/a.rs", "use crate::kettle::Kettle;\n", "src/kettle.rs"),
            ("src/a.rs", "pub(crate) mod kettle;\n", "src/kettle/mod.rs"),
            ("app/a.py", "from .kettle import boil\n", "app/kettle.py"),
            ("lib/a.js", "const k = require('./kettle');\n", "lib/kettle.js"),
            ("lib/a.ts", "import { boil } from './kettle';\n", "lib/kettle/index.ts"),
            ("src/a.c", "#include \"kettle.h\"\n", "src/kettle.h"),
            ("lib/a.rb", "require_relative 'kettle'\n", "lib/kettle.rb"),
        ] {
            let worth = worth_of(&[(moving, text), (imported, "x\n"), ("src/other.rs", "x\n")]);
            assert!(worth[1] > 0.0 && worth[2] == 0.0 && worth[0] == 0.0, "{imported}: {worth:?}");
        }
    }

    #[test]
    fn a_name_in_ordinary_code_or_of_many_files_stands_for_none() {
        let text = "let kettle = 1;\nuse crate::cup;\n";
        let cups = [("a/cup.rs", ""), ("b/cup.rs", ""), ("c/cup.rs", "")];
        let mut files = vec![("src/a.rs", text), ("src/kettle.rs", "")];
        files.extend(cups);
        assert!(worth_of(&files).iter().all(|worth| *worth == 0.0));
    }

    #[test]
    fn a_path_that_the_readme_names_is_worth_something() {
        let files = [
            ("README.md", "Start with `./docs/boil.md`.\n"),
            ("docs/boil.md", ""),
            ("docs/x.md", ""),
        ];
        let worth = worth_of(&files);
        assert!(worth[1] > 0.0 && worth[2] == 0.0, "{worth:?}");
    }
}
