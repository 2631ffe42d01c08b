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

/// The kind of secrets that people choose themselves.
const PASSWORD: &str = "password";

/// What stands before a password in a connection string without an at sign.
pub const PASSWORD_WORDS: &[&str] = &["assword=", "PASSWORD=", "passwd=", "Pwd=", "pwd=", "PWD="];

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
    // The beginning can be missing.
    (
        "private-key",
        &["PRIVATE KEY"],
        r"[A-Za-z0-9+/]{40,}(?:\s+[A-Za-z0-9+/=]+)*\s+-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----",
    ),
    (
        "private-key",
        &["Private-Lines:"],
        r"Private-Lines: [0-9]+(?:(?:\r?\n[A-Za-z0-9+/=]+)+?\r?\nPrivate-(?:MAC|Hash): [0-9a-f]+|(?:\r?\n[A-Za-z0-9+/=]{8,})+)",
    ),
    ("github-token", &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"], r"\bgh[pousr]_[A-Za-z0-9]{30,255}"),
    ("github-token", &["github_pat_"], r"\bgithub_pat_[A-Za-z0-9_]{22,255}"),
    (
        "gitlab-token",
        &["glpat-", "gldt-", "glrt-", "glptt-", "glft-", "gloas-"],
        r"\bgl(?:pat|dt|rt|ptt|ft|oas)-[A-Za-z0-9_-]{20,}",
    ),
    ("aws-key", &["AKIA", "ASIA"], r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    (
        "aws-secret",
        &["aws_secret", "AWS_SECRET", "secretAccessKey", "SecretAccessKey"],
        r#"(?i)(?:aws_?secret|secret_?access_?key)[a-z_]*["']?\s*[:=]\s*["']?(?P<secret>[A-Za-z0-9/+=]{40})\b"#,
    ),
    ("google-key", &["AIza"], r"\bAIza[0-9A-Za-z_-]{35}"),
    ("google-token", &["ya29."], r"\bya29\.[0-9A-Za-z_-]{20,}"),
    ("google-secret", &["GOCSPX-"], r"\bGOCSPX-[A-Za-z0-9_-]{20,}"),
    ("anthropic-key", &["sk-ant-"], r"\bsk-ant-[A-Za-z0-9_-]{20,}"),
    (
        "openai-key",
        &["sk-"],
        r"\bsk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]*[A-Za-z0-9]{20}[A-Za-z0-9_-]*",
    ),
    (
        "slack-token",
        &["xoxa-", "xoxb-", "xoxc-", "xoxd-", "xoxp-", "xoxr-", "xoxs-", "xapp-"],
        r"\b(?:xox[abcdprs]|xapp)-[A-Za-z0-9%-]{10,}",
    ),
    (
        "slack-webhook",
        &["hooks.slack.com"],
        r"hooks\.slack\.com/(?:services|workflows|triggers)/(?P<secret>[A-Za-z0-9/]{20,})",
    ),
    (
        "discord-webhook",
        &["/api/webhooks/"],
        r"/api/webhooks/[0-9]+/(?P<secret>[A-Za-z0-9_-]{40,})",
    ),
    ("stripe-key", &["k_live_", "k_test_"], r"\b[sr]k_(?:live|test)_[0-9A-Za-z]{16,}"),
    ("stripe-key", &["whsec_"], r"\bwhsec_[A-Za-z0-9+/=]{24,}"),
    ("npm-token", &["npm_"], r"\bnpm_[A-Za-z0-9]{36}\b"),
    ("pypi-token", &["pypi-"], r"\bpypi-[A-Za-z0-9_-]{50,}"),
    ("huggingface-token", &["hf_"], r"\bhf_[A-Za-z0-9]{30,}\b"),
    ("sendgrid-key", &["SG."], r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    ("digitalocean-token", &["dop_v1_", "doo_v1_", "dor_v1_"], r"\bdo[opr]_v1_[a-f0-9]{64}\b"),
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
    ("azure-key", &["SharedAccessKey="], r"SharedAccessKey=(?P<secret>[A-Za-z0-9+/]{40,}={0,2})"),
    ("azure-key", &["sig="], r"\bsig=(?P<secret>[A-Za-z0-9%+/]{40,}(?:%3[Dd]|=))"),
    ("azure-key", &["7Q~", "8Q~"], r"\b[A-Za-z0-9_~.-]{3}[78]Q~[A-Za-z0-9_~.-]{31,34}"),
    ("groq-key", &["gsk_"], r"\bgsk_[A-Za-z0-9]{40,}"),
    ("xai-key", &["xai-"], r"\bxai-[A-Za-z0-9]{60,}"),
    ("perplexity-key", &["pplx-"], r"\bpplx-[A-Za-z0-9]{40,}"),
    ("replicate-token", &["r8_"], r"\br8_[A-Za-z0-9]{37}\b"),
    ("vault-token", &["hvs.", "hvb."], r"\bhv[sb]\.[A-Za-z0-9_-]{24,}"),
    ("databricks-token", &["dapi"], r"\bdapi[a-f0-9]{32}\b"),
    (
        "doppler-token",
        &["dp.pt.", "dp.st.", "dp.ct."],
        r"\bdp\.(?:pt|ct|st(?:\.[a-z0-9_-]{2,35})?)\.[A-Za-z0-9]{40,}",
    ),
    ("notion-token", &["ntn_"], r"\bntn_[A-Za-z0-9]{40,}"),
    ("supabase-token", &["sbp_"], r"\bsbp_[a-f0-9]{40}\b"),
    ("netlify-token", &["nfp_"], r"\bnfp_[A-Za-z0-9]{36,}"),
    ("square-token", &["sq0atp-", "sq0csp-"], r"\bsq0(?:atp|csp)-[A-Za-z0-9_-]{22,}"),
    ("fly-token", &["fm2_"], r"\bfm2_[A-Za-z0-9+/=_-]{40,}"),
    ("crates-io-token", &["cio"], r"\bcio[A-Za-z0-9]{32}\b"),
    ("grafana-token", &["glsa_"], r"\bglsa_[A-Za-z0-9]{32}_[a-f0-9]{8}\b"),
    ("grafana-token", &["glc_"], r"\bglc_[A-Za-z0-9+/=]{40,}"),
    ("newrelic-key", &["NRAK-"], r"\bNRAK-[A-Z0-9]{27}\b"),
    ("postman-key", &["PMAK-"], r"\bPMAK-[a-f0-9]{24}-[a-f0-9]{34}\b"),
    ("terraform-token", &[".atlasv1."], r"\b[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,}"),
    ("sentry-token", &["sntrys_", "sntryu_"], r"\bsntry[su]_[A-Za-z0-9+/=_-]{40,}"),
    ("pulumi-token", &["pul-"], r"\bpul-[a-f0-9]{40}\b"),
    ("planetscale-token", &["pscale_"], r"\bpscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.=-]{32,}"),
    ("figma-token", &["figd_"], r"\bfigd_[A-Za-z0-9_-]{40,}"),
    ("rubygems-key", &["rubygems_"], r"\brubygems_[a-f0-9]{48}\b"),
    (
        "tailscale-key",
        &["tskey-"],
        r"\btskey-(?:auth|api|client|scim|webhook)-[A-Za-z0-9]{8,}-[A-Za-z0-9]{16,}",
    ),
    ("circleci-token", &["CCIPAT_"], r"\bCCIPAT_[A-Za-z0-9]{22}_[a-f0-9]{40}\b"),
    ("bitbucket-token", &["ATBB"], r"\bATBB[A-Za-z0-9_=.-]{32,}"),
    ("heroku-key", &["HRKU-"], r"\bHRKU-[A-Za-z0-9_-]{36,}"),
    ("mapbox-token", &["sk.eyJ"], r"\bsk\.eyJ[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}"),
    ("1password-token", &["ops_eyJ"], r"\bops_eyJ[A-Za-z0-9_=-]{100,}"),
    ("nvidia-key", &["nvapi-"], r"\bnvapi-[A-Za-z0-9_-]{60,}"),
    ("langsmith-key", &["lsv2_"], r"\blsv2_(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10}\b"),
    ("pinecone-key", &["pcsk_"], r"\bpcsk_[A-Za-z0-9]{5,}_[A-Za-z0-9]{40,}"),
    ("tavily-key", &["tvly-"], r"\btvly-(?:dev-|prod-)?[A-Za-z0-9-]*[A-Za-z0-9]{24}"),
    ("firecrawl-key", &["fc-"], r"\bfc-[a-f0-9]{32}\b"),
    ("mailgun-key", &["key-"], r"\bkey-[a-f0-9]{32}\b"),
    (
        "npm-auth",
        &["_authToken", ":_auth", ":_password", "_auth="],
        r#"(?m)(?:^|/:)_(?:authToken|auth|password)[ \t]*=[ \t]*["']?(?P<secret>[A-Za-z0-9+/=_.-]{8,})"#,
    ),
    (
        "npm-auth",
        &["npmAuth"],
        r#"npmAuth(?:Token|Ident)["']?[ \t]*:[ \t]*["']?(?P<secret>[A-Za-z0-9+/=_.:-]{8,})"#,
    ),
    (
        "docker-auth",
        &["\"auth\""],
        r#""auth"\s*:\s*"(?P<secret>[A-Za-z0-9+/]{8,}[0-9][A-Za-z0-9+/=]{3,})""#,
    ),
    ("age-key", &["AGE-SECRET-KEY-"], r"AGE-SECRET-KEY-1[0-9A-Z]{50,}"),
    ("jwt", &["eyJ"], r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
    // A variable or a blank to fill in is no password. One with an at sign ends at the last.
    (
        PASSWORD,
        &["://"],
        r#"://[^\s:/@"'<>\\`]*:(?P<secret>[^\s@"'<>/${%\[*`\\][^\s"'<>/`]{2,})@[A-Za-z0-9_\[.-]"#,
    ),
    (
        PASSWORD,
        PASSWORD_WORDS,
        r#"://[^\s"'<>`]*[?&;](?:password|passwd|pwd)=(?P<secret>[^\s&;"'<>$%{}\[*`\\()][^\s&;"'<>`()]{2,})"#,
    ),
    // ADO.NET: names and values with semicolons between them, the password last, then first.
    (
        PASSWORD,
        PASSWORD_WORDS,
        r#"(?:[Ss]erver|[Dd]ata [Ss]ource|[Hh]ost|[Aa]ddress|[Uu]ser ?[Ii][Dd]|[Uu]id|[Uu]ser(?:[Nn]ame)?|SERVER|UID)=[^;"'(){}\n]*;(?:[A-Za-z ]+=[^;"'(){}\n]*;)*\s*(?:[Pp]assword|[Pp]wd|PASSWORD|PWD)=(?P<secret>[^\s;"'<>$%{}\[*`\\()][^\s;"'<>`()]{2,})"#,
    ),
    (
        PASSWORD,
        PASSWORD_WORDS,
        r#"\b(?:[Pp]assword|[Pp]wd|PASSWORD|PWD)=(?P<secret>[^\s;"'<>$%{}\[*`\\()][^\s;"'<>`()]{2,});\s*(?:[A-Za-z ]+=[^;"'(){}\n]*;\s*)*(?:[Ss]erver|[Dd]ata [Ss]ource|[Hh]ost|[Aa]ddress|[Uu]ser [Ii][Dd]|[Uu]id|SERVER|UID)="#,
    ),
    // libpq: the same with blanks.
    (
        PASSWORD,
        PASSWORD_WORDS,
        r#"\b(?:host|hostaddr|port|user|dbname|sslmode)=[^\s"'&;,()]+[ \t]+(?:[a-z_]+=[^\s"'&;,()]+[ \t]+)*password='?(?P<secret>[^\s;"'<>$%{}\[*`\\(),&][^\s;"'<>`(),&]{2,})"#,
    ),
    (
        PASSWORD,
        PASSWORD_WORDS,
        r#"\bpassword='?(?P<secret>[^\s;"'<>$%{}\[*`\\(),&][^\s;"'<>`(),&]{2,})'?[ \t]+(?:host|hostaddr|port|user|dbname|sslmode)=[^\s"'&;,()]"#,
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
        let mut secrets = find(form, &clean);
        if *kind == PASSWORD {
            secrets.retain(|secret| !is_blank(clean.get(secret.clone()).unwrap_or_default()));
        }
        if !secrets.is_empty() {
            *tally.entry(kind).or_default() += secrets.len();
            clean = Cow::Owned(without(&secrets, &clean, &mark(kind)));
        }
    }
    clean
}

/// Whether a password is only a place to fill one in: `xxx`, `***`.
fn is_blank(password: &str) -> bool {
    let mut letters = password.chars();
    let first = letters.next();
    letters.all(|letter| Some(letter) == first)
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
