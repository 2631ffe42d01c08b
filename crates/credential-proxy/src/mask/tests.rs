//! What is masked, and what is not.

use std::fmt::Write as _;

use super::forms::hex;
use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use proptest::prelude::*;

const SECRET: &str = "s3cr\"t/ü+ pass>word?";

fn masked(patterns: &Patterns, pieces: &[&[u8]]) -> String {
    let mut masker = Masker::new(patterns);
    let mut out: Vec<u8> = pieces.iter().flat_map(|piece| masker.push(piece)).collect();
    out.extend(masker.finish());
    String::from_utf8_lossy(&out).into_owned()
}

fn one(text: &str) -> String {
    masked(&Patterns::new([("svc", SECRET)]), &[text.as_bytes()])
}

#[test]
fn a_secret_is_masked_as_it_is_and_in_every_encoding() {
    for text in [
        SECRET.to_owned(),
        STANDARD.encode(SECRET),
        URL_SAFE.encode(SECRET),
        hex(SECRET.as_bytes(), false).iter().map(|b| char::from(*b)).collect(),
        hex(SECRET.as_bytes(), true).iter().map(|b| char::from(*b)).collect(),
        "s3cr%22t%2F%C3%BC%2B%20pass%3Eword%3F".to_owned(),
        "s3cr%22t%2f%c3%bc%2b+pass%3eword%3f".to_owned(),
        serde_json::to_string(SECRET).unwrap(),
        "s3cr\\\"t/\\u00fc+ pass>word?".to_owned(),
        "s3cr\\\"t\\/ü+ pass>word?".to_owned(),
    ] {
        let shown = one(&format!("<{text}>"));
        assert!(shown.contains("[redacted:svc]"), "{text} became {shown}");
    }
}

#[test]
fn base64_around_a_secret_leaks_nothing_of_it_at_any_offset() {
    for before in ["", "x", "xy", "xyz", "user:"] {
        let text = STANDARD.encode(format!("{before}{SECRET} and more"));
        let shown = one(&text);
        assert!(shown.contains("[redacted:svc]"), "{before}");
        // At most the six border bits on either side remain.
        assert!(shown.len() < "[redacted:svc]".len() + before.len() * 2 + 20, "{shown}");
    }
}

#[test]
fn several_secrets_have_their_own_names_and_the_longest_match_wins() {
    let patterns = Patterns::new([("short", "abcdef"), ("long", "abcdefghij")]);
    assert_eq!(
        masked(&patterns, &[b"abcdefghij abcdef abcde"]),
        "[redacted:long] [redacted:short] abcde"
    );
}

#[test]
fn short_secrets_are_left_alone_and_nothing_is_held_back_for_ever() {
    let patterns = Patterns::new([("pin", "12345"), ("real", "123456")]);
    assert_eq!(masked(&patterns, &[b"12345"]), "12345");
    let mut masker = Masker::new(&patterns);
    assert_eq!(masker.push(b"hello\n"), b"hello\n");
    assert_eq!(masker.push(b"12"), b"");
    assert_eq!(masker.push(b"9"), b"129");
}

#[test]
fn lines_of_a_long_key_are_masked_one_by_one() {
    let key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqh\nkiG9w0BAQEFAASCBK\n-----END KEY-----\n";
    let patterns = Patterns::new([("key", key)]);
    assert!(!masked(&patterns, &[b"got kiG9w0BAQEFAASCBK here"]).contains("kiG9w"));
    assert_eq!(masked(&patterns, &[key.as_bytes()]), "[redacted:key]");
    assert_eq!(
        masked(&patterns, &[key.replace('\n', "\r\n").as_bytes()]).matches("BEGIN").count(),
        0
    );
}

#[test]
fn an_encoded_secret_is_found_where_a_program_broke_it_into_lines_and_groups() {
    let secret = "github_pat_11ABCDEFG0abcdefghijkl_MNOPQRSTUVWXYZ0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";
    let patterns = Patterns::new([("gh", secret)]);
    let wrap = |text: &str, width: usize, end: &str| {
        let lines: Vec<&[u8]> = text.as_bytes().chunks(width).collect();
        String::from_utf8(lines.join(end.as_bytes())).unwrap()
    };
    for before in ["", "x", "xy", "x-token: "] {
        let base64 = STANDARD.encode(format!("{before}{secret}\n"));
        let digits = String::from_utf8(hex(format!("{before}{secret}").as_bytes(), false)).unwrap();
        for shown in [
            wrap(&base64, 76, "\n"),
            wrap(&base64, 64, "\r\n"),
            wrap(&digits, 60, "\n"),
            wrap(&digits, 4, " "),
            wrap(&digits, 2, ":"),
        ] {
            let masked = masked(&patterns, &[shown.as_bytes()]);
            assert!(masked.contains("[redacted:gh]"), "{shown}");
            assert!(masked.len() < 13 + 3 * before.len() + 12, "{shown} became {masked}");
        }
    }
    // Wherever the break comes, no more than three characters before it are left.
    let base64 = STANDARD.encode(secret);
    for width in 1..base64.len() {
        let (first, second) = base64.split_at(width);
        let masked = masked(&patterns, &[first.as_bytes(), b"\n", second.as_bytes()]);
        assert!(masked.len() <= 13 + 4, "{width}: {masked}");
    }
}

