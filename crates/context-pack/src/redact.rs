//! Replaces secrets that are certain by their form, with an engine that is fast over whole trees.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{LazyLock, OnceLock};

pub(crate) use common::secret_forms::Tally;
use common::secret_forms::{self, FORMS, PASSWORD_WORDS};
use regex::Regex;

use crate::lines;

/// What is known of the literals of all forms.
struct Literals {
    /// Looks for any of them; longer ones come before those that they begin with.
    searches: Vec<Regex>,
    /// The forms that a literal can belong to, and whether it is the first of a word in them.
    forms: HashMap<&'static str, Vec<(usize, bool)>>,
}

/// More literals than this in one search make it several times as slow, and so does one of two
/// bytes.
const MOST: usize = 50;

static LITERALS: LazyLock<Option<Literals>> = LazyLock::new(|| {
    let every = || FORMS.iter().flat_map(|(_, literals, _)| literals.iter().copied());
    let mut literals: Vec<&str> = every().collect();
    literals.sort_by_key(|literal| (Reverse(literal.len()), *literal));
    literals.dedup();
    let searches = literals.chunks(MOST).map(|some| {
        let some: Vec<String> = some.iter().map(|literal| regex::escape(literal)).collect();
        Regex::new(&some.join("|"))
    });
    let searches = searches.collect::<Result<Vec<Regex>, _>>().ok()?;
    let mut forms: HashMap<&str, Vec<(usize, bool)>> = HashMap::new();
    for found in literals {
        for (form, (_, literals, pattern)) in FORMS.iter().enumerate() {
            // Where a literal stands, so does every one that it begins with.
            let of_form = literals.iter().filter(|literal| found.starts_with(**literal));
            let word = pattern.strip_prefix(r"\b").unwrap_or_default();
            forms
                .entry(found)
                .or_default()
                .extend(of_form.map(|literal| (form, word.starts_with(literal))));
        }
    }
    Some(Literals { searches, forms })
});

/// The forms, each built when a text first has one of its literals.
static PATTERNS: [OnceLock<Option<Regex>>; FORMS.len()] = [const { OnceLock::new() }; FORMS.len()];

/// The text without its secrets.
pub(crate) fn redact<'a>(text: &'a str, tally: &mut Tally) -> Cow<'a, str> {
    let likely = likely_forms(text);
    secret_forms::redact(text, tally, |form, text| {
        if likely.get(form).is_some_and(|is_likely| *is_likely) {
            secrets(form, text)
        } else {
            Vec::new()
        }
    })
}

/// The kind of the secrets that take several lines.
pub(crate) const KEY: &str = "private-key";

/// What stands for a secret of a kind.
pub(crate) use common::secret_forms::mark;

/// Which lines of the text, counted from 0, belong to private keys.
pub(crate) fn lines_of_keys(text: &str) -> Vec<Range<usize>> {
    let likely = likely_forms(text);
    let forms = FORMS.iter().enumerate().zip(likely);
    let keys = forms.filter(|((_, (kind, ..)), is_likely)| *is_likely && *kind == KEY);
    let places = keys.flat_map(|((form, _), _)| secrets(form, text));
    let line = |at: usize| lines::ends(text.get(..at).unwrap_or_default());
    places.map(|place| line(place.start)..line(place.end.saturating_sub(1)) + 1).collect()
}

/// Which forms have one of their literals in a place of the text where the form can be.
///
/// Most texts have addresses and words that end like a token's prefix. Looking at the bytes around
/// them costs less than the patterns, the building of which takes longer than reading a file.
fn likely_forms(text: &str) -> [bool; FORMS.len()] {
    let mut likely = [false; FORMS.len()];
    let Some(known) = LITERALS.as_ref() else { return [true; FORMS.len()] };
    for search in &known.searches {
        let mut from = 0;
        while let Some(found) = search.find_at(text, from) {
            let literal = found.as_str();
            for (form, is_first) in known.forms.get(literal).into_iter().flatten() {
                if !likely[*form] {
                    likely[*form] = match literal {
                        "://" => may_have_password(text.get(found.end()..).unwrap_or_default()),
                        _ if PASSWORD_WORDS.contains(&literal) => may_connect(text, found.start()),
                        _ => !*is_first || may_be_token(text, found.range()),
                    };
                }
            }
            // Literals are ASCII, so one byte on begins a character; they may overlap.
            from = found.start() + 1;
        }
    }
    likely
}

