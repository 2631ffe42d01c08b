//! The forms of one line of a crontab.

use super::MARKER;
use crate::TOOL;
use crate::schedule::Schedule;

/// One line.
pub(super) enum Line<'a> {
    /// `NAME=value`.
    Variable { name: &'a str, value: &'a str },
    /// A schedule and a command.
    Job(JobLine<'a>),
    /// A job that has the guard in front, by us or by hand.
    Guarded,
    /// Empty, or a comment.
    Other,
    /// Something else; why.
    Unread(String),
}

/// A schedule and a command.
pub(super) struct JobLine<'a> {
    /// The line up to the command, with its blanks.
    head: &'a str,
    /// As in guard.toml; `None` for `@reboot`.
    pub(super) schedule: Option<String>,
    /// What the shell gets.
    pub(super) command: &'a str,
    /// From the first bare `%` on: what the command reads.
    input: &'a str,
}

impl<'a> Line<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Self {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return Self::Unread("it is not UTF-8".to_owned());
        };
        let trimmed = text.trim_start_matches([' ', '\t']);
        if trimmed.trim_end().is_empty() || trimmed.starts_with('#') {
            return Self::Other;
        }
        if let Some((name, value)) = variable(trimmed) {
            return Self::Variable { name, value };
        }
        Self::job(text, trimmed)
    }

    fn job(text: &'a str, trimmed: &'a str) -> Self {
        let n_fields = if trimmed.starts_with('@') { 1 } else { 5 };
        let Some(command_at) = behind_fields(trimmed, n_fields) else {
            return Self::Unread("it has no command".to_owned());
        };
        let fields = trimmed.get(..command_at).unwrap_or_default();
        let schedule = fields.split_whitespace().collect::<Vec<_>>().join(" ");
        let schedule = if schedule == "@reboot" {
            None
        } else {
            if let Err(error) = Schedule::parse(&schedule) {
                return Self::Unread(error.to_string());
            }
            Some(schedule)
        };
        let head_length = text.len() - trimmed.len() + command_at;
        let (head, rest) = text.split_at(head_length);
        if rest.trim().is_empty() {
            return Self::Unread("it has no command".to_owned());
        }
        if calls_guard(rest) {
            return Self::Guarded;
        }
        let (command, input) = rest.split_at(input_at(rest));
        if command.trim().is_empty() {
            return Self::Unread("it has no command".to_owned());
        }
        Self::Job(JobLine { head, schedule, command, input })
    }
}

impl JobLine<'_> {
    /// The line with the guard in front.
    ///
    /// The whole command goes to the shell that cron would have used, so that pipes, lists and
    /// redirections mean what they meant; what stands behind `%` stays cron's business.
    pub(super) fn guarded(&self, guard: &str, name: &str, shell: &str) -> String {
        let name = quote_word(name);
        let shell = quote_word(shell);
        let command = self.command.replace('\'', "'\\''");
        format!("{}{guard} exec {name} -- {shell} -c '{command}'{MARKER}{}", self.head, self.input)
    }
}

/// A line that [`JobLine::guarded`] made.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Guarded {
    pub(crate) name: String,
    /// The line as it was.
    pub(crate) original: String,
}

impl Guarded {
    /// Reads a wrapped line back; `None` for any other line.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let trimmed = text.trim_start_matches([' ', '\t']);
        if trimmed.starts_with('#') {
            return None;
        }
        let n_fields = if trimmed.starts_with('@') { 1 } else { 5 };
        let head_length = text.len() - trimmed.len() + behind_fields(trimmed, n_fields)?;
        let (head, rest) = text.split_at_checked(head_length)?;
        let (before, rest) = rest.split_once(" -c '")?;
        let words = shlex::split(before)?;
        let exec = words.iter().position(|word| word == "exec")?;
        let name = words.get(exec + 1)?;
        if words.get(exec + 2)? != "--" || words.len() != exec + 4 || !is_guard(words.first()?) {
            return None;
        }
        // The quoted command ends at the first quote that does not begin `'\''`.
        let mut command = String::new();
        let mut left = rest;
        let after = loop {
            let (part, behind) = left.split_once('\'')?;
            command.push_str(part);
            match behind.strip_prefix("\\''") {
                Some(behind) => {
                    command.push('\'');
                    left = behind;
                }
                None => break behind,
            }
        };
        let input = after.strip_prefix(MARKER)?;
        Some(Self { name: name.replace("\\%", "%"), original: format!("{head}{command}{input}") })
    }
}

/// A word for sh inside a crontab, where a bare `%` would end the command.
pub(crate) fn quote_word(word: &str) -> String {
    let quoted = shlex::try_quote(word).map_or_else(|_| word.to_owned(), Into::into);
    quoted.replace('%', "\\%")
}

fn is_guard(word: &str) -> bool {
    word.rsplit('/').next() == Some(TOOL)
}

/// Whether the command calls the guard by itself.
fn calls_guard(command: &str) -> bool {
    command.split([' ', '\t', ';', '&', '|', '(', ')', '\'', '"']).any(is_guard)
}

/// `NAME=value` as cron reads it: a quoted or bare name, blanks around the sign, a quoted or bare value.
fn variable(text: &str) -> Option<(&str, &str)> {
    let first = text.chars().next()?;
    let (name, rest) = if first == '"' || first == '\'' {
        text.get(1..)?.split_once(first)?
    } else {
        let end = text.find(|c: char| c.is_whitespace() || c == '=')?;
        text.split_at_checked(end)?
    };
    let value = rest.trim_start_matches([' ', '\t']).strip_prefix('=')?.trim();
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !is_name {
        return None;
    }
    let unquoted =
        ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
    Some((name, unquoted.unwrap_or(value)))
}

/// Where the text begins behind this many fields and the blanks after them.
fn behind_fields(text: &str, n_fields: usize) -> Option<usize> {
    let blank = |c: char| c == ' ' || c == '\t';
    let mut at = 0;
    for _ in 0..n_fields {
        let rest = text.get(at..)?;
        let end = rest.find(blank)?;
        let next = rest.get(end..)?.find(|c: char| !blank(c))?;
        at += end + next;
    }
    Some(at)
}

/// Where the first bare `%` stands; the end when there is none.
fn input_at(command: &str) -> usize {
    let mut escaped = false;
    for (at, character) in command.char_indices() {
        match character {
            '%' if !escaped => return at,
            // Cron looks one character back only: `\\%` is an escaped sign, too.
            _ => escaped = character == '\\',
        }
    }
    command.len()
}
