//! The forms of secrets that are certain by their form alone, and how they are replaced.
//!
//! Only forms that nothing else has: tokens with the prefixes of the big providers, private key
//! blocks, passwords in connection strings, JSON web tokens. No engine: who starts on every tick looks with a small
//! one, who reads whole trees with a fast one.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

/// How many secrets of each kind were replaced.
pub type Tally = BTreeMap<&'static str, usize>;

/// Kinds of secrets: the name, the literals of which every one of its kind has one, the form as a pattern.
///
/// In a form, the group `secret` is what is replaced; without it, all of the match is. The patterns use only what
/// every engine of the regex family understands.
pub const FORMS: &[(&str, &[&str], &str)] = &[
    (
        "private-key",
        &["PRIVATE KEY"],
        r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----(?:[^;{}]*?-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|(?:\\n|\s|[A-Za-z0-9+/=]){60,})",
    ),
    // The end of a longer text can begin within a key.
    (
        "private-key",
        &["PRIVATE KEY"],
        r"\A(?:[A-Za-z0-9+/=]*\r?\n)+-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----",
    ),
    ("github-token", &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"], r"\bgh[pousr]_[A-Za-z0-9]{30,255}"),
    ("github-token", &["github_pat_"], r"\bgithub_pat_[A-Za-z0-9_]{22,255}"),
    ("gitlab-token", &["glpat-"], r"\bglpat-[A-Za-z0-9_-]{20,}"),
    ("aws-key", &["AKIA", "ASIA"], r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    (
        "aws-secret",
        &["aws_secret", "AWS_SECRET", "secretAccessKey", "SecretAccessKey"],
        r#"(?i)(?:aws_?secret|secret_?access_?key)[a-z_]*["']?\s*[:=]\s*["']?(?P<secret>[A-Za-z0-9/+=]{40})\b"#,
    ),
    ("google-key", &["AIza"], r"\bAIza[0-9A-Za-z_-]{35}"),
    ("google-token", &["ya29."], r"\bya29\.[0-9A-Za-z_-]{20,}"),
    ("anthropic-key", &["sk-ant-"], r"\bsk-ant-[A-Za-z0-9_-]{20,}"),
    (
        "openai-key",
        &["sk-"],
        r"\bsk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]*[A-Za-z0-9]{20}[A-Za-z0-9_-]*",
    ),
    (
        "slack-token",
        &["xoxa-", "xoxb-", "xoxp-", "xoxr-", "xoxs-", "xapp-"],
        r"\b(?:xox[abprs]|xapp)-[A-Za-z0-9-]{10,}",
    ),
    (
        "slack-webhook",
        &["hooks.slack.com"],
        r"hooks\.slack\.com/services/(?P<secret>[A-Za-z0-9/]{20,})",
    ),
    (
        "discord-webhook",
        &["/api/webhooks/"],
        r"/api/webhooks/[0-9]+/(?P<secret>[A-Za-z0-9_-]{40,})",
    ),
    ("stripe-key", &["k_live_", "k_test_"], r"\b[sr]k_(?:live|test)_[0-9A-Za-z]{16,}"),
    ("npm-token", &["npm_"], r"\bnpm_[A-Za-z0-9]{36}\b"),
    ("pypi-token", &["pypi-"], r"\bpypi-[A-Za-z0-9_-]{50,}"),
    ("huggingface-token", &["hf_"], r"\bhf_[A-Za-z0-9]{30,}\b"),
    ("sendgrid-key", &["SG."], r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    ("digitalocean-token", &["dop_v1_", "doo_v1_"], r"\bdo[op]_v1_[a-f0-9]{64}\b"),
    ("docker-token", &["dckr_pat_"], r"\bdckr_pat_[A-Za-z0-9_-]{20,}"),
    ("atlassian-token", &["ATATT3"], r"\bATATT3[A-Za-z0-9_=-]{50,}"),
    ("linear-key", &["lin_api_"], r"\blin_api_[A-Za-z0-9]{30,}"),
    (
        "shopify-token",
        &["shpat_", "shpca_", "shppa_", "shpss_"],
        r"\bshp(?:at|ca|pa|ss)_[A-Fa-f0-9]{32}",
    ),
    ("telegram-token", &[":AA"], r"\b[0-9]{8,10}:AA[A-Za-z0-9_-]{33}\b"),
    ("azure-key", &["AccountKey="], r"AccountKey=(?P<secret>[A-Za-z0-9+/]{40,}={0,2})"),
    ("age-key", &["AGE-SECRET-KEY-"], r"AGE-SECRET-KEY-1[0-9A-Z]{50,}"),
    ("jwt", &["eyJ"], r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
    // A variable or a blank to fill in is no password.
    (
        "password",
        &["://"],
        r#"://[^\s:/@"'<>\\`]{0,200}:(?P<secret>[^\s@"'<>/${%\[*`\\][^\s@"'<>/`]{2,200})@[A-Za-z0-9_\[.-]"#,
    ),
];

/// The text without its secrets: each is replaced by `[redacted:KIND]`, the kind and nothing of the secret, so that a
/// text stays the same from run to run.
///
/// `find` is the engine: the places of the secrets of one of [`FORMS`] in a text, in their order. It is asked for one
/// form after the other, each time with the text that the forms before have left.
pub fn redact<'a>(
    text: &'a str,
    tally: &mut Tally,
    mut find: impl FnMut(usize, &str) -> Vec<Range<usize>>,
) -> Cow<'a, str> {
    let mut clean = Cow::Borrowed(text);
    for (form, (kind, ..)) in FORMS.iter().enumerate() {
        let secrets = find(form, &clean);
        if !secrets.is_empty() {
            *tally.entry(kind).or_default() += secrets.len();
            clean = Cow::Owned(without(&secrets, &clean, &mark(kind)));
        }
    }
    clean
}

/// What stands for a secret of a kind.
#[must_use]
pub fn mark(kind: &str) -> String {
    format!("[redacted:{kind}]")
}

/// The text with a mark in each place of a secret.
fn without(secrets: &[Range<usize>], text: &str, mark: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut from = 0;
    for secret in secrets {
        clean.push_str(text.get(from..secret.start).unwrap_or_default());
        clean.push_str(mark);
        from = secret.end;
    }
    clean.push_str(text.get(from..).unwrap_or_default());
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The form that a literal belongs to.
    fn form_of(literal: &str) -> usize {
        FORMS.iter().position(|(_, literals, _)| literals.contains(&literal)).unwrap()
    }

    #[test]
    fn every_place_an_engine_finds_is_replaced_and_counted_and_the_rest_stays() {
        let mut tally = Tally::new();
        let clean = redact("a NPM b NPM, c", &mut tally, |form, text| {
            let places = text.match_indices("NPM").map(|(at, found)| at..at + found.len());
            if form == form_of("npm_") { places.collect() } else { Vec::new() }
        });
        assert_eq!(clean, "a [redacted:npm-token] b [redacted:npm-token], c");
        assert_eq!(tally, Tally::from([("npm-token", 2)]));
    }

    #[test]
    fn a_form_is_looked_for_in_what_the_forms_before_it_have_left() {
        let mut seen = String::new();
        redact("xyz", &mut Tally::new(), |form, text| {
            if form == form_of("://") {
                seen.push_str(text);
            }
            let place = text.find('x').map(|at| at..at + 1);
            place.filter(|_| form == form_of("npm_")).into_iter().collect()
        });
        assert_eq!(seen, "[redacted:npm-token]yz");
    }

    #[test]
    fn a_text_without_secrets_is_not_copied() {
        assert!(matches!(redact("x", &mut Tally::new(), |_, _| Vec::new()), Cow::Borrowed(_)));
    }
}
