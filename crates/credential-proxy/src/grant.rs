//! Grants: which token may use which credentials, how, how often and until when.
//!
//! A token is kept as its hash only. As long as there is no grant at all, everybody of this user
//! may read everything; from the first one on, nobody may without a token.

use std::time::Duration;

use common::clock::Timestamp;
use common::duration;
use globset::{Glob, GlobMatcher};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::protocol::Mode;
use crate::secret::Secret;
use crate::service;

/// What a grant allows: services that match a pattern, in some modes or in all.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pattern: String,
    modes: Vec<Mode>,
    /// Of the pattern as it was typed, and of its normal form where that is another one.
    matchers: Vec<GlobMatcher>,
}

/// Why a text is no rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RuleError {
    #[error("write it as PATTERN or PATTERN:MODE, where MODE is inject, print or helper")]
    Form,
    #[error("the pattern is no glob: {0}")]
    Pattern(String),
    #[error("`{0}` is no mode; write inject, print or helper, each behind a colon of its own")]
    Mode(String),
}

impl std::str::FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let mut pattern = text;
        let mut modes = Vec::new();
        // A service can have a port, so only known words behind a colon are modes.
        while let Some((front, word)) = pattern.rsplit_once(':')
            && let Some(mode) = Mode::parse(word).filter(|mode| *mode != Mode::Show)
        {
            modes.push(mode);
            pattern = front;
        }
        if pattern.is_empty() {
            return Err(RuleError::Form);
        }
        // A word that is neither a port nor a mode is a slip, and would allow nothing in silence.
        if modes.is_empty()
            && let Some((_, word)) = pattern.rsplit_once(':')
            && !word.is_empty()
            && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b',')
        {
            return Err(RuleError::Mode(word.to_owned()));
        }
        modes.sort_unstable();
        modes.dedup();
        let mut forms = vec![pattern.to_owned(), service::normal_pattern(pattern)];
        forms.dedup();
        let matchers = forms
            .iter()
            .map(|form| Glob::new(form).map(|glob| glob.compile_matcher()))
            .collect::<Result<_, _>>()
            .map_err(|error| RuleError::Pattern(error.kind().to_string()))?;
        Ok(Self { pattern: pattern.to_owned(), modes, matchers })
    }
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.pattern)?;
        self.modes.iter().try_for_each(|mode| write!(f, ":{}", mode.word()))
    }
}

impl Rule {
    fn allows(&self, service: &str, mode: Mode) -> bool {
        // A service may itself have a character that stands for others in a pattern.
        let is_meant = self.pattern == service
            || self.matchers.iter().any(|matcher| matcher.is_match(service));
        is_meant && (self.modes.is_empty() || mode == Mode::Show || self.modes.contains(&mode))
    }
}

/// So many uses in so long a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) n_uses: u32,
    pub(crate) per: Duration,
}

impl std::str::FromStr for Rate {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "write it as N/s, N/m, N/h or N/d";
        let (number, unit) = text.split_once('/').ok_or(FORM)?;
        let n_uses = number.parse().ok().filter(|number| *number > 0).ok_or(FORM)?;
        let per = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => return Err(FORM),
        };
        Ok(Self { n_uses, per: Duration::from_secs(per) })
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unit = match self.per.as_secs() {
            1 => "s",
            60 => "m",
            3600 => "h",
            _ => "d",
        };
        write!(f, "{}/{unit}", self.n_uses)
    }
}

/// One token's rights.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) rules: Vec<Rule>,
    pub(crate) rate: Option<Rate>,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) created_at: Timestamp,
    hash: String,
}

/// The sealed form.
#[derive(Serialize, Deserialize)]
struct Written {
    name: String,
    hash: String,
    allow: Vec<String>,
    rate: Option<String>,
    expires_at: Option<i64>,
    created_at: i64,
}

/// Why a use is not allowed, in words that name the token and never the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denial {
    #[error("a token is required: set CREDENTIAL_PROXY_TOKEN or CREDENTIAL_PROXY_TOKEN_FILE")]
    NoToken,
    #[error("the token is not known; it may have been revoked")]
    UnknownToken,
    #[error("the token {name} has expired")]
    Expired { name: String },
    #[error("the token {name} does not allow {mode} of {service}")]
    NotAllowed { name: String, service: String, mode: &'static str },
    #[error("the token {name} has been used {rate} already")]
    TooOften { name: String, rate: Rate },
    #[error("the token {name} allows only `credential-proxy exec` to use {service}")]
    NotExec { name: String, service: String },
    #[error(
        "the token {name} allows only `credential-proxy exec` to use {service}, and the daemon is another installation of it, {own}; end that one with `credential-proxy stop`"
    )]
    OtherInstallation { name: String, service: String, own: String },
}

