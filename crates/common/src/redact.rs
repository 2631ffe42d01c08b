//! Replaces secrets that are certain by their form with `[redacted:KIND]`.
//!
//! Only forms that nothing else has: tokens with the prefixes of the big providers, private key
//! blocks, passwords in connection strings, JSON web tokens. The replacement says the kind and
//! nothing of the secret, so the text stays the same from run to run.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex_lite::{Captures, Regex};

/// How many secrets of each kind were replaced.
pub type Tally = BTreeMap<&'static str, usize>;

/// A kind of secret: its name, a literal that every one of its kind has, its form.
///
/// In the form, the group `secret` is what is replaced; without it, all of the match is.
const FORMS: &[(&str, &[&str], &str)] = &[
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

/// A form that is built when it is needed.
type Pattern = LazyLock<Option<Regex>, Box<dyn Fn() -> Option<Regex> + Send>>;

/// The forms, each built when a text first has one of its literals.
static PATTERNS: LazyLock<Vec<Pattern>> = LazyLock::new(|| {
    FORMS
        .iter()
        .map(|(_, _, form)| {
            let build: Box<dyn Fn() -> Option<Regex> + Send> =
                Box::new(move || Regex::new(form).ok());
            LazyLock::new(build)
        })
        .collect()
});

/// The text without its secrets.
pub fn redact<'a>(text: &'a str, tally: &mut Tally) -> Cow<'a, str> {
    let mut clean = Cow::Borrowed(text);
    for ((kind, literals, _), pattern) in FORMS.iter().zip(PATTERNS.iter()) {
        if !literals.iter().any(|literal| clean.contains(literal)) {
            continue;
        }
        let Some(pattern) = pattern.as_ref() else { continue };
        let mut n_found = 0;
        let replaced = pattern.replace_all(&clean, |found: &Captures<'_>| {
            n_found += 1;
            replacement(kind, found)
        });
        if n_found > 0 {
            let replaced = replaced.into_owned();
            clean = Cow::Owned(replaced);
            *tally.entry(kind).or_default() += n_found;
        }
    }
    clean
}

/// The match with its secret replaced.
fn replacement(kind: &str, found: &Captures<'_>) -> String {
    let mark = format!("[redacted:{kind}]");
    let (Some(whole), Some(secret)) = (found.get(0), found.name("secret")) else { return mark };
    let before = whole.as_str().get(..secret.start() - whole.start()).unwrap_or_default();
    let after = whole.as_str().get(secret.end() - whole.start()..).unwrap_or_default();
    format!("{before}{mark}{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        let mut tally = Tally::new();
        assert_eq!(redact(text, &mut tally), expect);
        assert_eq!(tally.is_empty(), text == expect);
    }

    #[test]
    fn every_form_is_a_pattern_that_builds() {
        assert!(PATTERNS.iter().all(|pattern| pattern.is_some()));
    }

    #[test]
    fn tokens_of_the_big_providers_are_replaced() {
        // Put together here, so that no scanner takes this file for a leak.
        let body = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8";
        check(&format!("t = \"gh{}_{body}\"", "p"), "t = \"[redacted:github-token]\"");
        check(&format!("AK{}", "IAIOSFODNN7EXAMPLE"), "[redacted:aws-key]");
        check(&format!("k: sk-{}-{body}", "ant-api03"), "k: [redacted:anthropic-key]");
        check(&format!("k: s{}-{body}", "k-proj"), "k: [redacted:openai-key]");
        check(&format!("AIz{}", "aSyA1234567890abcdefghijklmnopqrstuv"), "[redacted:google-key]");
        check(&format!("xox{}-123456789012-abcdef", "b"), "[redacted:slack-token]");
        check(
            &format!("aws_secret_access_key = {}{}", &body, "abcd"),
            "aws_secret_access_key = [redacted:aws-secret]",
        );
        check(
            &format!("{}.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "eyJhbGciOiJIUzI1NiJ9"),
            "[redacted:jwt]",
        );
    }

    #[test]
    fn the_password_of_a_connection_string_is_replaced_and_the_rest_stays() {
        check("postgres://app:hunter2@db:5432/x", "postgres://app:[redacted:password]@db:5432/x");
        check("redis://:hunter2@cache", "redis://:[redacted:password]@cache");
        check("postgres://app:${PASSWORD}@db/x", "postgres://app:${PASSWORD}@db/x");
        check("https://example.com:8080/@user", "https://example.com:8080/@user");
    }

    #[test]
    fn a_private_key_is_replaced_as_a_whole_and_a_mention_of_one_stays() {
        let key =
            format!("-----BEGIN RSA {0}-----\nMIIEow\nabc\n-----END RSA {0}-----", "PRIVATE KEY");
        check(&format!("a\n{key}\nb\n"), "a\n[redacted:private-key]\nb\n");
        let cut = format!(
            "-----BEGIN {}-----\n{}",
            "PRIVATE KEY",
            "MIIEowIBAAKCAQEA0123456789\n".repeat(5)
        );
        check(&cut, "[redacted:private-key]");
        let (_, end) = key.split_once("MIIE").unwrap();
        check(&format!("{end}\nb\n"), "[redacted:private-key]\nb\n");
        check(
            "const MARK: &str = \"-----BEGIN PRIVATE KEY-----\";\n",
            "const MARK: &str = \"-----BEGIN PRIVATE KEY-----\";\n",
        );
    }

    #[test]
    fn plain_text_is_not_copied() {
        assert!(matches!(redact("fn main() {}", &mut Tally::new()), Cow::Borrowed(_)));
    }
}