#[test]
fn the_bits_of_a_secret_that_share_a_character_with_its_neighbors_are_covered() {
    let secret = "hunter2-and-more";
    let patterns = Patterns::new([("svc", secret)]);
    for before in ["", "a", "ab", "user:"] {
        for after in ["", "\n", "!", "\u{7f}tail"] {
            let base64 = STANDARD.encode(format!("{before}{secret}{after}"));
            let shown = masked(&patterns, &[base64.as_bytes()]);
            let (head, tail) = shown.split_once("[redacted:svc]").unwrap();
            assert_eq!(head.len(), before.len() * 8 / 6, "{before:?} {after:?} {shown}");
            let end = (before.len() + secret.len()) * 8;
            let n_covered = end.div_ceil(6);
            let rest = base64.get(n_covered..).unwrap();
            assert!(tail == rest || rest.trim_end_matches('=').is_empty(), "{shown}");
        }
    }
}

#[test]
fn where_secrets_overlap_all_of_both_is_covered() {
    let patterns = Patterns::new([("one", "abcdef-tail"), ("two", "tail-of-two")]);
    assert_eq!(masked(&patterns, &[b"<abcdef-tail-of-two>"]), "<[redacted:one][redacted:two]>");
    let patterns = Patterns::new([("same", "abcabc")]);
    assert_eq!(masked(&patterns, &[b"<abcabcabcabca>"]), "<[redacted:same]a>");
}

#[test]
fn json_and_percent_are_masked_as_other_languages_write_them() {
    let secret = "a<b>&c/\u{fc}d:e f";
    let patterns = Patterns::new([("svc", secret)]);
    for text in [
        "a\\u003cb\\u003e\\u0026c/\u{fc}d:e f",
        "a\\u003Cb\\u003E\\u0026c\\/\\u00FCd:e f",
        "a%3Cb%3E&c/%C3%BCd:e%20f",
        "a%3Cb%3E%26c%2F%C3%BCd%3Ae+f",
        "%61%3c%62%3e%26%63%2f%c3%bc%64%3a%65%20%66",
    ] {
        assert_eq!(masked(&patterns, &[text.as_bytes()]), "[redacted:svc]", "{text}");
    }
}

#[test]
fn escapes_of_every_common_encoder_are_masked_also_when_a_log_escaped_them_again() {
    let secret = "a=b'c&d<e+f/g\"\u{fc}\\\u{1f600}";
    let patterns = Patterns::new([("svc", secret)]);
    for text in [
        // Gson, System.Text.Json, serialize-javascript, PHP, Python's ascii(), Rust's {:?}, git's quoted paths.
        r#"a\u003db\u0027c\u0026d\u003ce+f/g\"ü\\😀"#,
        r"a=b\u0027c\u0026d\u003Ce\u002Bf/g\u0022\u00FC\\\uD83D\uDE00",
        r#"a=b'c&d\u003Ce+f\u002Fg\"ü\\😀"#,
        r#"a=b'c&d<e+f\/g\"\u00fc\\\ud83d\ude00"#,
        r#"a=b\'c&d<e+f/g"\xfc\\\U0001f600"#,
        r#"a=b\'c&d<e+f/g\"\u{fc}\\\u{1f600}"#,
        r#"a=b'c&d<e+f/g\"\303\274\\\360\237\230\200"#,
        // JSON in JSON.
        r#"a\\u003db'c\\u0026d<e+f/g\\\"ü\\\\😀"#,
        r#"a=b'c&d<e+f/g\\\\\\\"ü\\\\\\\\😀"#,
    ] {
        assert_eq!(masked(&patterns, &[text.as_bytes()]), "[redacted:svc]", "{text}");
        assert_eq!(
            masked(&patterns, &[b"{\"k\":\"", text.as_bytes(), b"\",\"n\":1}"]),
            "{\"k\":\"[redacted:svc]\",\"n\":1}"
        );
    }
}

