//! What `add`, `edit` and `rename` share: secrets from prompts, stdin or chance, dates, names that are free.

use std::io::{IsTerminal as _, Read as _};

use chrono::{DateTime, NaiveDate};
use common::clock::Timestamp;
use common::duration;
use zeroize::Zeroizing;

use crate::cli::SecretArgs;
use crate::credential::Credential;
use crate::error::Error;
use crate::seal::new_key;
use crate::secret::Secret;
use crate::service;

/// The longest secret that is read from stdin.
const MAX_SECRET: u64 = 1 << 20;

/// The password and the further fields of a credential, from wherever they come.
pub(super) struct Secrets {
    pub(super) password: Option<Secret>,
    pub(super) fields: Vec<(String, Secret)>,
}

/// Reads the secrets that were asked for. With `wants_password` the password is one of them.
pub(super) fn secrets(
    from: &SecretArgs,
    fields: &[String],
    wants_password: bool,
) -> Result<Secrets, Error> {
    for name in fields {
        if crate::credential::BUILT_IN.contains(&name.as_str())
            || name.is_empty()
            || name.chars().any(char::is_control)
        {
            return Err(Error::Usage {
                message: format!("a field cannot be named `{}`", name.escape_default()),
            });
        }
    }
    if from.stdin {
        return from_stdin(fields, wants_password);
    }
    let password = match from.generate {
        Some(len) => Some(generate(usize::from(len))),
        None if wants_password => Some(ask_twice("Secret")?),
        None => None,
    };
    let fields = fields
        .iter()
        .map(|name| Ok((name.clone(), ask(&format!("{name}: "))?)))
        .collect::<Result<_, Error>>()?;
    Ok(Secrets { password, fields })
}

/// All of stdin is the password; with further fields each has a line of its own.
fn from_stdin(fields: &[String], wants_password: bool) -> Result<Secrets, Error> {
    let mut text = Zeroizing::new(String::new());
    std::io::stdin()
        .lock()
        .take(MAX_SECRET + 1)
        .read_to_string(&mut text)
        .map_err(common::error::file("read", "standard input"))?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > MAX_SECRET {
        return Err(refused("the secret on stdin is longer than 1 MiB"));
    }
    if fields.is_empty() {
        return Ok(Secrets {
            password: Some(non_empty(without_newline(&text))?),
            fields: Vec::new(),
        });
    }
    let mut lines = without_newline(&text).split('\n');
    let password =
        if wants_password { Some(non_empty(lines.next().unwrap_or_default())?) } else { None };
    let fields = fields
        .iter()
        .map(|name| match lines.next() {
            Some(line) => Ok((name.clone(), Secret::new(line))),
            None => Err(refused(&format!("stdin has no line for the field {name}"))),
        })
        .collect::<Result<_, Error>>()?;
    // A secret of several lines would be cut off without a word.
    if lines.next().is_some() {
        return Err(refused("stdin has more lines than there are secrets to read"));
    }
    Ok(Secrets { password, fields })
}

/// One final newline is that of `echo`; everything else belongs to the secret.
fn without_newline(text: &str) -> &str {
    text.strip_suffix('\n').unwrap_or(text)
}

fn refused(message: &str) -> Error {
    Error::Refused { message: message.to_owned(), hint: None }
}

fn non_empty(text: &str) -> Result<Secret, Error> {
    if text.is_empty() {
        return Err(refused("the secret is empty"));
    }
    Ok(Secret::new(text))
}

fn ask(prompt: &str) -> Result<Secret, Error> {
    if !std::io::stdin().is_terminal() {
        return Err(refused(
            "there is no terminal to ask for the secret; pass it on stdin with --stdin",
        ));
    }
    rpassword::prompt_password(prompt)
        .map(Secret::new)
        .map_err(|source| common::error::file("read", "the terminal")(source).into())
}

fn ask_twice(what: &str) -> Result<Secret, Error> {
    let first = ask(&format!("{what}: "))?;
    let first = non_empty(first.expose())?;
    if !ask("Once more: ")?.is_same(&first) {
        return Err(refused("the two secrets differ"));
    }
    Ok(first)
}

/// A secret of letters, digits, `-` and `_`, six bits of chance each.
pub(super) fn generate(len: usize) -> Secret {
    let mut text = Zeroizing::new(String::with_capacity(len + 48));
    while text.len() < len {
        let key = new_key();
        // The last of the 43 letters of a key carries four bits only, so it is left out.
        text.push_str(key.expose().get(..42).unwrap_or_default());
    }
    Secret::new(text.get(..len).unwrap_or_default())
}

/// The service that a name or a URL stands for, in the one form under which it is kept.
pub(super) fn service(text: &str) -> Result<String, Error> {
    let service = service::normal(text);
    if service.is_empty() || service.chars().any(char::is_control) || service.chars().count() > 1000
    {
        return Err(Error::Usage {
            message: "a service has 1 to 1000 characters, none of them a control character"
                .to_owned(),
        });
    }
    Ok(service)
}

/// No other credential than the one with this id may have the service and the username.
pub(super) fn check_free(
    all: &[Credential],
    id: i64,
    service: &str,
    username: &str,
) -> Result<(), Error> {
    let is_taken =
        |one: &Credential| one.id != id && one.service == service && one.username == username;
    if all.iter().any(is_taken) {
        return Err(Error::Exists { service: service.to_owned(), username: username.to_owned() });
    }
    Ok(())
}

/// A date, a moment, or a duration from now; `never` is no end.
pub(super) fn expiry(text: &str, now: Timestamp) -> Result<Option<Timestamp>, Error> {
    if text == "never" {
        return Ok(None);
    }
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Ok(Some(Timestamp(moment.timestamp_millis())));
    }
    if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d")
        && let Some(moment) = day.and_hms_opt(0, 0, 0)
    {
        return Ok(Some(Timestamp(moment.and_utc().timestamp_millis())));
    }
    match duration::parse(text) {
        Ok(duration) => Ok(Some(now.plus(duration))),
        Err(_) => Err(Error::Usage {
            message: format!(
                "`{}` is no date; write 2026-12-31, an RFC 3339 moment or a duration as 90d",
                text.escape_default()
            ),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_final_newline_is_not_part_of_a_secret() {
        for (text, secret) in
            [("a\n", "a"), ("a\r\n", "a\r"), ("a\r", "a\r"), (" a \n\n", " a \n"), ("a", "a")]
        {
            assert_eq!(without_newline(text), secret);
        }
    }

    #[test]
    fn generated_secrets_have_the_asked_length_and_differ() {
        for len in [8, 32, 43, 44, 200] {
            assert_eq!(generate(len).expose().len(), len);
        }
        assert!(!generate(32).is_same(&generate(32)));
    }

    #[test]
    fn expiries_are_dates_moments_or_durations() {
        let now = Timestamp(0);
        assert_eq!(expiry("2026-01-01", now).ok().flatten(), Some(Timestamp(1_767_225_600_000)));
        assert_eq!(
            expiry("2026-01-01T00:00:00Z", now).ok().flatten(),
            Some(Timestamp(1_767_225_600_000))
        );
        assert_eq!(expiry("1d", now).ok().flatten(), Some(Timestamp(86_400_000)));
        assert!(matches!(expiry("never", now), Ok(None)));
        assert!(expiry("soon", now).is_err());
    }
}
