//! The names of the files that git tracks, in its order: by their bytes.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// The tracked files under the packed folder.
#[derive(Debug, Default)]
pub(crate) struct Tracked {
    /// Their paths, each ended by NUL.
    names: Vec<u8>,
}

impl<'a> FromIterator<&'a [u8]> for Tracked {
    fn from_iter<I: IntoIterator<Item = &'a [u8]>>(names: I) -> Self {
        let mut tracked = Self::default();
        for name in names {
            tracked.names.extend_from_slice(name);
            tracked.names.push(0);
        }
        tracked
    }
}

impl Tracked {
    /// Those of these paths, which are sorted by their bytes, that git does not track.
    pub(crate) fn untracked<'a>(
        &'a self,
        paths: &'a [&'a Path],
    ) -> impl Iterator<Item = &'a Path> + 'a {
        let mut start = 0;
        let ends = memchr::memchr_iter(0, &self.names);
        let names = ends.map(move |end| &self.names[std::mem::replace(&mut start, end + 1)..end]);
        let mut names = names.peekable();
        paths.iter().copied().filter(move |path| {
            let path = path.as_os_str().as_bytes();
            while names.next_if(|name| *name < path).is_some() {}
            names.peek() != Some(&path)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_tracked_is_found_between_what_is() {
        let tracked: Tracked = [&b"a"[..], b"b/c", b"b/d", b"e"].into_iter().collect();
        let paths = ["a", "a.rs", "b/d", "b/e", "f"].map(Path::new);
        let untracked: Vec<&Path> = tracked.untracked(&paths).collect();
        assert_eq!(untracked, ["a.rs", "b/e", "f"].map(Path::new));
        assert_eq!(Tracked::default().untracked(&paths).count(), 5);
    }
}
