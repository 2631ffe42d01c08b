//! Several paths: one document, in which every file is there once and under one name.

use super::sandbox::Sandbox;

#[test]
fn several_paths_are_one_document_and_their_files_are_told_apart() {
    let sandbox = Sandbox::new();
    sandbox.file("one/README.md", "# One\n");
    sandbox.file("two/README.md", "# Two\n");
    let ran = sandbox.run(&["one", "two"]).exits(0);
    assert!(
        ran.stdout.contains("## One/README.md") && ran.stdout.contains("## Two/README.md"),
        "{}",
        ran.stdout
    );
    let listed = sandbox.run(&["one/README.md", "two", "two/README.md", "--list"]).exits(0).stdout;
    let mut listed: Vec<&str> = listed.lines().collect();
    listed.sort_unstable();
    assert_eq!(listed, ["README.md", "Two/README.md"]);
    let stats = sandbox.run(&["one", "-o", "../pack.md", "--stats", "-"]).exits(0).stdout;
    assert!(stats.starts_with("{\"files_scanned\":1,"), "{stats}");
}

#[test]
fn paths_that_lie_in_one_another_are_packed_once_and_counted_once() {
    let sandbox = Sandbox::with_project();
    sandbox.file(".gitignore", "made\n");
    sandbox.file("made/out.rs", "fn made() {}\n");
    let list = |paths: &[&str]| {
        let ran = sandbox.run(&[paths, &["--list"]].concat()).exits(0).says_nothing();
        let mut names: Vec<String> = ran.stdout.lines().map(str::to_owned).collect();
        names.sort();
        names
    };
    let whole: Vec<String> = list(&["."]).iter().map(|name| format!("kettle/{name}")).collect();
    for paths in [&["..//tree", "src"][..], &["src", "."], &["src/main.rs", ".", "src"]] {
        assert_eq!(list(paths), whole, "{paths:?}");
    }
    assert_eq!(list(&[".", "../tree/"]), list(&["."]));
    assert_eq!(list(&["src", "src/heat.rs"]), ["src/heat.rs", "src/main.rs"]);
    // What the outer walk leaves out is there when it is named.
    assert_eq!(list(&[".", "made"]), [&whole[..], &["made/out.rs".to_owned()]].concat());
    let stats = sandbox.run(&[".", "src", "-o", "../x", "--stats", "-"]).exits(0).stdout;
    assert!(stats.starts_with("{\"files_scanned\":6,"), "{stats}");
}

#[test]
fn the_folder_of_a_clone_is_not_in_the_document() {
    let sandbox = Sandbox::new();
    for folder in ["one", "deep/two"] {
        sandbox.file(&format!("{folder}/package.json"), "{\"name\": \"@scope/kettle\"}\n");
        sandbox.file(&format!("{folder}/index.js"), "boil();\n");
    }
    sandbox.file("notes/a.md", "Tea.\n");
    let first = sandbox.run(&["one", "notes"]).exits(0).stdout;
    assert!(first.contains("## @scope-kettle/index.js") && first.contains("## notes/a.md"));
    assert_eq!(sandbox.run(&["deep/two", "notes"]).exits(0).stdout, first);
    let both = sandbox.run(&["one", "deep/two", "--list"]).exits(0).stdout;
    assert!(both.contains("@scope-kettle/index.js\n"), "{both}");
    assert!(both.contains("@scope-kettle-2/index.js\n"), "{both}");
}
