//! What moved lately: the files of the last commits, as far back as it changes the answer.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use foldhash::HashMap;

use super::{Failure, Git, OUTPUT_LIMIT, to_path};

/// A commit with the files that it changed under the packed folder.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Commit {
    /// Its hash.
    pub(crate) hash: String,
    /// The first line of its message.
    pub(crate) subject: String,
    /// The files that it changed.
    pub(crate) files: Vec<PathBuf>,
}

/// Commits, newest first.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// The commits.
    pub(crate) commits: Vec<Commit>,
    /// Why there are fewer than there should be.
    pub(crate) failure: Option<Failure>,
}

/// Starts the record of a commit; file names follow, each ended by NUL.
const MARK: u8 = 0x01;

impl History {
    /// Reads the last `n_commits` commits, merges left out, which weigh nothing.
    pub(crate) fn read(git: &Git, n_commits: usize) -> Self {
        Self::shown(git, n_commits, &["--no-merges", "--name-only"])
    }

    /// Reads the last `n_commits` commits without their files.
    pub(crate) fn messages(git: &Git, n_commits: usize) -> Self {
        Self::shown(git, n_commits, &["--no-patch"])
    }

    /// Reads the last `n_commits` commits; a merge has the files that it brought.
    pub(crate) fn with_merges(git: &Git, n_commits: usize) -> Self {
        Self::shown(git, n_commits, &["--diff-merges=first-parent", "--name-only"])
    }

    fn shown(git: &Git, n_commits: usize, show: &[&str]) -> Self {
        let mut show = show.to_vec();
        show.extend(["-z", "--format=%x01%H%x02%s"]);
        let arguments = git.log(n_commits, &show);
        let mut parser = Parser { git, commits: Vec::new(), rest: Vec::new() };
        let mut n_bytes = 0;
        let failure = git
            .stream(&arguments, |piece| {
                parser.feed(piece);
                n_bytes += piece.len();
                n_bytes < OUTPUT_LIMIT
            })
            .err();
        parser.finish();
        Self { commits: parser.commits, failure: failure.filter(|failure| !is_unborn(failure)) }
    }

    /// How much each file moved: for every commit that touched it, a weight that says how late and how narrow it was.
    pub(crate) fn movement(&self, weight: impl Fn(usize, usize) -> f64) -> HashMap<OsString, f64> {
        // A path hashes by its parts, which takes longer than by its bytes.
        let mut movement: HashMap<&OsStr, f64> = HashMap::default();
        for (age, commit) in self.commits.iter().enumerate() {
            let weight = weight(age, commit.files.len());
            for file in &commit.files {
                *movement.entry(file.as_os_str()).or_insert(0.0) += weight;
            }
        }
        movement.into_iter().map(|(file, weight)| (file.to_owned(), weight)).collect()
    }
}

/// A repository without a commit has no history, and that is no failure.
fn is_unborn(failure: &Failure) -> bool {
    matches!(failure, Failure::Said(text) if text.contains("does not have any commits yet"))
}

struct Parser<'a> {
    git: &'a Git,
    commits: Vec<Commit>,
    rest: Vec<u8>,
}

impl Parser<'_> {
    fn feed(&mut self, piece: &[u8]) {
        let before = self.rest.len();
        self.rest.extend_from_slice(piece);
        let Some(end) = piece.iter().rposition(|byte| *byte == 0) else { return };
        let whole: Vec<u8> = self.rest.drain(..=before + end).collect();
        for field in whole.split(|byte| *byte == 0) {
            self.field(field);
        }
    }

    fn finish(&mut self) {
        let rest = std::mem::take(&mut self.rest);
        self.field(&rest);
    }

    fn field(&mut self, field: &[u8]) {
        let field = field.strip_prefix(b"\n").unwrap_or(field);
        match field {
            [] => {}
            [MARK, head @ ..] => {
                let mut parts = head.splitn(2, |byte| *byte == 0x02);
                let text = |part: Option<&[u8]>| {
                    String::from_utf8_lossy(part.unwrap_or_default()).trim().to_owned()
                };
                let hash = text(parts.next());
                self.commits.push(Commit { hash, subject: text(parts.next()), files: Vec::new() });
            }
            file => {
                if let (Some(commit), Some(file)) = (self.commits.last_mut(), self.git.strip(file))
                {
                    commit.files.push(to_path(file));
                }
            }
        }
    }
}
