//! Which program is at the other end of a connection, as far as /proc tells.
//!
//! A label for the audit trail, and for tokens that only allow `exec` a check that raises the cost
//! of pretending; no boundary against a process of this user.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::session::Peer;

/// How a program is related to this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kin {
    /// This very file, or the one that an upgrade has put in its place.
    Ours,
    /// A credential-proxy that was installed elsewhere.
    OtherInstallation,
    Stranger,
}

/// The program of a client.
pub(super) struct Program {
    pub(super) path: Option<String>,
    pub(super) kin: Kin,
}

/// The file that this daemon was started from.
pub(crate) struct Own {
    identity: Option<(u64, u64)>,
    path: Option<PathBuf>,
}

fn identity(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

fn identity_at(path: &Path) -> Option<(u64, u64)> {
    path.metadata().ok().as_ref().map(identity)
}

impl Own {
    /// Asked once at the start: after an upgrade the path leads to another file.
    pub(crate) fn at_start() -> Self {
        let link = Path::new("/proc/self/exe");
        Self { identity: identity_at(link), path: link.read_link().ok() }
    }

    /// For people.
    pub(super) fn shown(&self) -> String {
        self.path.as_deref().map(common::place::for_people).unwrap_or_default()
    }

    pub(super) fn look_at(&self, peer: Peer) -> Program {
        let Some(pid) = peer.pid else { return Program { path: None, kin: Kin::Ours } };
        let link = PathBuf::from(format!("/proc/{pid}/exe"));
        let path = link.read_link().ok();
        Program {
            kin: self.kin(path.as_deref(), identity_at(&link)),
            path: path.map(|path| path.to_string_lossy().into_owned()),
        }
    }

    fn kin(&self, path: Option<&Path>, theirs: Option<(u64, u64)>) -> Kin {
        // Without /proc nothing can be told, and `exec` must work all the same.
        let Some(ours) = self.identity else { return Kin::Ours };
        let (Some(path), Some(theirs)) = (path, theirs) else { return Kin::Stranger };
        if theirs == ours {
            return Kin::Ours;
        }
        // Whoever can replace the file where this daemon came from could have replaced it before.
        let is_successor = self.path.as_deref() == Some(path) && identity_at(path) == Some(theirs);
        if is_successor {
            Kin::Ours
        } else if path.file_name().is_some_and(|name| name == crate::TOOL) {
            Kin::OtherInstallation
        } else {
            Kin::Stranger
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_successor_of_our_file_is_ours_and_a_file_elsewhere_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = folder.path().join(name);
            drop(common::place::private_file(&path).unwrap());
            path
        };
        let (path, elsewhere) = (file("credential-proxy"), file("python3"));
        let own = Own { identity: identity_at(&path), path: Some(path.clone()) };
        assert_eq!(own.kin(Some(&path), identity_at(&path)), Kin::Ours);
        assert_eq!(own.kin(Some(&elsewhere), identity_at(&elsewhere)), Kin::Stranger);
        // An upgrade: another file at the same place.
        let before = identity_at(&path);
        std::fs::rename(file("new"), &path).unwrap();
        assert_ne!(identity_at(&path), before);
        assert_eq!(own.kin(Some(&path), identity_at(&path)), Kin::Ours);
        // Not the one that is no longer there, nor one that only has the same path elsewhere.
        assert_eq!(own.kin(Some(&path), identity_at(&elsewhere)), Kin::OtherInstallation);
        assert_eq!(own.kin(None, None), Kin::Stranger);
        let blind = Own { identity: None, path: None };
        assert_eq!(blind.kin(None, None), Kin::Ours);
    }
}
