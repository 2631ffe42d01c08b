//! The credential protocol of git: `key=value` lines, and who may be given what.
//!
//! A secret is given only for exactly the protocol and host that it was stored for. Values that git
//! would refuse, with a newline, a carriage return or a NUL, are never written.

use std::fmt::Write as _;

use crate::credential::Credential;
use crate::service::Origin;

/// What git asks about or tells.
#[derive(Default)]
pub(crate) struct Description {
    pub(crate) protocol: String,
    /// The host, with its port where it is not the usual one.
    pub(crate) host: String,
    pub(crate) path: Option<String>,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<crate::secret::Secret>,
    /// Seconds since 1970.
    pub(crate) expires: Option<i64>,
}

impl Description {
    /// Reads lines up to an empty one or the end; unknown keys are ignored, as git demands. `None`
    /// for what is not this protocol.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut description = Self::default();
        for line in text.split('\n') {
            if line.is_empty() {
                break;
            }
            let (key, value) = line.split_once('=')?;
            match key {
                "protocol" => description.protocol = value.to_ascii_lowercase(),
                "host" => description.host = value.to_ascii_lowercase(),
                "path" => description.path = Some(value.trim_matches('/').to_owned()),
                "username" => description.username = Some(value.to_owned()),
                "password" => description.password = Some(crate::secret::Secret::new(value)),
                "password_expiry_utc" => description.expires = value.parse().ok(),
                "url" => {
                    // The parts of a URL replace what was said before.
                    let origin = Origin::of(value)?;
                    description.protocol = origin.scheme;
                    description.host = origin.host;
                    description.path = Some(origin.path).filter(|path| !path.is_empty());
                }
                _ => {}
            }
        }
        // The usual port may be written or not.
        if let Some(origin) =
            Origin::of(&format!("{}://{}/", description.protocol, description.host))
        {
            description.host = origin.host;
        }
        Some(description)
    }

    /// The address that it describes.
    pub(crate) fn url(&self) -> String {
        match &self.path {
            Some(path) => format!("{}://{}/{path}", self.protocol, self.host),
            None => format!("{}://{}", self.protocol, self.host),
        }
    }

    /// Whether a credential belongs to this protocol, host and path.
    pub(crate) fn fits(&self, one: &Credential) -> bool {
        if self.protocol.is_empty() || self.host.is_empty() {
            return false;
        }
        if self.username.as_ref().is_some_and(|username| *username != one.username) {
            return false;
        }
        if one.urls.is_empty() {
            // A bare name says nothing about the protocol, and must not leave over a plain one.
            return self.protocol == "https" && self.path.is_none() && one.service == self.host;
        }
        one.urls.iter().filter_map(|url| Origin::of(url)).any(|origin| {
            origin.scheme == self.protocol
                && origin.host == self.host
                && self.path.as_ref().is_none_or(|path| *path == origin.path)
        })
    }
}

/// The lines for git; `None` when a value cannot be said in this protocol.
pub(crate) fn answer(one: &Credential) -> Option<zeroize::Zeroizing<String>> {
    let is_sayable = |value: &str| !value.contains(['\n', '\r', '\0']);
    if !is_sayable(&one.username) || !is_sayable(one.password.expose()) {
        return None;
    }
    let mut text = zeroize::Zeroizing::new(String::with_capacity(
        one.username.len() + one.password.expose().len() + 80,
    ));
    if !one.username.is_empty() {
        let _ = writeln!(text, "username={}", one.username);
    }
    text.push_str("password=");
    text.push_str(one.password.expose());
    text.push('\n');
    if let Some(at) = crate::review::end_of(one) {
        let _ = writeln!(text, "password_expiry_utc={}", at.0.div_euclid(1000));
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::tests::sample;
    use crate::secret::Secret;
    use proptest::prelude::*;

    fn fits(text: &str, url: &str) -> bool {
        let mut one = sample("x", "me", "pw");
        one.urls = if url.is_empty() { Vec::new() } else { vec![url.to_owned()] };
        one.service = crate::service::of(url, "github.com").unwrap();
        Description::parse(text).unwrap().fits(&one)
    }

    #[test]
    fn a_secret_goes_to_its_own_protocol_host_port_path_and_user_only() {
        let https = "https://github.com/login";
        assert!(fits("protocol=https\nhost=github.com\n\n", https));
        assert!(fits("protocol=https\nhost=GitHub.com:443\n", https));
        assert!(fits("protocol=https\nhost=github.com\nusername=me\n", https));
        assert!(fits("url=https://github.com\n", https));
        for text in [
            "protocol=http\nhost=github.com\n",
            "protocol=https\nhost=github.com:8443\n",
            "protocol=https\nhost=www.github.com\n",
            "protocol=https\nhost=evil.com\n",
            "protocol=https\nhost=github.com\nusername=other\n",
            "protocol=https\nhost=github.com\npath=org/repo.git\n",
            "protocol=https\n",
            "host=github.com\n",
            "",
        ] {
            assert!(!fits(text, https), "{text:?}");
        }
        assert!(fits("protocol=http\nhost=127.0.0.1:8080\n", "http://127.0.0.1:8080/"));
        assert!(fits(
            "protocol=https\nhost=github.com\npath=/org/repo.git\n",
            "https://github.com/org/repo.git"
        ));
        assert!(fits("protocol=https\nhost=github.com\n", ""));
        assert!(!fits("protocol=http\nhost=github.com\n", ""));
        assert!(!fits("protocol=https\nhost=github.com\nusername=other\n", ""));
    }

    #[test]
    fn values_that_git_refuses_are_not_said() {
        for password in ["a\nhost=evil", "a\rb", "a\0b"] {
            assert!(answer(&sample("a.com", "me", password)).is_none());
        }
        let mut one = sample("a.com", "me", "pw");
        one.expires_at = Some(common::clock::Timestamp(1_767_225_600_999));
        assert_eq!(
            answer(&one).unwrap().as_str(),
            "username=me\npassword=pw\npassword_expiry_utc=1767225600\n"
        );
        one.username = "x\ny".to_owned();
        one.password = Secret::new("pw");
        assert!(answer(&one).is_none());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,200}", lines in "([a-z]{1,10}=[^\n]{0,20}\n){0,5}") {
            let one = sample("a.com", "me", "pw");
            for text in [text, lines] {
                let _ = Description::parse(&text).map(|description| description.fits(&one));
            }
        }
    }
}
