//! The password file, `~/.pgpass`, as libpq reads it.
//!
//! Each line is `host:port:database:user:password`, with `*` for any and a backslash before `:` and `\`. A file
//! that others may read is not used, as libpq does not; the caller learns of it, for a hint.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use zeroize::Zeroizing;

use super::password::Password;

/// What is read of a password file.
pub(super) enum Passfile {
    /// There is none.
    Absent,
    /// Others may read it, so it is passed over.
    Loose,
    /// It is no file, or it cannot be read.
    Unreadable,
    /// Its lines.
    Lines(Zeroizing<Vec<u8>>),
}

/// Whom a password is for.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) database: &'a str,
    pub(super) user: &'a str,
}

impl Passfile {
    pub(super) fn open(path: &Path) -> Self {
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Self::Absent,
            Err(_) => return Self::Unreadable,
        };
        if !metadata.is_file() {
            return Self::Unreadable;
        }
        if metadata.permissions().mode() & 0o077 != 0 {
            return Self::Loose;
        }
        match std::fs::read(path) {
            Ok(bytes) => Self::Lines(Zeroizing::new(bytes)),
            Err(_) => Self::Unreadable,
        }
    }

    /// The password of the first line that fits.
    pub(super) fn password(&self, wanted: Wanted<'_>) -> Option<Password> {
        let Self::Lines(bytes) = self else { return None };
        let port = wanted.port.to_string();
        bytes.split(|byte| *byte == b'\n').find_map(|line| {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.starts_with(b"#") {
                return None;
            }
            let rest = field(line, wanted.host)?;
            let rest = field(rest, &port)?;
            let rest = field(rest, wanted.database)?;
            let rest = field(rest, wanted.user)?;
            unescape(rest)
        })
    }
}

/// What follows the first field of `line` and its colon, when the field fits `wanted`.
fn field<'a>(line: &'a [u8], wanted: &str) -> Option<&'a [u8]> {
    if let Some(rest) = line.strip_prefix(b"*:") {
        return Some(rest);
    }
    let mut wanted = wanted.as_bytes();
    let mut rest = line;
    loop {
        let (&first, behind) = rest.split_first()?;
        if first == b':' && wanted.is_empty() {
            return Some(behind);
        }
        // A bare colon ends the field, so it cannot stand for one in the text that is looked for.
        if first == b':' {
            return None;
        }
        let (byte, behind) = if first == b'\\' {
            behind.split_first().map(|(byte, behind)| (*byte, behind))?
        } else {
            (first, behind)
        };
        let (&expected, left) = wanted.split_first()?;
        if byte != expected {
            return None;
        }
        (rest, wanted) = (behind, left);
    }
}

/// The last field, which a further colon would end.
fn unescape(field: &[u8]) -> Option<Password> {
    let mut text = Zeroizing::new(Vec::with_capacity(field.len()));
    let mut bytes = field.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b':' => break,
            b'\\' => text.push(bytes.next().unwrap_or(b'\\')),
            byte => text.push(byte),
        }
    }
    let text = std::str::from_utf8(&text).ok().filter(|text| !text.is_empty())?;
    Some(Password::new(Zeroizing::new(text.to_owned())))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "what a person would have written")]

    use std::fs;

    use proptest::prelude::*;

    use super::*;

    const ME: Wanted<'_> = Wanted { host: "h", port: 5432, database: "db", user: "me" };

    fn password(file: &str, wanted: Wanted<'_>) -> Option<String> {
        Passfile::Lines(Zeroizing::new(file.as_bytes().to_vec()))
            .password(wanted)
            .map(|password| password.reveal().to_owned())
    }

    #[test]
    fn the_first_line_that_fits_has_the_password() {
        let file = "# h:5432:db:me:comment\n\nx:5432:db:me:x\nh:*:db:me:one\r\nh:5432:db:me:two\n";
        assert_eq!(password(file, ME).as_deref(), Some("one"));
        assert_eq!(password(file, Wanted { database: "other", ..ME }), None);
        assert_eq!(password(file, Wanted { user: "m", ..ME }), None);
        assert_eq!(password("*:*:*:*:any", ME).as_deref(), Some("any"));
        assert_eq!(password("h:5432:db:me:", ME), None);
        assert_eq!(password("h:5432:db:me", ME), None);
        assert_eq!(password("", ME), None);
    }

    #[test]
    fn a_backslash_takes_the_meaning_of_what_follows() {
        assert_eq!(password(r"\h:5432:d\b:me:a\:b\\c", ME).as_deref(), Some(r"a:b\c"));
        assert_eq!(password(r"h:5432:db:me:end\", ME).as_deref(), Some(r"end\"));
        assert_eq!(password("h:5432:db:me:a:b", ME).as_deref(), Some("a"));
        let six = Wanted { host: "::1", ..ME };
        assert_eq!(password(r"\:\:1:5432:db:me:six", six).as_deref(), Some("six"));
        assert_eq!(password(r"::1:5432:db:me:six", six), None);
    }

    #[test]
    fn a_file_that_others_may_read_is_passed_over() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(".pgpass");
        assert!(matches!(Passfile::open(&path), Passfile::Absent));
        fs::write(&path, "*:*:*:*:x").unwrap();
        for (mode, is_used) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(matches!(Passfile::open(&path), Passfile::Lines(_)), is_used, "{mode:o}");
            assert_eq!(matches!(Passfile::open(&path), Passfile::Loose), !is_used, "{mode:o}");
        }
        assert!(matches!(Passfile::open(home.path()), Passfile::Unreadable));
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in "[*:\\\\hdbme0-9\n\r#]{0,40}") {
            let _ = password(&line, ME);
        }

        #[test]
        fn what_is_escaped_is_found(host in "[^\\x00\n\r*#]{1,10}", secret in "[^\\x00\n\r]{1,10}") {
            let escape = |text: &str| text.replace('\\', r"\\").replace(':', r"\:");
            let line = format!("{}:*:*:*:{}", escape(&host), escape(&secret));
            prop_assert_eq!(password(&line, Wanted { host: &host, ..ME }), Some(secret));
        }
    }
}
