//! The parts of a path under a root, taken from its bytes.
//!
//! Such a path has no `.`, no `..` and no doubled slash. What the standard library does with any
//! path takes ten times as long, which counts when every file of a large tree is looked at.

use std::borrow::Cow;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// The last part of the path in lower case, unusual bytes replaced.
pub(crate) fn lower_name(path: &Path) -> Cow<'_, str> {
    let bytes = path.as_os_str().as_bytes();
    let start = memchr::memrchr(b'/', bytes).map_or(0, |end| end + 1);
    let name = String::from_utf8_lossy(&bytes[start..]);
    // Most names are in lower case already.
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        name
    }
}

/// How many folders are between the file and the root.
pub(crate) fn depth(path: &Path) -> usize {
    memchr::memchr_iter(b'/', path.as_os_str().as_bytes()).count()
}

/// The folder that holds the file, as bytes; empty at the root.
pub(crate) fn folder(path: &Path) -> &[u8] {
    let bytes = path.as_os_str().as_bytes();
    &bytes[..memchr::memrchr(b'/', bytes).unwrap_or(0)]
}

/// The names of the folders above the file, from the root on; one that is empty at the root.
pub(crate) fn folders(path: &Path) -> impl Iterator<Item = &[u8]> {
    folder(path).split(|byte| *byte == b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_are_those_of_the_standard_library() {
        for path in ["a", "a/b", "a/b/c.rs", "deep/er/and/er/x"].map(Path::new) {
            let parent = path.parent().unwrap();
            assert_eq!(lower_name(path), path.file_name().unwrap().to_str().unwrap());
            assert_eq!(folder(path), parent.as_os_str().as_bytes());
            assert_eq!(depth(path), parent.components().count());
            let expect: Vec<&[u8]> =
                parent.components().map(|part| part.as_os_str().as_bytes()).collect();
            let found: Vec<&[u8]> = folders(path).filter(|part| !part.is_empty()).collect();
            assert_eq!(found, expect);
        }
        assert_eq!(lower_name(Path::new("src/README.Md")), "readme.md");
    }
}
