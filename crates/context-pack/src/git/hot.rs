//! Which lines moved lately: the lines that the last commits wrote, by their content.
//!
//! A line that was just written is likely to be written again, and so are its neighbors. Lines are
//! found again in the file by what they say, so no line numbers have to be carried through commits.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::path::PathBuf;

use super::{Git, to_path};
use crate::{lines, text};

/// The most bytes of patches that are looked at.
const LIMIT: usize = 6_000_000;

/// For each file the lines that were written lately, and how many commits ago.
#[derive(Debug, Default)]
pub(crate) struct Hot {
    /// The lines that moved in each.
    pub(crate) files: HashMap<PathBuf, Lines>,
}

/// Hashes of lines, with the age of the newest commit that wrote them.
pub(crate) type Lines = HashMap<u64, usize, BuildHasherDefault<Hashed>>;

/// Takes for its hash the number that it is given, which is one.
#[derive(Debug, Default)]
pub(crate) struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

/// The hash by which a line is found again.
pub(crate) fn hash(line: &str) -> u64 {
    let mut state: u64 = 0;
    let mut add = |word: [u8; 8]| {
        state = (state ^ u64::from_le_bytes(word)).wrapping_mul(0x9FB2_1C65_1E98_DF25);
        state ^= state >> 29;
    };
    let (words, rest) = lines::trim(line).as_bytes().as_chunks::<8>();
    for word in words {
        add(*word);
    }
    if !rest.is_empty() {
        let mut word = [0_u8; 8];
        word.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        add(word);
    }
    state
}

impl Hot {
    /// Reads the patches of the last `n_commits` commits.
    pub(crate) fn read(git: &Git, n_commits: usize) -> Self {
        let prefixes = ["--src-prefix=a/", "--dst-prefix=b/"];
        let mut show = vec!["--no-merges", "-p", "-U0", "--no-color", "--format=%x01%H"];
        // What was deleted has no lines, and short names of blobs take long to find.
        show.extend(["--irreversible-delete", "--full-index"]);
        show.extend(prefixes);
        // Lines of a file of which not even all is read are not worth the time that they take.
        let large = format!("core.bigFileThreshold={}", text::LIMIT);
        let mut arguments = vec!["-c".to_owned(), large];
        arguments.extend(git.log(n_commits, &show));
        let mut parser = Parser {
            git,
            hot: Self::default(),
            rest: Vec::new(),
            age: 0,
            n_bytes: 0,
            file: None,
            n_commits: 0,
        };
        // Without an answer nothing is hot, and the reason is told with the history.
        let _ = git.stream(&arguments, |piece| parser.feed(piece));
        parser.hot
    }
}

struct Parser<'a> {
    git: &'a Git,
    hot: Hot,
    rest: Vec<u8>,
    age: usize,
    n_commits: usize,
    n_bytes: usize,
    file: Option<PathBuf>,
}

impl Parser<'_> {
    /// Takes a piece; false when enough has been seen.
    fn feed(&mut self, piece: &[u8]) -> bool {
        let before = self.rest.len();
        self.rest.extend_from_slice(piece);
        let Some(end) = piece.iter().rposition(|byte| *byte == b'\n') else {
            return self.rest.len() < LIMIT;
        };
        let whole: Vec<u8> = self.rest.drain(..=before + end).collect();
        for line in whole.split(|byte| *byte == b'\n') {
            self.n_bytes += line.len() + 1;
            if self.n_bytes > LIMIT {
                return false;
            }
            self.line(line);
        }
        true
    }

    fn line(&mut self, line: &[u8]) {
        match line {
            [0x01, ..] => {
                self.age = self.n_commits;
                self.n_commits += 1;
                self.file = None;
            }
            [b'+', b'+', b'+', b' ', name @ ..] => {
                let name = name.strip_prefix(b"b/").and_then(|name| self.git.strip(name));
                self.file = name.map(to_path);
            }
            [b'+', text @ ..] if text.len() < 2000 => {
                let text = String::from_utf8_lossy(text);
                if let Some(file) = &self.file
                    && lines::trim(&text).len() >= 3
                {
                    if !self.hot.files.contains_key(file) {
                        self.hot.files.insert(file.clone(), Lines::default());
                    }
                    if let Some(lines) = self.hot.files.get_mut(file) {
                        lines.entry(hash(&text)).or_insert(self.age);
                    }
                }
            }
            _ => {}
        }
    }
}
