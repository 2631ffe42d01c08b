//! What a machine has for a server: its programs, a user to run as, a free port.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

/// The oldest version that the product promises to work with.
const OLDEST: u32 = 14;

/// Where the programs of the server are: the newest of Debian's folders, else those of the PATH. `None` when there
/// are none, or only old ones.
pub fn programs() -> Option<PathBuf> {
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<u32> =
        debian.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    versions.sort_unstable();
    let newest = versions
        .iter()
        .rev()
        .map(|version| PathBuf::from(format!("/usr/lib/postgresql/{version}/bin")));
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = newest.chain(env::split_paths(&path)).collect();
    folders.into_iter().find(|folder| {
        folder.join("initdb").exists() && version(folder).is_some_and(|version| version >= OLDEST)
    })
}

/// The major version of the server in `folder`.
fn version(folder: &Path) -> Option<u32> {
    let output = Command::new(folder.join("postgres")).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    // "postgres (PostgreSQL) 15.18 (Debian …)"
    text.split_whitespace().nth(2)?.split(['.', 'd', 'b', 'r']).next()?.parse().ok()
}

/// Whom to run as: for root the user of Debian's package, else the user without rights.
pub(super) fn owner() -> io::Result<Option<(u32, u32)>> {
    let id = |flag: &str, user: &str| -> Option<u32> {
        let output = Command::new("id").args([flag, user]).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    let me = Command::new("id").arg("-u").output()?;
    if me.stdout.trim_ascii() != b"0" {
        return Ok(None);
    }
    ["postgres", "nobody"]
        .iter()
        .find_map(|user| Some((id("-u", user)?, id("-g", user)?)))
        .map(Some)
        .ok_or_else(|| io::Error::other("there is no user to run a server as"))
}

/// A port on which nobody listens just now.
pub(super) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
