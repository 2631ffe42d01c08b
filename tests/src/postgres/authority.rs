//! Certificates for stories: an authority of their own and servers that it vouches for, made by openssl.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::postgres::Cluster;

/// An authority, and where it keeps its files.
#[derive(Debug)]
pub struct Authority {
    folder: tempfile::TempDir,
}

impl Authority {
    /// A new one.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let authority = Self { folder };
        authority.openssl(&[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "30",
            "-subj",
            "/CN=authority",
            "-keyout",
            "ca.key",
            "-out",
            "ca.crt",
        ]);
        authority
    }

    /// The certificate that clients trust.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }

    /// A certificate and its key for `subject`, with these alternative names.
    pub fn issue(&self, subject: &str, names: Option<&str>) -> (PathBuf, PathBuf) {
        let (key, request, certificate) =
            (format!("{subject}.key"), format!("{subject}.csr"), format!("{subject}.crt"));
        self.openssl(&[
            "req",
            "-new",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-subj",
            &format!("/CN={subject}"),
            "-keyout",
            &key,
            "-out",
            &request,
        ]);
        let names = names.map(|names| format!("subjectAltName={names}\n")).unwrap_or_default();
        fs::write(
            self.folder.path().join("extensions"),
            format!("basicConstraints=CA:FALSE\n{names}"),
        )
        .expect("a file");
        self.openssl(&[
            "x509",
            "-req",
            "-in",
            &request,
            "-CA",
            "ca.crt",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "30",
            "-extfile",
            "extensions",
            "-out",
            &certificate,
        ]);
        (self.folder.path().join(certificate), self.folder.path().join(key))
    }

    fn openssl(&self, args: &[&str]) {
        let status = Command::new("openssl")
            .args(args)
            .current_dir(self.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .expect("openssl runs");
        assert!(status.success(), "openssl {args:?}");
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

/// Has a server show `certificate` from its next start.
pub fn certify(cluster: &mut Cluster, certificate: &Path, key: &Path) {
    for (from, name) in [(certificate, "server.crt"), (key, "server.key")] {
        let to = cluster.data().join(name);
        fs::copy(from, &to).expect("a copy");
        fs::set_permissions(&to, fs::Permissions::from_mode(0o600)).expect("a mode");
        if let Some((user, group)) = cluster.owner() {
            chown(&to, Some(user), Some(group)).expect("an owner");
        }
    }
    cluster.set("ssl", "on");
}
