//! What the description of a server is completed from: the environment, the home directory, who runs it.
//!
//! It is a value, so that a test has surroundings of its own.

use std::cell::LazyCell;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::{environment, place, sys};

/// How a variable is looked up.
type Lookup = Box<dyn Fn(&str) -> Option<OsString>>;

/// The surroundings of a process.
pub(super) struct Surroundings {
    variable: Lookup,
    home: Option<PathBuf>,
    /// Asked for when nothing else names a user: it reads the whole configuration of the name service.
    user: LazyCell<Option<String>>,
    program: Option<String>,
    service_folder: PathBuf,
    socket_folder: PathBuf,
}

/// Debian's packages of the client look for the machine's services here; there is no place that all systems share.
const SERVICE_FOLDER: &str = "/etc/postgresql-common";
/// Where the packages of Linux distributions put the server's socket; upstream's own default is `/tmp`.
const SOCKET_FOLDERS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

impl Surroundings {
    /// Those of this process.
    pub(super) fn of_this_process() -> Self {
        let there = SOCKET_FOLDERS.iter().find(|folder| Path::new(folder).is_dir());
        Self {
            variable: Box::new(environment::os),
            home: place::home().ok(),
            user: LazyCell::new(sys::passwd_name),
            program: std::env::args_os()
                .next()
                .as_deref()
                .and_then(|name| Path::new(name).file_name()?.to_str().map(str::to_owned)),
            service_folder: environment::os("PGSYSCONFDIR")
                .map_or_else(|| PathBuf::from(SERVICE_FOLDER), PathBuf::from),
            socket_folder: PathBuf::from(there.unwrap_or(&SOCKET_FOLDERS[1])),
        }
    }

    /// The value of a variable; an empty one counts as absent.
    pub(super) fn variable(&self, name: &str) -> Option<OsString> {
        (self.variable)(name)
    }

    /// A file below the home directory.
    pub(super) fn in_home(&self, relative: &str) -> Option<PathBuf> {
        self.home.as_ref().map(|home| home.join(relative))
    }

    /// `path` with a `~` in front of it resolved, as nobody does for a crontab line.
    pub(super) fn expand(&self, path: &str) -> PathBuf {
        match path.strip_prefix("~/").and_then(|rest| self.in_home(rest)) {
            Some(path) => path,
            None => PathBuf::from(path),
        }
    }

    /// The name of the user who runs this.
    pub(super) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The name by which this program was called.
    pub(super) fn program(&self) -> Option<&str> {
        self.program.as_deref()
    }

    /// Where the service file of the whole machine is.
    pub(super) fn service_folder(&self) -> &Path {
        &self.service_folder
    }

    /// Where the socket of a server on this machine is.
    pub(super) fn socket_folder(&self) -> &Path {
        &self.socket_folder
    }

    /// Surroundings for a test: these variables, this home, the user `me`.
    #[cfg(any(test, fuzzing))]
    pub(super) fn for_test(home: &Path, variables: &[(&str, &str)]) -> Self {
        let variables: std::collections::BTreeMap<String, OsString> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), value.into())).collect();
        Self {
            variable: Box::new(move |name| {
                variables.get(name).filter(|value| !value.is_empty()).cloned()
            }),
            home: Some(home.to_path_buf()),
            user: LazyCell::new(|| Some("me".to_owned())),
            program: Some("test".to_owned()),
            service_folder: home.join("etc"),
            socket_folder: home.join("run"),
        }
    }
}
