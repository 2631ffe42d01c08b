//! What `--diff` and `--log` add: no key, no other agent's work, and nothing that is missing unsaid.

use super::repository::{git, repository};

#[test]
fn a_patch_shows_no_line_of_a_key_whose_ends_are_outside_of_its_hunks() {
    let sandbox = repository();
    let tree = sandbox.tree();
    let body: Vec<String> =
        (0..27).map(|line| format!("MII{line}aGVyZSBpcyBub3RoaW5nIHRvIHNlZSBmb3IgYW55Ym9keQ")).collect();
    let file = |body: &str, after: &str| {
        let end = format!("RSA PRIVATE {}-----", "KEY");
        format!("a = 1\n-----BEGIN {end}\n{body}\n-----END {end}\nb = 1\n{after}")
    };
    sandbox.file("deploy.txt", file(&body.join("\n"), "c = 1\n"));
    git(&sandbox, &tree, &["add", "-A"]).exits(0);
    git(&sandbox, &tree, &["commit", "-qm", "Deploy"]).exits(0);
    let mut other = body.clone();
    other[13] = "MIIrotatedaGVyZSBpcyBub3RoaW5nIHRvIHNlZSBmb3IgYW55Ym9keQ".to_owned();
    sandbox.file("deploy.txt", file(&other.join("\n"), "c = 2\n"));
    let changed = sandbox.run(&[".", "--diff"]).exits(0).says_nothing().stdout;
    assert!(!changed.contains("MII") && changed.contains("+c = 2"), "{changed}");
    assert!(changed.contains("-[redacted:private-key]\n+[redacted:private-key]\n"), "{changed}");
}
