//! One name for one place on disk, however it was reached.

use std::path::{Component, Path, PathBuf};

use common::error::{Error, file};

/// `path` absolute, without `.` and `..`, and with symbolic links followed as far as it exists.
///
/// What does not exist yet is named by the place where it would come to be.
pub(crate) fn absolute(path: &Path) -> Result<String, Error> {
    let failed = file("find the place of", path);
    let resolved = std::path::absolute(path).and_then(|absolute| resolve(&absolute));
    let text = resolved.and_then(|resolved| {
        resolved.into_os_string().into_string().map_err(|_| {
            std::io::Error::new(std::io::ErrorKind::InvalidInput, "the path is not UTF-8 text")
        })
    });
    text.map_err(failed)
}

fn resolve(absolute: &Path) -> std::io::Result<PathBuf> {
    let mut resolved = PathBuf::from("/");
    for component in absolute.components() {
        match component {
            Component::Normal(name) => {
                let next = resolved.join(name);
                resolved = match next.canonicalize() {
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => next,
                    canonical => canonical?,
                };
            }
            Component::ParentDir => {
                resolved.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::CurDir => {}
        }
    }
    Ok(resolved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_place_has_one_name() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().canonicalize().unwrap();
        std::fs::create_dir(real.join("site")).unwrap();
        std::os::unix::fs::symlink(real.join("site"), real.join("link")).unwrap();
        let expect = real.join("site/new/page.md");
        for reached in [
            "site/new/page.md",
            "link/new/page.md",
            "site/./new/../new/page.md",
            "nothing/../link/new/page.md",
        ] {
            let name = absolute(&folder.path().join(reached)).unwrap();
            assert_eq!(Path::new(&name), expect, "{reached}");
        }
    }

    #[test]
    fn a_loop_of_links_is_an_error_and_no_hang() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        std::os::unix::fs::symlink(&one, &two).unwrap();
        std::os::unix::fs::symlink(&two, &one).unwrap();
        assert!(absolute(&one).is_err());
    }
}
