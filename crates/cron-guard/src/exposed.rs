//! What other users of the machine may change or read and should not.
//!
//! Who can write the settings chooses the program that gets the alerts, so a file or a folder that others
//! may write is told; and so is state that others may look into. Nothing is tightened here.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use common::place;

const GROUP_WRITES: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// Everything that is open to others, one line each.
pub(crate) fn findings(settings: &Path, journal: Option<&Path>) -> Vec<String> {
    let target = std::fs::canonicalize(settings).unwrap_or_else(|_| settings.to_path_buf());
    let mut findings = Vec::new();
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
    for path in [Some(target.as_path()), folder].into_iter().flatten() {
        if let Some(mode) = mode_that_others_write(path) {
            findings.push(format!(
                "other users may write {} (mode {mode:o}), and so choose what alerts run; chmod go-w {0}",
                place::for_people(path),
            ));
        }
    }
    for folder in state_folders(journal) {
        // Where a link leads is what counts; the link itself has a mode that means nothing.
        let target = std::fs::canonicalize(&folder).unwrap_or_else(|_| folder.clone());
        if let Ok(Some(mode)) = place::looser_than_private(&target) {
            let folder = place::for_people(&folder);
            findings.push(format!(
                "{folder} has mode {mode:o}, so other users can look in; chmod 700 {folder}"
            ));
        }
    }
    findings
}

/// The folders that are ours; a journal that somebody put elsewhere lies in a folder of theirs.
fn state_folders(journal: Option<&Path>) -> Vec<PathBuf> {
    let own = [".local/state/cron-guard", ".local/state/agent-state"].map(place::in_home);
    let [guard, fleet] = own.map(Result::ok);
    let fleet = fleet.filter(|fleet| journal.and_then(Path::parent) == Some(fleet));
    [guard, fleet].into_iter().flatten().collect()
}

/// The mode of a path that others may write, or replace what is in it.
fn mode_that_others_write(path: &Path) -> Option<u32> {
    let found = path.metadata().ok()?;
    let mode = found.permissions().mode() & 0o7777;
    // Where each user has a group of their own, that group is nobody else.
    let is_own_group = found.gid() == found.uid();
    let writers = if is_own_group { OTHERS_WRITE } else { OTHERS_WRITE | GROUP_WRITES };
    // In a folder as /tmp, others add files and leave alone what is not theirs.
    let is_shared_place = found.is_dir() && mode & STICKY != 0;
    (mode & writers != 0 && !is_shared_place).then_some(mode)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;

    #[test]
    fn what_others_may_write_is_told_for_the_file_and_for_its_folder() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("guard.toml");
        common::atomic::write(&file, b"", 0o600).unwrap();
        assert_eq!(mode_that_others_write(&file), None);
        for (path, mode, is_told) in [
            (&file, 0o644, false),
            (&file, 0o646, true),
            (&home.path().to_path_buf(), 0o755, false),
            (&home.path().to_path_buf(), 0o777, true),
            (&home.path().to_path_buf(), 0o1777, false),
        ] {
            std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
            assert_eq!(mode_that_others_write(path).is_some(), is_told, "{mode:o}");
        }
    }
}
