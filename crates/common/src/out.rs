//! Standard output: buffered, quiet about a closed pipe, safe for terminals.
//!
//! Data goes to stdout through [`Out`], and what another agent wrote passes [`sanitize`] before a
//! terminal sees it. JSON is never decorated.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::io::{self, BufWriter, IsTerminal as _, Write as _};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::Error;
use crate::sys;

/// When to color what people read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Standard output of one command.
pub struct Out {
    sink: BufWriter<Box<dyn io::Write>>,
    colored: bool,
    terminal: bool,
    /// Nobody reads any more, and that is no reason to stop.
    outlives_reader: bool,
}

impl Out {
    /// The process's stdout.
    pub fn stdout(color: Color) -> Self {
        let stdout = io::stdout();
        let terminal = stdout.is_terminal();
        let colored = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => anstream::AutoStream::choice(&stdout) != anstream::ColorChoice::Never,
        };
        Self { sink: BufWriter::new(Box::new(stdout)), colored, terminal, outlives_reader: false }
    }

    /// An error when this process was started without a stdout: what is written to it goes nowhere, and
    /// nothing else would say so.
    pub fn must_be_there() -> Result<(), Error> {
        if sys::had_no_stdout() {
            return Err(Error::Output(io::Error::from_raw_os_error(libc::EBADF)));
        }
        Ok(())
    }

    /// A sink for tests: no terminal, no color.
    pub fn to(sink: impl io::Write + 'static) -> Self {
        Self {
            sink: BufWriter::new(Box::new(sink)),
            colored: false,
            terminal: false,
            outlives_reader: false,
        }
    }

    /// Goes on when the pipe is closed, without a word: for commands that end by themselves and whose exit code is
    /// an answer, whoever reads the rest.
    #[must_use]
    pub fn outliving_its_reader(mut self) -> Self {
        self.outlives_reader = true;
        self
    }

    /// Whether a person is reading: relative times, tables cut to the width, progress.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Writes text and a newline.
    pub fn line(&mut self, text: impl fmt::Display) -> Result<(), Error> {
        let written = writeln!(self.sink, "{text}");
        self.judge(written)
    }

    /// Writes bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let written = self.sink.write_all(bytes);
        self.judge(written)
    }

    /// Writes one JSON document on a line of its own.
    pub fn json(&mut self, value: &impl Serialize) -> Result<(), Error> {
        let written = serde_json::to_writer(&mut self.sink, value)
            .map_err(io::Error::from)
            .and_then(|()| self.sink.write_all(b"\n"));
        self.judge(written)
    }

    /// Sends what is buffered; a command calls it once before it returns.
    pub fn flush(&mut self) -> Result<(), Error> {
        let flushed = self.sink.flush();
        self.judge(flushed)
    }

    /// What a write means: when the reader is gone, nothing to those who outlive it.
    fn judge(&mut self, written: io::Result<()>) -> Result<(), Error> {
        match written {
            Err(error) if self.outlives_reader && error.kind() == io::ErrorKind::BrokenPipe => {
                self.sink = BufWriter::new(Box::new(io::sink()));
                Ok(())
            }
            written => written.map_err(Error::Output),
        }
    }

    /// `text` in the tone, when this output is colored.
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        if !self.colored {
            return text.to_owned();
        }
        let style = tone.style();
        format!("{style}{text}{style:#}")
    }
}

/// What a color says; the colors themselves are chosen in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// All is well.
    Good,
    /// Somebody should look.
    Warning,
    /// Something is broken or blocked.
    Bad,
    /// Less important.
    Faint,
    /// A heading.
    Strong,
}

impl Tone {
    fn style(self) -> Style {
        match self {
            Self::Good => AnsiColor::Green.on_default(),
            Self::Warning => AnsiColor::Yellow.on_default(),
            Self::Bad => AnsiColor::Red.on_default().bold(),
            Self::Faint => Style::new().dimmed(),
            Self::Strong => Style::new().bold(),
        }
    }
}

/// `text` with control characters, terminal escapes and direction overrides made visible.
pub fn sanitize(text: &str) -> Cow<'_, str> {
    // Nearly all text is printable ASCII, and looking at bytes is several times as fast.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) || !text.chars().any(is_hostile) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if is_hostile(character) {
            let _ = write!(safe, "{}", character.escape_default());
        } else {
            safe.push(character);
        }
    }
    Cow::Owned(safe)
}

/// Control characters, the marks that change the direction of the text around them, and letters
/// that nobody sees.
fn is_hostile(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{2029}' | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::{Out, sanitize};

    #[test]
    fn a_closed_pipe_is_an_error_but_for_those_who_outlive_their_reader() {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let text = "x".repeat(100_000);
        let mut out = Out::to(writer.try_clone().unwrap());
        assert!(out.line(&text).is_err());
        let mut out = Out::to(writer).outliving_its_reader();
        for _ in 0..3 {
            out.line(&text).unwrap();
            out.json(&text).unwrap();
            out.bytes(text.as_bytes()).unwrap();
            out.flush().unwrap();
        }
    }

    #[test]
    fn escapes_and_direction_marks_become_visible_and_the_rest_stays() {
        for (raw, safe) in [
            ("plain ✓ text", "plain ✓ text"),
            ("a\u{1b}]0;title\u{7}b", "a\\u{1b}]0;title\\u{7}b"),
            ("tab\tnewline\n", "tab\\tnewline\\n"),
            ("\u{202e}gpj.exe", "\\u{202e}gpj.exe"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("\u{61c}1", "\\u{61c}1"),
            ("a\u{200b}b\u{e0041}", "a\\u{200b}b\\u{e0041}"),
        ] {
            assert_eq!(sanitize(raw), safe);
        }
    }
}
