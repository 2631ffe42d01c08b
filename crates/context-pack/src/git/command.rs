//! The environment in which git runs: empty, but for what keeps it from running or reading anything
//! that the repository's configuration names.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use super::Git;

/// Settings that keep git from running or fetching anything, from reading files that are no part of
/// the repository, and from saying the same in other words.
const SETTINGS: &[(&str, &str)] = &[
    ("core.fsmonitor", "false"),
    ("core.hooksPath", "/dev/null"),
    ("core.pager", "cat"),
    // By default a name is as short as the number of objects allows, and a clone has fewer.
    ("core.abbrev", "10"),
    ("core.attributesFile", "/dev/null"),
    ("core.bigFileThreshold", "512m"),
    ("core.excludesFile", "/dev/null"),
    ("core.quotePath", "false"),
    ("core.untrackedCache", "false"),
    ("diff.algorithm", "default"),
    ("diff.external", ""),
    ("diff.ignoreSubmodules", "all"),
    ("diff.indentHeuristic", "true"),
    ("diff.interHunkContext", "0"),
    ("diff.noprefix", "false"),
    ("diff.mnemonicPrefix", "false"),
    ("diff.orderFile", "/dev/null"),
    ("diff.suppressBlankEmpty", "false"),
    ("i18n.logOutputEncoding", "UTF-8"),
    ("log.showRoot", "true"),
    ("log.showSignature", "false"),
    // Nobody is named, so the file of names, which can be a pipe, is not read.
    ("log.mailmap", "false"),
    ("log.follow", "false"),
    ("protocol.allow", "never"),
    ("safe.directory", "*"),
    ("safe.bareRepository", "all"),
    ("submodule.recurse", "false"),
];

/// How glibc keeps memory in git, in bytes; other allocators know nothing of it.
///
/// By default it gives every large file back to the system, which takes a seventh of the time of a
/// log with patches.
const ALLOCATOR: [(&str, &str); 3] = [
    ("MALLOC_MMAP_THRESHOLD_", "33554432"),
    ("MALLOC_TRIM_THRESHOLD_", "67108864"),
    ("MALLOC_TOP_PAD_", "4194304"),
];

impl Git {
    /// git with these arguments, about to be started at the top of the work tree.
    pub(super) fn command<A: AsRef<OsStr>>(&self, program: &Path, arguments: &[A]) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", &self.path)
            .env("LC_ALL", "C")
            .env("GIT_CONFIG_NOSYSTEM", "1");
        command
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_TERMINAL_PROMPT", "0");
        command
            // The configuration could name another folder, whose files a patch would show.
            .env("GIT_WORK_TREE", &self.top)
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_ALLOW_PROTOCOL", "none");
        for (name, n_bytes) in ALLOCATOR {
            command.env(name, n_bytes);
        }
        let filters = self.filters.iter().flat_map(|filter| {
            [("clean", ""), ("smudge", ""), ("process", ""), ("required", "false")]
                .map(|(key, value)| (format!("{filter}.{key}"), value))
        });
        let settings =
            SETTINGS.iter().map(|(key, value)| ((*key).to_owned(), *value)).chain(filters);
        let mut n_settings = 0;
        for (index, (key, value)) in settings.enumerate() {
            command
                .env(format!("GIT_CONFIG_KEY_{index}"), key)
                .env(format!("GIT_CONFIG_VALUE_{index}"), value);
            n_settings = index + 1;
        }
        command.env("GIT_CONFIG_COUNT", n_settings.to_string());
        command.arg("--no-pager").arg("--literal-pathspecs").args(arguments).current_dir(&self.top);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}