/// Whether a literal begins a word that is as long as the shortest token.
fn may_be_token(text: &str, literal: Range<usize>) -> bool {
    let is_in_word = |last: char| last.is_alphabetic() || last.is_ascii_digit() || last == '_';
    let before = text.get(..literal.start).unwrap_or_default();
    let of_token = |byte: &u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'+' | b'/' | b'=')
    };
    let after = text.as_bytes().get(literal.end..literal.end + 10).unwrap_or_default();
    !before.ends_with(is_in_word) && after.len() == 10 && after.iter().all(of_token)
}

/// Whether the line around a password has a part of a connection string.
fn may_connect(text: &str, at: usize) -> bool {
    let start = text.get(..at).and_then(|before| before.rfind('\n')).unwrap_or(0);
    let end = text.get(at..).and_then(|after| after.find('\n')).map_or(text.len(), |end| at + end);
    let line = text.get(start..end).unwrap_or_default();
    [
        "://", "ost=", "erver=", "RVER=", "ource=", "ddress=", "ser=", "ame=", "Id=", "ID=", "id=",
        "port=", "mode=",
    ]
    .iter()
    .any(|part| line.contains(part))
}

/// Whether the address that follows `://` names somebody before its host.
fn may_have_password(authority: &str) -> bool {
    let end = authority.find(|character: char| {
        character.is_whitespace() || matches!(character, '"' | '\'' | '<' | '>' | '/' | '`' | '@')
    });
    end.is_some_and(|end| authority.get(end..).is_some_and(|rest| rest.starts_with('@')))
        && authority.contains(':')
}

/// Where the secrets of a form are.
fn secrets(form: usize, text: &str) -> Vec<Range<usize>> {
    let Some(pattern) = pattern(form) else { return Vec::new() };
    let found = pattern.captures_iter(text);
    found.map(|found| found.name("secret").unwrap_or(found.get_match()).range()).collect()
}

