//! Takes a connection URL apart, by the rules of libpq.
//!
//! It knows no parameter and resolves nothing. It is stricter than libpq in one thing: a host, a port or a
//! database name with a bare `@` in it is refused, because then a password was written with a character that
//! should have been encoded, and the rest of it would turn up in messages as a host.

use zeroize::Zeroizing;

use super::wrong::ServerError;

/// A value that may be a secret.
pub(super) type Value = Zeroizing<String>;

/// Whether `text` is a URL of this engine, by its scheme.
pub(super) fn is_url(text: &str) -> bool {
    rest_of(text).is_some()
}

fn rest_of(text: &str) -> Option<&str> {
    ["postgres://", "postgresql://"].iter().find_map(|scheme| text.strip_prefix(scheme))
}

fn wrong(what: &'static str) -> ServerError {
    ServerError::Url { what }
}

/// The parts of `url` as pairs of a parameter and its value, in the order in which they were written.
pub(super) fn parse(url: &str) -> Result<Vec<(String, Value)>, ServerError> {
    let rest = rest_of(url).ok_or_else(|| wrong("it does not begin with postgres://"))?;
    let mut pairs = Vec::new();
    let mut put = |name: &str, value: Value| pairs.push((name.to_owned(), value));
    let (authority, query) = match credentials(rest) {
        Some((credentials, rest)) => {
            let (user, password) = match credentials.split_once(':') {
                Some((user, password)) => (user, Some(password)),
                None => (credentials, None),
            };
            if !user.is_empty() {
                put("user", decode(user)?);
            }
            if let Some(password) = password.filter(|password| !password.is_empty()) {
                put("password", decode(password)?);
            }
            split_query(rest)
        }
        None => split_query(rest),
    };
    let (places, database) = match authority.split_once('/') {
        Some((places, database)) => (places, Some(database)),
        None => (authority, None),
    };
    if authority.contains('@') {
        return Err(wrong(
            "there is an @ behind the host; a password with such a character needs %40",
        ));
    }
    let (hosts, ports) = hosts(places)?;
    if hosts.iter().any(|host| !host.is_empty()) {
        put("host", Zeroizing::new(hosts.join(",")));
    }
    if ports.iter().any(|port| !port.is_empty()) {
        put("port", Zeroizing::new(ports.join(",")));
    }
    if let Some(database) = database.filter(|database| !database.is_empty()) {
        put("dbname", decode(database)?);
    }
    for pair in query.into_iter().flat_map(|query| query.split('&')) {
        let (name, value) =
            pair.split_once('=').ok_or_else(|| wrong("a parameter behind the ? has no ="))?;
        if value.contains('=') {
            return Err(wrong("a parameter behind the ? has two =; inside a value it is %3D"));
        }
        put(&decode(name)?, decode(value)?);
    }
    Ok(pairs)
}

/// What stands before the first `@`, unless a `/` comes first, and what stands behind it.
fn credentials(rest: &str) -> Option<(&str, &str)> {
    let end = rest.find(['@', '/'])?;
    let (credentials, rest) = rest.split_at(end);
    rest.strip_prefix('@').map(|rest| (credentials, rest))
}

fn split_query(rest: &str) -> (&str, Option<&str>) {
    match rest.split_once('?') {
        Some((authority, query)) => (authority, Some(query).filter(|query| !query.is_empty())),
        None => (rest, None),
    }
}

/// `host:port,[::1]:port,…`, decoded.
fn hosts(places: &str) -> Result<(Vec<String>, Vec<String>), ServerError> {
    let (mut hosts, mut ports) = (Vec::new(), Vec::new());
    for place in places.split(',') {
        let (host, rest) = match place.strip_prefix('[') {
            Some(inner) => {
                let (host, rest) =
                    inner.split_once(']').ok_or_else(|| wrong("an IPv6 address has no ]"))?;
                if host.is_empty() {
                    return Err(wrong("an IPv6 address between [ and ] is empty"));
                }
                (host, rest)
            }
            None => place.split_at(place.find(':').unwrap_or(place.len())),
        };
        let port = match rest.strip_prefix(':') {
            Some(port) => port,
            None if rest.is_empty() => "",
            None => {
                return Err(wrong("something other than a port follows the ] of an IPv6 address"));
            }
        };
        hosts.push(decode(host)?.to_string());
        ports.push(decode(port)?.to_string());
    }
    Ok((hosts, ports))
}

/// Percent-decoding; a plus stays a plus.
fn decode(text: &str) -> Result<Value, ServerError> {
    // As long as the decoded text can get, so that no copy of a password is left behind by growing.
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = rest.split_first_chunk::<2>().and_then(|([high, low], behind)| {
            rest = behind;
            Some(digit(*high)? << 4 | digit(*low)?)
        });
        match digits {
            Some(0) => return Err(wrong("it has a %00")),
            Some(byte) => bytes.push(byte),
            None => {
                return Err(wrong(
                    "a % is not followed by two hexadecimal digits; a bare % is %25",
                ));
            }
        }
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(wrong("a part of it is not UTF-8 when it is decoded")),
    }
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// `text` with everything encoded that could be taken for a part of a URL's frame or disturb a terminal.
pub(super) fn encode(text: &str, keep: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii_alphanumeric()
            || "-._~".contains(character)
            || keep.contains(character)
        {
            encoded.push(character);
        } else {
            let mut bytes = [0; 4];
            for byte in character.encode_utf8(&mut bytes).bytes() {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests;
