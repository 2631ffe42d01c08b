//! What moved lately where there is no git: the modification times of files, against the newest.
//!
//! A tree that was copied or unpacked has one time on all of its files, and then times say nothing.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use foldhash::HashMap;

use crate::value::to_f64;

/// Times closer together than this are those of a copy.
const COPY: Duration = Duration::from_secs(60 * 60);

/// After this long a modification counts half.
const HALF_AT: Duration = Duration::from_secs(24 * 60 * 60);

/// How many of the newest files count.
const MOST: usize = 50;

/// How much each of the newest files moved, of those at `paths` in a folder.
pub(crate) fn movement(paths: &[&Path], folder: &Path) -> HashMap<OsString, f64> {
    let modified = |path: &&Path| folder.join(path).symlink_metadata().ok()?.modified().ok();
    let mut times: Vec<_> =
        paths.iter().filter_map(|path| Some((modified(path)?, *path))).collect();
    times.sort_by(|left, right| right.0.cmp(&left.0).then(left.1.cmp(right.1)));
    let (Some(newest), Some(oldest)) = (times.first(), times.last()) else {
        return HashMap::default();
    };
    let newest = newest.0;
    if newest.duration_since(oldest.0).unwrap_or_default() < COPY {
        return HashMap::default();
    }
    let age = |time| newest.duration_since(time).unwrap_or_default().as_secs();
    let weight = |seconds: u64| {
        let half = HALF_AT.as_secs();
        1.0 / (1.0
            + to_f64(usize::try_from(seconds / 60).unwrap_or(usize::MAX))
                / to_f64(usize::try_from(half / 60).unwrap_or(1)))
    };
    times.into_iter().take(MOST).map(|(time, path)| (path.into(), weight(age(time)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::fs::File;
    use std::time::SystemTime;

    #[test]
    fn the_newest_files_moved_unless_all_are_of_one_copy() {
        let folder = tempfile::tempdir().unwrap();
        let names = [Path::new("a"), Path::new("b")];
        for name in names {
            File::create(folder.path().join(name)).unwrap();
        }
        assert!(movement(&names, folder.path()).is_empty());
        let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        File::open(folder.path().join("a")).unwrap().set_modified(old).unwrap();
        let movement = movement(&names, folder.path());
        assert!(movement[OsStr::new("b")] > movement[OsStr::new("a")]);
    }
}