/// The pattern of a form.
fn pattern(form: usize) -> Option<&'static Regex> {
    let (_, _, pattern) = FORMS.get(form)?;
    PATTERNS.get(form)?.get_or_init(|| Regex::new(pattern).ok()).as_ref()
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
        assert!(LITERALS.is_some());
        let mut literals = FORMS.iter().flat_map(|(_, literals, _)| literals.iter());
        assert!(literals.all(|literal| literal.len() > 2));
        assert!((0..FORMS.len()).all(|form| pattern(form).is_some()));
    }

    #[test]
    fn a_secret_is_found_beside_what_only_looks_like_one() {
        let body = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8";
        check(
            &format!("see https://x.org and the task-force\nsk_live_{body} {body}sk-{body}"),
            &format!("see https://x.org and the task-force\n[redacted:stripe-key] {body}sk-{body}"),
        );
        check(
            &format!("12345678:AA{} ://::AA://u:secret@h", "abcdefghijklmnopqrstuvwxyz1234567"),
            "[redacted:telegram-token] ://::AA://u:[redacted:password]@h",
        );
        check(
            "ssh://git@host:22/x git+https://u:p4ssw0rd@host/x",
            "ssh://git@host:22/x git+https://u:[redacted:password]@host/x",
        );
    }

    #[test]
    fn tokens_of_smaller_providers_are_replaced() {
        let letters = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0u1V2w3X4y5Z6a7B8c9D0e1F2g3H4";
        let hex = "0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f";
        for (start, rest, n_rest, kind) in [
            ("GOCS", "PX-", 28, "google-secret"),
            ("gs", "k_", 52, "groq-key"),
            ("xa", "i-", 64, "xai-key"),
            ("ppl", "x-", 48, "perplexity-key"),
            ("r", "8_", 37, "replicate-token"),
            ("hv", "s.", 30, "vault-token"),
            ("dp.", "pt.", 43, "doppler-token"),
            ("dp.", "st.prod.", 43, "doppler-token"),
            ("nt", "n_", 46, "notion-token"),
            ("nf", "p_", 40, "netlify-token"),
            ("sq0", "atp-", 22, "square-token"),
            ("fm", "2_", 60, "fly-token"),
            ("ci", "o", 32, "crates-io-token"),
            ("gl", "rt-", 20, "gitlab-token"),
            ("gl", "ptt-", 40, "gitlab-token"),
            ("whs", "ec_", 32, "stripe-key"),
            ("gl", "c_", 60, "grafana-token"),
            ("sntr", "ys_", 60, "sentry-token"),
            ("pscale_", "tkn_", 43, "planetscale-token"),
            ("fig", "d_", 40, "figma-token"),
            ("AT", "BB", 32, "bitbucket-token"),
            ("HR", "KU-", 36, "heroku-key"),
            ("nv", "api-", 64, "nvidia-key"),
            ("tv", "ly-dev-", 32, "tavily-key"),
        ] {
            let token = format!("{start}{rest}{}", &letters[..n_rest]);
            check(&format!("TOKEN={token}\n"), &format!("TOKEN=[redacted:{kind}]\n"));
            check(&format!("a{token}"), &format!("a{token}"));
            check(&format!("{start}{rest}short"), &format!("{start}{rest}short"));
        }
        for (start, n_hex, kind) in [
            ("dapi", 32, "databricks-token"),
            ("sbp_", 40, "supabase-token"),
            ("key-", 32, "mailgun-key"),
            ("pul-", 40, "pulumi-token"),
            ("fc-", 32, "firecrawl-key"),
        ] {
            let token = format!("{start}{}", &hex[..n_hex]);
            check(&format!("'{token}'"), &format!("'[redacted:{kind}]'"));
        }
    }

    #[test]
    fn tokens_of_several_parts_are_replaced() {
        let letters = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0u1V2w3X4y5Z6a7B8c9D0e1F2g3H4";
        let hex = "0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293";
        for (token, kind) in [
            (format!("gls{}{}_{}", "a_", &letters[..32], &hex[..8]), "grafana-token"),
            (format!("NR{}{}", "AK-", "A1B2C3D4E5F6G7H8I9J0K1L2M3N"), "newrelic-key"),
            (format!("PM{}{}-{}", "AK-", &hex[..24], &hex[..34]), "postman-key"),
            (format!("{}.atla{}{}", &letters[..14], "sv1.", &letters[..64]), "terraform-token"),
            (format!("rubyge{}{}", "ms_", &hex[..48]), "rubygems-key"),
            (format!("tsk{}-{}-{}", "ey-auth", &letters[..12], &letters[..32]), "tailscale-key"),
            (format!("CCI{}{}_{}", "PAT_", &letters[..22], &hex[..40]), "circleci-token"),
            (format!("ls{}{}_{}", "v2_pt_", &hex[..32], &hex[..10]), "langsmith-key"),
            (format!("pc{}{}_{}", "sk_", &letters[..6], &letters[..60]), "pinecone-key"),
            (format!("ab{}{}", "c8Q~", &letters[..34]), "azure-key"),
            (format!("xox{}%2B{}", "d-", &letters[..40]), "slack-token"),
        ] {
            check(&format!("k: '{token}'"), &format!("k: '[redacted:{kind}]'"));
        }
        check(
            &format!("?sv=2024&sig={}%3D&se=1", &letters[..43]),
            "?sv=2024&sig=[redacted:azure-key]&se=1",
        );
        check(
            &format!("Endpoint=sb://x/;SharedAccessKey={}=", &letters[..43]),
            "Endpoint=sb://x/;SharedAccessKey=[redacted:azure-key]",
        );
    }

    #[test]
    fn logins_in_the_files_of_clients_are_replaced() {
        check(
            "//npm.example.com/:_authToken=0a1b2c3d-4e5f\n_auth=dXNlcjpw\n",
            "//npm.example.com/:_authToken=[redacted:npm-auth]\n_auth=[redacted:npm-auth]\n",
        );
        check("npmAuthToken: \"0a1b2c3d-4e5f\"", "npmAuthToken: \"[redacted:npm-auth]\"");
        check("\"auth\": \"dXNlcjpwYXNzd29yZA==\"", "\"auth\": \"[redacted:docker-auth]\"");
        for plain in [
            "//npm.example.com/:_authToken=${NPM_TOKEN}\n",
            "session(http_auth=credentials_of_user)",
            "always-auth=true",
            "\"auth\": \"requiredForThisRoute\"",
        ] {
            check(plain, plain);
        }
    }

    #[test]
    fn passwords_in_connection_strings_of_any_style_are_replaced() {
        for (before, after) in [
            ("Server=db;Database=d;User Id=sa;Password=", ";Encrypt=true"),
            ("\"Data Source=db;Pwd=", "\""),
            ("Password=", ";Server=db;User Id=sa"),
            ("jdbc:mysql://db:3306/d?user=u&password=", "&useSSL=true"),
            ("jdbc:sqlserver://db;user=u;password=", ";encrypt=true"),
            ("host=db user=u password=", " dbname=d"),
            ("password=", " host=db dbname=d"),
            ("host=db user=u password='", "' dbname=d"),
            ("Driver={SQL Server};SERVER=db;UID=sa;PWD=", ";Encrypt=yes"),
            ("postgres://u:", "@db/d"),
        ] {
            for password in ["hunter2", "p4ss-w0rd!", "Tr0ub4dor#3"] {
                check(
                    &format!("x {before}{password}{after}\n"),
                    &format!("x {before}[redacted:password]{after}\n"),
                );
            }
            for blank in ["${PASSWORD}", "<password>", "{password}", "xxx", "***", "%s", "$PW"] {
                let text = format!("x {before}{blank}{after}\n");
                check(&text, &text);
            }
        }
        check("postgres://u:hunter2@u2@db/d", "postgres://u:[redacted:password]@db/d");
        for plain in [
            "connect(host=host, user=user, password=password)",
            "if password == other: password=other",
            "curl --user=u --password=\"$PASSWORD\"",
            "PWD=$(pwd); cd src",
            "OLDPWD=/home/u PWD=/home/u/src USER=u",
            "a real-fc-based pul-request whsec_ sig=abc Q~ x",
            "pathlib.Path(tskey-auth)",
        ] {
            check(plain, plain);
        }
    }

    #[test]
    fn a_key_is_replaced_without_its_beginning_and_in_the_form_of_putty() {
        let body = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2";
        let end = format!("-----END RSA PRIVATE {}-----", "KEY");
        check(
            &format!("a = 1\n{body}\n{body}\nQ==\n{end}\nb\n"),
            "a = 1\n[redacted:private-key]\nb\n",
        );
        check(&format!("It ends with\n{end}\n"), &format!("It ends with\n{end}\n"));
        let putty = format!("Private-Lines: 2\n{body}\nQ==\nPrivate-MAC: 0a1b2c\n");
        check(&format!("Comment: x\n{putty}"), "Comment: x\n[redacted:private-key]\n");
        let cut = format!("Private-Lines: 9\n{body}\n{body}\n");
        check(&cut, "[redacted:private-key]\n");
    }

    #[test]
    fn plain_text_is_not_copied() {
        assert!(matches!(redact("fn main() {}", &mut Tally::new()), Cow::Borrowed(_)));
    }
}
