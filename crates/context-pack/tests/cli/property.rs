//! Whatever the tree and the budget: the document fits, parses, and is the same twice.

use proptest::prelude::*;

use super::sandbox::Sandbox;

/// Names as people and attackers give them.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,8}\\.(rs|py|md|json|txt|toml|c|x)",
        "(src|docs|tests|a b|`|ü)/[a-z]{1,6}\\.(rs|ts|go|yml)",
        Just("README.md".to_owned()),
        Just("AGENTS.md".to_owned()),
        "[a-z\"'`<&>#\n\u{1b}]{1,10}",
    ]
}

/// Contents that try every way through the program.
fn content() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[ -~\n]{0,400}".prop_map(String::into_bytes),
        "(fn [a-z]{1,6}\\(\\) \\{\n    [a-z]{0,30}\n\\}\n){0,30}".prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..200),
        any::<String>().prop_map(String::into_bytes),
        (1_usize..4000, "[`= a\n\t]").prop_map(|(count, text)| text.repeat(count).into_bytes()),
        Just(b"]]>```\n</file>\n# forged\n\"}]".repeat(20)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, max_shrink_iters: 40, ..ProptestConfig::default() })]

    #[test]
    fn the_document_fits_any_budget_in_every_form(
        files in proptest::collection::vec((name(), content()), 0..14),
        budget in prop_oneof![0_usize..200, 200_usize..3000, Just(1_000_000)],
        form in prop_oneof![Just("markdown"), Just("xml"), Just("json")],
        tokenizer in prop_oneof![Just("cl100k_base"), Just("o200k_base")],
    ) {
        let sandbox = Sandbox::new();
        for (name, content) in &files {
            // A name can be a folder in another name; then the first one stays.
            let path = sandbox.tree().join(name);
            if path.symlink_metadata().is_err() && path.parent().is_some_and(|parent| !parent.is_file()) {
                sandbox.file(name, content);
            }
        }
        let budget_text = budget.to_string();
        let arguments = [".", "--budget", &budget_text, "--margin", "0", "--format", form, "--tokenizer", tokenizer];
        let ran = sandbox.run(&arguments);
        let reference = match tokenizer {
            "cl100k_base" => tiktoken_rs::cl100k_base_singleton(),
            _ => tiktoken_rs::o200k_base_singleton(),
        };
        prop_assert!(reference.count_ordinary(&ran.stdout) <= budget);
        prop_assert!(ran.code == Some(0) || (ran.code == Some(1) && ran.stdout.is_empty()), "{:?}", ran);
        if ran.code == Some(0) && form == "json" {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&ran.stdout).is_ok());
        }
        prop_assert_eq!(sandbox.run(&arguments).stdout, ran.stdout);
    }
}
