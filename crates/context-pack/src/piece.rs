//! Pieces of a document with their price, and files cut to a number of tokens.

use std::fmt::Write as _;

use crate::lines::lines;
use crate::prepare::Prepared;
use crate::redact::{Tally, redact};
use crate::render::{Depth, Renderer, Section};
use crate::summary::thousands;
use crate::tokens::Tokenizer;

/// The fewest tokens for which a cut file is still worth a look.
const LEAST: usize = 100;

/// A text as it stands in the document, with its price.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    /// The text.
    pub(crate) text: String,
    /// Its tokens when it stands alone.
    pub(crate) n_tokens: usize,
}

/// Makes pieces in one form, counted by one vocabulary.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Maker {
    /// Writes them.
    pub(crate) renderer: Renderer,
    /// Counts them.
    pub(crate) tokenizer: Tokenizer,
    /// Whether lines have their numbers.
    pub(crate) line_numbers: bool,
}

impl Maker {
    /// Counts a text.
    pub(crate) fn piece(self, text: String) -> Piece {
        let n_tokens = self.tokenizer.count(&text);
        Piece { text, n_tokens }
    }

    fn section(self, name: &str, tag: &'static str, depth: Depth, body: String) -> Piece {
        // Its content is redacted when it is read; a name can hold a secret too.
        let name = redact(name, &mut Tally::new()).into_owned();
        self.piece(self.renderer.section(&Section { name, tag, depth, body }))
    }

    /// The outline of a file in about `n_bytes`.
    pub(crate) fn outline(self, name: &str, file: &Prepared, n_bytes: usize) -> Piece {
        let (mut body, n_more) = file.outline.within(n_bytes);
        if n_more > 0 {
            let _ = writeln!(body, "… {n_more} more");
        }
        self.section(name, file.tag, Depth::Outline, body)
    }

    /// The whole file, when it has at most `limit` tokens.
    pub(crate) fn full(self, name: &str, file: &Prepared, limit: usize) -> Option<Piece> {
        // A token of text has 16 bytes at most for any stretch that matters, so longer files need no counting.
        if file.text.n_unread > 0 || file.text.body.len() / 16 > limit {
            return None;
        }
        let body =
            if self.line_numbers { numbered(&file.text.body) } else { file.text.body.clone() };
        let piece = self.section(name, file.tag, Depth::Full, body);
        (piece.n_tokens <= limit).then_some(piece)
    }

    /// The lines of a file that `shown` names, with its outline between them.
    pub(crate) fn excerpt(
        self,
        name: &str,
        file: &Prepared,
        shown: &[bool],
        outline_bytes: usize,
    ) -> Piece {
        let outlined = file.outline.choose(outline_bytes);
        let mut items = file
            .outline
            .items
            .iter()
            .zip(outlined)
            .filter(|(_, chosen)| *chosen)
            .map(|(item, _)| item)
            .peekable();
        let width = shown.len().to_string().len();
        let mut body = String::new();
        let mut n_omitted = 0;
        for (index, line) in lines(&file.text.body).enumerate() {
            let is_item = items.next_if(|item| item.at == index).is_some();
            if !is_item && !shown.get(index).copied().unwrap_or(false) {
                n_omitted += 1;
                continue;
            }
            omitted(&mut body, &mut n_omitted);
            if self.line_numbers {
                let _ = write!(body, "{:>width$}  ", index + 1);
            }
            let _ = writeln!(body, "{line}");
        }
        omitted(&mut body, &mut n_omitted);
        unread(&mut body, file);
        self.section(name, file.tag, Depth::Parts, body)
    }

    /// As much of the beginning as `limit` tokens hold, and for a document the headings of the rest.
    pub(crate) fn head(self, name: &str, file: &Prepared, limit: usize) -> Option<Piece> {
        if limit < LEAST {
            return None;
        }
        let lines: Vec<&str> = file.text.body.split_inclusive('\n').collect();
        let mut best = None;
        let (mut least, mut most) = (0, lines.len().min(limit));
        while least < most {
            let middle = least + (most - least).div_ceil(2);
            let piece =
                self.section(name, file.tag, Depth::Head, self.cut(file, &lines, middle, limit));
            if piece.n_tokens <= limit {
                best = Some(piece);
                least = middle;
            } else {
                most = middle - 1;
            }
        }
        best
    }

    /// The first lines, and headings of the rest in at most as many bytes as there are tokens, a
    /// quarter of the whole.
    fn cut(self, file: &Prepared, lines: &[&str], n_lines: usize, heading_bytes: usize) -> String {
        let kept: String = lines.iter().take(n_lines).copied().collect();
        let mut body = if self.line_numbers { numbered(&kept) } else { kept };
        omitted(&mut body, &mut lines.len().saturating_sub(n_lines));
        unread(&mut body, file);
        if file.tag == "markdown" {
            let rest: String = lines.iter().skip(n_lines).copied().collect();
            let mut left = heading_bytes;
            for heading in crate::outline::Outline::headings(&rest) {
                if heading.len() >= left {
                    break;
                }
                left -= heading.len() + 1;
                let _ = writeln!(body, "{heading}");
            }
        }
        body
    }
}

/// Says how many lines are missing here, and starts counting anew.
fn omitted(body: &mut String, n_lines: &mut usize) {
    if *n_lines > 0 {
        let word = if *n_lines == 1 { "line" } else { "lines" };
        let _ = writeln!(body, "… {} {word} omitted …", thousands(*n_lines));
        *n_lines = 0;
    }
}

/// Says how much of a large file was not read.
fn unread(body: &mut String, file: &Prepared) {
    if file.text.n_unread > 0 {
        let n_unread = usize::try_from(file.text.n_unread).unwrap_or(usize::MAX);
        let _ = writeln!(body, "… {} bytes omitted …", thousands(n_unread));
    }
}

/// Lines with their numbers, aligned.
fn numbered(body: &str) -> String {
    let width = crate::lines::count(body).to_string().len();
    let mut text = String::with_capacity(body.len() + body.len() / 8);
    for (index, line) in lines(body).enumerate() {
        let _ = writeln!(text, "{:>width$}  {line}", index + 1);
    }
    text
}
