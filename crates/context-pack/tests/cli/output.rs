//! What is written where, and what is there when something fails.

use std::os::unix::fs::symlink;

use super::sandbox::Sandbox;

#[test]
fn what_a_pack_writes_is_no_part_of_it() {
    let sandbox = Sandbox::with_project();
    let tree = sandbox.tree();
    sandbox.file(".gitignore", "ignored*\n");
    symlink("src/real.md", tree.join("link.md")).unwrap();
    for output in ["context.md", "src/../context.md", "link.md", "ignored.md"] {
        let write = [".", "src", "-o", output, "--stats", "stats.json"];
        sandbox.run(&write).exits(0).says_nothing();
        let first = std::fs::read_to_string(tree.join(output)).unwrap();
        let stats = std::fs::read_to_string(tree.join("stats.json")).unwrap();
        sandbox.run(&[".", "src", "-o", output, "--stats", "stats.json"]).exits(0);
        assert_eq!(std::fs::read_to_string(tree.join(output)).unwrap(), first, "{output}");
        assert_eq!(std::fs::read_to_string(tree.join("stats.json")).unwrap(), stats, "{output}");
        assert!(!first.contains(output) && !first.contains("stats.json"), "{first}");
        for name in ["context.md", "src/real.md", "ignored.md", "stats.json"] {
            let _ = std::fs::remove_file(tree.join(name));
        }
    }
    sandbox.run(&[".", "-o", "context.md"]).exits(0);
    sandbox.run(&[".", "-o", "context.md", "--check"]).exits(0).says_nothing();
    let named = ["context.md", "src", "--include", "context.md", "-o", "context.md", "--check"];
    sandbox.run(&named).exits(1);
    let list = [".", "--files-from", "-", "-o", "context.md", "--check"];
    sandbox.run_with_stdin(&list, "src/main.rs\ncontext.md\n").exits(1);
    let document = [".", "--files-from", "-", "-o", "context.md"];
    sandbox.run_with_stdin(&document, "src/main.rs\ncontext.md\n").exits(0);
    sandbox.run_with_stdin(&list, "src/main.rs\ncontext.md\n").exits(0);
}
