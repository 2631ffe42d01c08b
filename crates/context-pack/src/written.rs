//! Files that a test writes; no part of the tool.

use std::path::{Path, PathBuf};

/// Files in a folder that goes with them.
pub(crate) struct Written<'a> {
    /// Their paths in the folder.
    pub(crate) paths: Vec<&'a Path>,
    folder: tempfile::TempDir,
}

impl<'a> Written<'a> {
    /// Writes files with these paths and texts.
    pub(crate) fn new(files: &[(&'a str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<&Path> = files.iter().map(|(path, _)| Path::new(*path)).collect();
        let real: Vec<PathBuf> = paths.iter().map(|path| folder.path().join(path)).collect();
        for (path, (_, text)) in real.iter().zip(files) {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            #[expect(clippy::disallowed_methods, reason = "a file of a test")]
            std::fs::write(path, text).unwrap();
        }
        Self { paths, folder }
    }
    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}
