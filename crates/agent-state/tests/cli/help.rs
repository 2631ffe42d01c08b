//! Help, completions and the description for programs.

use std::os::unix::fs::PermissionsExt as _;

use super::sandbox::{Done, Sandbox};

/// Runs a line as a user pastes it, with stand-ins for the commands that it names.
fn paste(sandbox: &Sandbox, line: &str) -> Done {
    sandbox.bash(&format!("PATH={}:$PATH\n{line}", sandbox.path("bin").display()))
}

#[expect(clippy::disallowed_methods, reason = "a stand-in for a command of the user")]
fn stand_in(sandbox: &Sandbox, name: &str) {
    std::fs::create_dir_all(sandbox.path("bin")).unwrap();
    let path = sandbox.path("bin").join(name);
    std::fs::write(&path, "#!/bin/sh\nexit 0\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// A home as the examples expect it: an agent, and stand-ins for the user's own programs.
fn home(sandbox: Sandbox) -> Sandbox {
    let sandbox = sandbox.register(["reviewer"]);
    stand_in(&sandbox, "make");
    stand_in(&sandbox, "git");
    sandbox
}

/// Every command and every noun, as they are typed.
fn commands() -> Vec<String> {
    let capabilities = Sandbox::in_a_file().run(["capabilities", "--json"]).json();
    let methods = capabilities["methods"].as_array().unwrap().iter();
    let commands: Vec<String> =
        methods.map(|method| method["command"].as_str().unwrap().to_owned()).collect();
    let noun = |command: &String| Some(command.split_once(' ')?.0.to_owned());
    let nouns: std::collections::BTreeSet<String> = commands.iter().filter_map(noun).collect();
    commands.into_iter().chain(nouns).collect()
}

#[test]
fn every_example_of_the_help_works_when_pasted_alone_and_behind_the_others() {
    let mut n_examples = 0;
    let mut behind = home(Sandbox::new());
    let mut noun = String::new();
    for command in commands() {
        let words: Vec<&str> = command.split(' ').collect();
        // Who reads about a noun pastes what its commands have, one after the other.
        if noun != words[0] {
            words[0].clone_into(&mut noun);
            // A server's database has no file to back up.
            let needs_file = matches!(words[0], "backup" | "migrate");
            behind = home(if needs_file { Sandbox::in_a_file() } else { Sandbox::new() });
        }
        let help = behind.run(words.iter().chain(&["--help"])).ok();
        let (_, examples) = help.split_once("Examples:\n").expect("examples are in the help");
        for line in examples.lines().filter(|line| line.starts_with("  ")) {
            for (sandbox, how) in [(&behind, "behind"), (&home(Sandbox::in_a_file()), "alone")] {
                let done = paste(sandbox, line);
                assert_eq!(done.code, Some(0), "{how}: {line}\n{done:?}");
            }
            n_examples += 1;
        }
    }
    assert!(n_examples >= 140, "{n_examples}");
}

#[test]
fn capabilities_name_the_parameters_and_the_answers_of_every_command() {
    let capabilities = Sandbox::new().run(["capabilities"]).json();
    let methods = capabilities["methods"].as_array().unwrap();
    let acquire = methods.iter().find(|method| method["method"] == "lock.acquire").unwrap();
    assert_eq!(acquire["errors"], serde_json::json!(["no_agent", "held", "run_ended", "bad_name"]));
    let params = acquire["params"].as_array().unwrap();
    let ttl = params.iter().find(|param| param["name"] == "ttl").unwrap();
    assert_eq!((ttl["default"].as_str(), ttl["required"].as_bool()), (Some("5m"), Some(false)));
    assert!(params.iter().any(|param| param["name"] == "resource" && param["required"] == true));
}

#[test]
fn completions_know_the_names_in_the_database() {
    let sandbox = Sandbox::with_agents(["reviewer", "releaser"]);
    sandbox.run(["exec", "reviewer", "--job", "k6-weekly", "--", "true"]).ok();
    sandbox.run(["lock", "acquire", "repo", "reviewer"]).ok();
    let complete = |words: &[&str]| -> Vec<String> {
        let last = (words.len() - 1).to_string();
        let output = sandbox
            .command()
            .env("_AGENT_STATE_COMPLETE", "fish")
            .env("_CLAP_COMPLETE_INDEX", last)
            .arg("--")
            .args(words)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect()
    };
    assert_eq!(complete(&["agent-state", "agent", "show", "re"]), ["releaser", "reviewer"]);
    assert_eq!(complete(&["agent-state", "run", "list", "--job", ""]), ["k6-weekly"]);
    assert_eq!(complete(&["agent-state", "lock", "check", "r"]), ["repo"]);
    let verbs = complete(&["agent-state", "lock", "re"]);
    assert_eq!(verbs, ["release", "renew"]);
}

#[test]
fn completion_scripts_parse_and_create_nothing() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(!sandbox.run(["completions", shell]).ok().is_empty());
    }
    sandbox
        .bash("eval \"$(agent-state completions bash)\"; complete -p agent-state > /dev/null")
        .ok();
    assert!(!sandbox.database().exists());
}
