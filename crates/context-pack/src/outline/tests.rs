//! One file of each language, written for the purpose, and the outline that it must have.

use std::path::Path;

use super::Outline;
use crate::kind::Language;

/// The files of a language: the source, and beside it what its outline is.
macro_rules! golden {
    ($($test:ident: $name:literal,)*) => {
        $(
            #[test]
            fn $test() {
                check($name, include_str!(concat!("golden/", $name)), include_str!(concat!("golden/", $name, ".outline")));
            }
        )*
    };
}

fn check(name: &str, source: &str, expect: &str) {
    let outline = Outline::of(source, Language::of(Path::new(name)), source.len());
    let (text, n_more) = outline.within(usize::MAX);
    assert_eq!(n_more, 0);
    assert_eq!(text, expect, "{name} is now:\n{text}");
}

golden! {
    shell_shows_functions: "kettle.sh",
    c_shows_types_prototypes_and_functions: "kettle.c",
    csharp_shows_namespaces_types_and_members: "Kettle.cs",
    cpp_shows_namespaces_classes_and_methods: "kettle.cpp",
    go_shows_types_and_methods: "kettle.go",
    java_shows_classes_and_methods: "Kettle.java",
    javascript_shows_exports_classes_and_functions: "kettle.js",
    json_shows_its_outer_keys: "kettle.json",
    markdown_shows_headings: "kettle.md",
    php_shows_classes_and_methods: "kettle.php",
    python_shows_classes_and_functions: "kettle.py",
    ruby_shows_modules_and_methods: "kettle.rb",
    rust_shows_items_and_methods: "kettle.rs",
    toml_shows_tables_and_keys: "kettle.toml",
    typescript_shows_interfaces_and_types: "kettle.ts",
    yaml_shows_its_outer_keys: "kettle.yaml",
    an_unknown_language_shows_what_looks_like_a_declaration: "kettle.nim",
}

#[test]
fn a_file_that_does_not_parse_still_has_an_outline() {
    let broken =
        "pub fn whole() {}\n\npub struct Broken {\n    a: u8,\n\nfn (((\npub fn after() {}\n";
    let outline = Outline::of(broken, Language::of(Path::new("a.rs")), broken.len());
    let (text, _) = outline.within(usize::MAX);
    assert!(text.contains("pub fn whole()"), "{text}");
}

#[test]
fn an_outline_in_few_bytes_keeps_the_outermost_lines_and_says_how_many_are_missing() {
    let source = "impl A {\n    fn a() {}\n    fn b() {}\n}\nfn c() {}\n";
    let outline = Outline::of(source, Language::of(Path::new("a.rs")), source.len());
    assert_eq!(outline.within(25), ("impl A {\nfn c() {}\n".to_owned(), 2));
    assert_eq!(outline.within(0).0, "impl A {\n");
}

#[test]
fn a_long_file_is_parsed_up_to_where_everything_is_closed_and_outlined_to_its_end() {
    let part =
        |index| format!("impl Part{index} {{\n    fn boil() {{}}\n\n    fn pour() {{}}\n}}\n\n");
    let source: String = (0..50).map(part).collect();
    let language = Language::of(Path::new("a.rs"));
    let n_parsed = Outline::worth_parsing(&source, language, 300);
    assert!(n_parsed > 150 && n_parsed <= 300, "{n_parsed}");
    assert!(source[n_parsed..].starts_with("impl Part"), "{}", &source[n_parsed..]);
    let outline = Outline::of(&source, language, n_parsed);
    assert_eq!(outline, Outline::of(&source, language, source.len()));
    let open = format!("impl Part {{\n{}}}\n", "    fn boil() {}\n\n".repeat(50));
    assert_eq!(Outline::worth_parsing(&open, language, 300), open.len());
    assert_eq!(Outline::worth_parsing("# A\n", Language::of(Path::new("a.md")), 300), 0);
}

#[test]
fn a_text_parsed_up_to_the_middle_of_a_line_has_its_items_where_they_are() {
    let text = "<?php\nfunction boil() {}\nfunction cool() {\n}\n";
    let n_parsed = text.find("on cool").unwrap();
    let outline = Outline::of(text, Language::of(Path::new("a.php")), n_parsed);
    let places: Vec<usize> = outline.items.iter().map(|item| item.at).collect();
    assert_eq!(places, [1, 2], "{outline:?}");
}