impl Grant {
    /// A new grant and its token, which exists nowhere else afterwards.
    pub(crate) fn new(
        name: &str,
        rules: Vec<Rule>,
        rate: Option<Rate>,
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> (Self, Secret) {
        let token = new_token();
        let grant = Self {
            id: 0,
            name: name.to_owned(),
            rules,
            rate,
            expires_at,
            created_at: now,
            hash: hash(token.expose()),
        };
        (grant, token)
    }

    pub(crate) fn to_plain(&self) -> String {
        let written = Written {
            name: self.name.clone(),
            hash: self.hash.clone(),
            allow: self.rules.iter().map(ToString::to_string).collect(),
            rate: self.rate.map(|rate| rate.to_string()),
            expires_at: self.expires_at.map(|at| at.0),
            created_at: self.created_at.0,
        };
        // Strings and numbers always become JSON.
        serde_json::to_string(&written).unwrap_or_default()
    }

    pub(crate) fn from_plain(id: i64, plain: &[u8]) -> Option<Self> {
        let written: Written = serde_json::from_slice(plain).ok()?;
        let rate = match written.rate {
            Some(rate) => Some(rate.parse().ok()?),
            None => None,
        };
        Some(Self {
            id,
            name: written.name,
            rules: written.allow.iter().map(|rule| rule.parse().ok()).collect::<Option<_>>()?,
            rate,
            expires_at: written.expires_at.map(Timestamp),
            created_at: Timestamp(written.created_at),
            hash: written.hash,
        })
    }

    /// Whether it has ended.
    pub(crate) fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// Whether this grant allows the use; how often it was used is not known here.
    pub(crate) fn check(&self, service: &str, mode: Mode, now: Timestamp) -> Result<(), Denial> {
        if self.has_expired(now) {
            return Err(Denial::Expired { name: self.name.clone() });
        }
        if self.rules.iter().any(|rule| rule.allows(service, mode)) {
            return Ok(());
        }
        Err(Denial::NotAllowed {
            name: self.name.clone(),
            service: service.to_owned(),
            mode: mode.word(),
        })
    }

    /// Whether the service may be named to the holder of this token.
    pub(crate) fn may_see(&self, service: &str) -> bool {
        self.rules.iter().any(|rule| rule.allows(service, Mode::Show))
    }

    /// For people: how long it is still good.
    pub(crate) fn ends(&self, now: Timestamp) -> String {
        match self.expires_at {
            None => "never".to_owned(),
            Some(at) if at <= now => "expired".to_owned(),
            Some(at) => format!("in {}", duration::human(at.since(now))),
        }
    }
}

/// The grant whose token this is.
pub(crate) fn find<'a>(grants: &'a [Grant], token: &str) -> Option<&'a Grant> {
    let wanted = hash(token);
    // What is compared is a hash of 256 random bits; its timing tells nothing.
    grants.iter().find(|grant| grant.hash == wanted)
}

/// A token that nobody has yet.
pub(crate) fn new_token() -> Secret {
    Secret::new(format!("cp_{}", crate::seal::new_key().expose().trim_end_matches('=')))
}

/// What is kept of a token.
pub(crate) fn hash(token: &str) -> String {
    Sha256::digest(token.as_bytes()).iter().fold(String::with_capacity(64), |mut hex, byte| {
        use std::fmt::Write as _;
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn grant(rules: &[&str]) -> (Grant, Secret) {
        let rules = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        Grant::new("ci", rules, "5/h".parse().ok(), Some(NOW.plus(Duration::from_secs(60))), NOW)
    }

    #[test]
    fn rules_name_services_by_glob_and_may_be_limited_to_modes() {
        let (grant, _) = grant(&["github.com:inject", "*.internal", "localhost:3000:print:helper"]);
        for (service, mode, allowed) in [
            ("github.com", Mode::Inject, true),
            ("github.com", Mode::Print, false),
            ("github.com", Mode::Show, true),
            ("db.internal", Mode::Print, true),
            ("a.b.internal", Mode::Helper, true),
            ("localhost:3000", Mode::Helper, true),
            ("localhost:3000", Mode::Inject, false),
            ("localhost", Mode::Print, false),
            ("evilgithub.com", Mode::Inject, false),
        ] {
            assert_eq!(grant.check(service, mode, NOW).is_ok(), allowed, "{service} {mode:?}");
        }
        assert_eq!(
            grant.check("db.internal", Mode::Print, NOW.plus(Duration::from_secs(60))),
            Err(Denial::Expired { name: "ci".to_owned() })
        );
    }

    #[test]
    fn patterns_are_brought_into_the_form_of_services() {
        let (grant, _) = grant(&[
            "GitHub.com",
            "https://www.gitlab.com/:print",
            "*.Internal",
            "My.App",
            "[::1]:80",
        ]);
        for (service, allowed) in [
            ("github.com", true),
            ("gitlab.com", true),
            ("db.internal", true),
            ("My.App", true),
            ("my.app", true),
            ("[::1]:80", true),
            ("internal", false),
        ] {
            assert_eq!(grant.check(service, Mode::Print, NOW).is_ok(), allowed, "{service}");
        }
    }

    #[test]
    fn a_token_is_found_by_its_hash_and_is_not_kept() {
        let (grant, token) = grant(&["*"]);
        let plain = grant.to_plain();
        assert!(!plain.contains(token.expose()));
        let again = [Grant::from_plain(3, plain.as_bytes()).unwrap()];
        assert_eq!(find(&again, token.expose()).map(|grant| grant.id), Some(3));
        assert!(find(&again, "cp_other").is_none());
        assert_eq!(again[0].rate, Some(Rate { n_uses: 5, per: Duration::from_secs(3600) }));
        assert!(!new_token().is_same(&new_token()));
    }

    #[test]
    fn a_mistyped_mode_is_told_and_a_port_is_none() {
        for (text, word) in [("github.com:injct", "injct"), ("a.com:print,helper", "print,helper")]
        {
            assert_eq!(
                text.parse::<Rule>().err(),
                Some(RuleError::Mode(word.to_owned())),
                "{text}"
            );
        }
        for text in ["localhost:3000", "localhost:*", "a:b:print", "github.com:inject:print", "x"] {
            assert!(text.parse::<Rule>().is_ok(), "{text}");
        }
    }

    #[test]
    fn nonsense_is_no_rule_and_no_rate() {
        assert_eq!(":inject".parse::<Rule>().err(), Some(RuleError::Form));
        assert!("[".parse::<Rule>().is_err());
        for text in ["", "5", "0/h", "5/y", "-1/h"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }
}
