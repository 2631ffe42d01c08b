//! The budget is a promise, for every budget and every tree.

use super::sandbox::Sandbox;

fn tokens(document: &str) -> usize {
    tiktoken_rs::cl100k_base_singleton().count_ordinary(document)
}

#[test]
fn a_document_has_the_files_that_matter_and_fits() {
    let sandbox = Sandbox::with_project();
    let ran = sandbox.run(&["."]).exits(0).says_nothing();
    assert!(ran.stdout.starts_with("# kettle"), "{}", ran.stdout);
    for part in ["## README.md", "Boils water.", "## src/main.rs", "heat::boil(100);"] {
        assert!(ran.stdout.contains(part), "{part} is missing in {}", ran.stdout);
    }
    assert!(tokens(&ran.stdout) <= 32_000);
}

#[test]
fn no_budget_is_exceeded_and_one_that_is_too_small_gives_nothing_and_says_no() {
    let sandbox = Sandbox::with_project();
    sandbox.file("src/long.rs", "pub fn long() -> usize { 1 + 2 + 3 }\n".repeat(500));
    for budget in [0, 1, 2, 5, 10, 20, 40, 80, 160, 320, 640, 1280, 5120] {
        let ran = sandbox.run(&[".", "--budget", &budget.to_string()]);
        assert!(tokens(&ran.stdout) <= budget, "{budget}: {}", ran.stdout);
        match ran.code {
            Some(0) => assert!(!ran.stdout.is_empty()),
            Some(1) => {
                assert_eq!(ran.stdout, "");
                assert_eq!(ran.stderr.lines().count(), 1);
            }
            code => panic!("{budget}: {code:?} {}", ran.stderr),
        }
    }
    sandbox.run(&[".", "--budget", "1"]).exits(1);
    sandbox.run(&[".", "--budget", "1000000000000"]).exits(0);
}

#[test]
fn a_number_below_zero_is_named_for_what_it_is() {
    let sandbox = Sandbox::with_project();
    for flag in ["--budget", "--max-file", "--margin", "--log"] {
        let ran = sandbox.run(&[".", flag, "-1"]).exits(2);
        assert!(ran.stderr.starts_with("error: invalid value '-1' for '"), "{}", ran.stderr);
    }
}

#[test]
fn count_prints_one_number_and_names_for_several_files() {
    let sandbox = Sandbox::with_project();
    let of = |name: &str| tokens(&std::fs::read_to_string(sandbox.tree().join(name)).unwrap());
    let (readme, main) = (of("README.md"), of("src/main.rs"));
    assert_eq!(sandbox.run(&["count", "README.md"]).exits(0).stdout, format!("{readme}\n"));
    assert_eq!(
        sandbox.run(&["count", "README.md", "src/main.rs"]).exits(0).stdout,
        format!("{readme}\tREADME.md\n{main}\tsrc/main.rs\n")
    );
    assert_eq!(sandbox.run_with_stdin(&["count", "-"], "hello world").exits(0).stdout, "2\n");
    let ran = sandbox.run(&["count", "absent"]).exits(3);
    assert!(ran.stderr.starts_with("context-pack: cannot read absent: "), "{}", ran.stderr);
}

#[test]
fn what_is_no_text_is_not_counted_and_a_device_without_an_end_not_waited_for() {
    let sandbox = Sandbox::with_project();
    let count = |name: &str| sandbox.run(&["count", name]);
    let ran = count("/dev/zero").exits(3);
    assert!(ran.stderr.starts_with("context-pack: cannot count /dev/zero: it is not text\n"));
    let units = "x😀".repeat(30_000);
    let wide: Vec<u8> =
        [0xFF, 0xFE].into_iter().chain(units.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    sandbox.file("wide.txt", wide);
    let expect = format!("{}\n", tokens(&units));
    assert_eq!(count("wide.txt").exits(0).stdout, expect);
}

#[test]
fn no_file_has_more_tokens_than_the_most_that_one_may_have_at_any_depth() {
    let sandbox = Sandbox::with_project();
    sandbox
        .file("CHANGES.rst", "A long line of a chronicle, of which there are many.\n".repeat(900));
    sandbox.file("AGENTS.md", "# An instruction that nobody can read in full\n".repeat(900));
    let code = "pub fn a_rather_long_name_of_a_function() {}\n".repeat(40);
    sandbox.file("src/a_deep_folder/with_a_long_name/and_a_file.rs", code);
    for form in ["markdown", "xml", "json"] {
        for most in [1, 25, 60, 120, 500] {
            let limit = most.to_string();
            let flags = [".", "--format", form, "--pin", "CHANGES.rst", "--max-file", &limit];
            let stats =
                sandbox.run(&[&flags[..], &["-o", "../x", "--stats", "-"]].concat()).exits(0);
            let stats: serde_json::Value = serde_json::from_str(&stats.stdout).unwrap();
            let files = stats["files"].as_array().unwrap();
            for file in files {
                assert!(file["tokens"].as_u64().unwrap() <= most, "{form} {most}: {file}");
            }
            assert_eq!(files.is_empty(), most < 25, "{form} {most}: {files:?}");
        }
    }
}