#[test]
fn a_parameter_that_was_encoded_twice_is_masked() {
    let patterns = Patterns::new([("svc", "p w/d%+x")]);
    for text in ["p%2520w%252Fd%2525%252bx", "p+w%2Fd%25%2Bx", "p%20w/d%25+x"] {
        assert_eq!(masked(&patterns, &[text.as_bytes()]), "[redacted:svc]", "{text}");
    }
}

#[test]
fn a_very_long_secret_is_masked_whole_and_in_large_parts_and_costs_little() {
    let mut state = 1_u64;
    let secret: String = (0..150_000)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b'!' + u8::try_from((state >> 33) % 90).unwrap())
        })
        .collect();
    let patterns = Patterns::new([("big", secret.as_str())]);
    let n_entries: usize = patterns.lists.iter().map(Vec::len).sum();
    assert!(patterns.all.len() < 1_200 && n_entries < 80_000, "{n_entries}");
    let pieces: Vec<&[u8]> = secret.as_bytes().chunks(60_000).collect();
    assert_eq!(masked(&patterns, &pieces), "[redacted:big]");
    let base64 = STANDARD.encode(&secret);
    let pieces: Vec<&[u8]> = base64.as_bytes().chunks(60_000).collect();
    assert_eq!(masked(&patterns, &pieces), "[redacted:big]");
    let shown = masked(&patterns, &[b"<", secret.get(50_000..70_000).unwrap().as_bytes()]);
    assert!(shown.len() < 2 * BLOCK + 20 && shown.contains("[redacted:big]"), "{}", shown.len());
    let lines: Vec<String> = (0..4_000).map(|n| format!("line {n} of a very long key")).collect();
    let patterns = Patterns::new([("key", lines.join("\n").as_str())]);
    assert_eq!(masked(&patterns, &[b"> line 3999 of a very long key"]), "> [redacted:key]");
}

/// A text as an encoder writes it that escapes each character in the way that chance says.
fn escaped(text: &str, ways: &[u8]) -> String {
    let mut out = String::new();
    for (character, way) in text.chars().zip(ways.iter().cycle()) {
        let must = matches!(character, '"' | '\\') || character.is_control();
        let code = u32::from(character);
        match way % 6 {
            0 | 1 if !must => out.push(character),
            2 if code < 256 => write!(out, "\\x{code:02x}").unwrap(),
            3 if "\"\\/'&=".contains(character) => out.extend(['\\', character]),
            4 => write!(out, "\\u{{{code:x}}}").unwrap(),
            way => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    let digits = format!("{unit:04x}");
                    let digits = if way == 5 { digits.to_uppercase() } else { digits };
                    write!(out, "\\u{digits}").unwrap();
                }
            }
        }
    }
    out
}

proptest! {
    #[test]
    fn however_the_stream_is_cut_the_outcome_is_the_same(
        before in "[a-z\\[%=]{0,12}", after in ".{0,12}", cuts in proptest::collection::vec(0_usize..200, 0..8)
    ) {
        let patterns = Patterns::new([("svc", SECRET), ("two", "another-secret")]);
        let text = format!("{before}{SECRET}{after}another-secret{before}");
        let bytes = text.as_bytes();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut from = 0;
        for cut in cuts {
            pieces.push(&bytes[from..cut]);
            from = cut;
        }
        pieces.push(&bytes[from..]);
        let shown = masked(&patterns, &pieces);
        prop_assert_eq!(&shown, &masked(&patterns, &[bytes]));
        prop_assert!(!shown.contains(SECRET));
        prop_assert!(!shown.contains("another-secret"));
    }

    #[test]
    fn whatever_is_escaped_in_whatever_way_nothing_comes_through(
        secret in "[a-z\"'\\\\/<>&=+%\n\u{e4}-\u{ff}\u{1f600}-\u{1f64f}]{6,40}",
        ways in proptest::collection::vec(any::<u8>(), 1..50),
        depth in 1..4_usize,
        cut in any::<prop::sample::Index>(),
    ) {
        let patterns = Patterns::new([("svc", secret.as_str())]);
        let mut text = secret.clone();
        for _ in 0..depth {
            text = escaped(&text, &ways);
        }
        let (first, second) = text.as_bytes().split_at(cut.index(text.len()));
        let shown = masked(&patterns, &[b"<", first, second, b">"]);
        prop_assert_eq!(shown, "<[redacted:svc]>", "{}", text);
    }

    #[test]
    fn output_without_secrets_is_passed_on_exactly(text in proptest::collection::vec(any::<u8>(), 0..300)) {
        let patterns = Patterns::new([("svc", "this-never-appears-in-random-bytes")]);
        let mut masker = Masker::new(&patterns);
        let mut out = masker.push(&text);
        out.extend(masker.finish());
        prop_assert_eq!(out, text);
    }
}
