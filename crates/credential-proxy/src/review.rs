//! What about a vault deserves a look: unused, old, ending and doubled secrets. Never their values.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::clock::Timestamp;

use crate::audit::read::Usage;
use crate::credential::Credential;

const DAY: Duration = Duration::from_secs(86_400);

/// How long ahead of its end a secret is warned about.
const AHEAD: Duration = Duration::from_secs(14 * 86_400);

/// What was found about one credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// It is as it was when git said that it was not accepted.
    Rejected,
    Expired,
    Expiring,
    SamePassword,
    NeverUsed,
    Unused,
    Old,
}

impl Kind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Expiring => "expiring",
            Self::SamePassword => "same_password",
            Self::NeverUsed => "never_used",
            Self::Unused => "unused",
            Self::Old => "old",
        }
    }

    /// Whether a job will fail, or soon will.
    pub(crate) fn needs_attention(self) -> bool {
        matches!(self, Self::Rejected | Self::Expired | Self::Expiring)
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) kind: Kind,
    pub(crate) service: String,
    pub(crate) username: String,
    /// The moment that it is about: the end, the last use, the last change.
    pub(crate) at: Option<Timestamp>,
    /// The other places of the same password.
    pub(crate) also: Vec<String>,
}

/// Looks at all credentials: when they were used, and when rejected.
pub(crate) fn review(
    all: &[Credential],
    used: &Usage,
    rejected: &Usage,
    now: Timestamp,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut passwords: HashMap<&str, Vec<&Credential>> = HashMap::new();
    for one in all {
        passwords.entry(one.password.expose()).or_default().push(one);
        let finding = |kind, at| Finding {
            kind,
            service: one.service.clone(),
            username: one.username.clone(),
            at,
            also: Vec::new(),
        };
        if let Some(end) = end_of(one) {
            if end <= now {
                findings.push(finding(Kind::Expired, Some(end)));
            } else if end <= now.plus(AHEAD) {
                findings.push(finding(Kind::Expiring, Some(end)));
            }
        }
        let own = (one.service.clone(), one.username.clone());
        if let Some(at) = rejected.get(&own).filter(|at| **at >= one.updated_at) {
            findings.push(finding(Kind::Rejected, Some(*at)));
        }
        match used.get(&own) {
            None => findings.push(finding(Kind::NeverUsed, None)),
            Some(at) if now.since(*at) > 90 * DAY => {
                findings.push(finding(Kind::Unused, Some(*at)));
            }
            Some(_) => {}
        }
        if now.since(one.updated_at) > 365 * DAY {
            findings.push(finding(Kind::Old, Some(one.updated_at)));
        }
    }
    for same in passwords.into_values().filter(|same| same.len() > 1) {
        for one in &same {
            let also =
                same.iter().filter(|other| other.id != one.id).map(|other| name(other)).collect();
            findings.push(Finding {
                kind: Kind::SamePassword,
                service: one.service.clone(),
                username: one.username.clone(),
                at: None,
                also,
            });
        }
    }
    findings
        .sort_by(|a, b| (a.kind, &a.service, &a.username).cmp(&(b.kind, &b.service, &b.username)));
    findings
}

fn name(one: &Credential) -> String {
    if one.username.is_empty() {
        one.service.clone()
    } else {
        format!("{} ({})", one.service, one.username)
    }
}

/// When a credential ends: what is noted, or what a JSON web token says of itself.
pub(crate) fn end_of(one: &Credential) -> Option<Timestamp> {
    let noted = one.expires_at;
    let said = std::iter::once(one.password.expose())
        .chain(one.fields.iter().map(|(_, value)| value.expose()))
        .filter_map(token_end)
        .min();
    match (noted, said) {
        (Some(noted), Some(said)) => Some(noted.min(said)),
        (noted, said) => noted.or(said),
    }
}

/// The `exp` of a JSON web token.
fn token_end(text: &str) -> Option<Timestamp> {
    let mut parts = text.trim().split('.');
    let (header, claims, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || !header.starts_with("ey") {
        return None;
    }
    let claims =
        zeroize::Zeroizing::new(URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?);
    let claims: serde_json::Value = serde_json::from_slice(&claims).ok()?;
    let seconds = claims.get("exp")?;
    let seconds = seconds.as_i64().or_else(|| seconds.as_f64().map(whole))?;
    Some(Timestamp(seconds.saturating_mul(1000)))
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a cast from a float saturates, which is what is wanted"
)]
fn whole(seconds: f64) -> i64 {
    seconds as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::tests::sample;
    use crate::secret::Secret;

    const NOW: Timestamp = Timestamp(1_767_225_600_000);

    fn kinds(all: &[Credential], usage: &Usage) -> Vec<(Kind, String)> {
        review(all, usage, &Usage::new(), NOW)
            .into_iter()
            .map(|one| (one.kind, one.service))
            .collect()
    }

    #[test]
    fn ends_are_warned_about_fourteen_days_ahead() {
        for (end, kind) in [
            (NOW.plus(15 * DAY), None),
            (NOW.plus(14 * DAY), Some(Kind::Expiring)),
            (NOW.plus(DAY), Some(Kind::Expiring)),
            (NOW, Some(Kind::Expired)),
        ] {
            let mut one = sample("a.com", "me", "secret");
            one.expires_at = Some(end);
            let found = review(&[one], &Usage::new(), &Usage::new(), NOW)
                .into_iter()
                .map(|one| one.kind)
                .find(|kind| kind.needs_attention());
            assert_eq!(found, kind);
        }
    }

    #[test]
    fn the_end_of_a_json_web_token_is_known() {
        let claims = URL_SAFE_NO_PAD.encode(format!("{{\"exp\":{}}}", NOW.plus(DAY).0 / 1000));
        let token = format!("eyJhbGciOiJIUzI1NiJ9.{claims}.c2ln");
        assert_eq!(
            kinds(&[sample("jwt.com", "me", &token)], &Usage::new())[0],
            (Kind::Expiring, "jwt.com".to_owned())
        );
        for text in ["a.b.c", "eyJ.!!!.x", "eyJhbGciOiJIUzI1NiJ9.e30.x", "plain"] {
            assert_eq!(token_end(text), None);
        }
    }

    #[test]
    fn unused_old_and_doubled_secrets_are_found() {
        let mut old = sample("old.com", "me", "one");
        old.updated_at = NOW.minus(400 * DAY);
        let (mut a, mut b) = (sample("a.com", "me", "two"), sample("b.com", "me", "two"));
        (a.id, b.id) = (2, 3);
        a.updated_at = NOW;
        b.updated_at = NOW;
        let mut usage = Usage::new();
        usage.insert(("a.com".to_owned(), "me".to_owned()), NOW);
        usage.insert(("b.com".to_owned(), "me".to_owned()), NOW.minus(91 * DAY));
        let found = kinds(&[old, a, b], &usage);
        let expect = [
            (Kind::SamePassword, "a.com"),
            (Kind::SamePassword, "b.com"),
            (Kind::NeverUsed, "old.com"),
            (Kind::Unused, "b.com"),
            (Kind::Old, "old.com"),
        ];
        assert_eq!(found, expect.map(|(kind, service)| (kind, service.to_owned())));
        let _ = Secret::default();
    }
}
