//! Versioned values.

use super::sandbox::{Sandbox, collect};

#[test]
fn get_of_an_absent_key_says_no_and_nothing_on_stdout() {
    let sandbox = Sandbox::with_agents(["a"]);
    let done = sandbox.run(["state", "get", "a", "k"]);
    assert_eq!(done.stdout, "");
    assert_eq!(done.no(), "agent-state: a has no value for `k`");
}

#[test]
fn of_fifty_writers_with_one_version_exactly_one_wins_and_the_others_see_the_current_one() {
    let sandbox = Sandbox::with_agents(["a"]);
    assert_eq!(sandbox.run(["state", "set", "a", "k", "0"]).ok(), "1");
    let children: Vec<_> = (0..50)
        .map(|n| sandbox.start(["state", "set", "a", "k", &n.to_string(), "--if-version", "1"]))
        .collect();
    let (won, lost): (Vec<_>, Vec<_>) =
        children.into_iter().map(collect).partition(|done| done.code == Some(0));
    assert_eq!(won.len(), 1);
    assert_eq!(won[0].stdout, "2\n");
    for done in lost {
        assert_eq!(done.no(), "agent-state: `k` of a has version 2, not 1");
    }
}

#[test]
fn a_value_comes_out_as_it_went_in() {
    let sandbox = Sandbox::with_agents(["a"]);
    for (text, flags, out) in [
        ("123", &[] as &[&str], "123"),
        ("123", &["--string"], "\"123\""),
        ("{\"b\": 1, \"a\": [1, 2]}", &[], "{\"b\":1,\"a\":[1,2]}"),
        ("12345678901234567890123456789", &["--json-value"], "12345678901234567890123456789"),
        ("-5", &[], "-5"),
        ("plain text", &[], "\"plain text\""),
    ] {
        sandbox.run(["state", "set", "a", "k", text].iter().chain(flags)).ok();
        assert_eq!(sandbox.run(["state", "get", "a", "k"]).ok(), out);
    }
    assert_eq!(sandbox.run(["state", "get", "a", "k", "--raw"]).ok(), "plain text");
    sandbox.run(["state", "set", "a", "k", "plain", "--json-value"]).code(2);
    let row = sandbox.run(["state", "get", "a", "k", "--json"]).json();
    assert_eq!((row["value"].as_str(), row["version"].as_i64()), (Some("plain text"), Some(6)));
}

#[test]
fn a_value_is_read_from_stdin_up_to_a_mebibyte() {
    let sandbox = Sandbox::with_agents(["a"]);
    sandbox.run_fed(b"{\"pr\": 7}\n", ["state", "set", "a", "k", "-"]).ok();
    assert_eq!(sandbox.run(["state", "get", "a", "k"]).ok(), "{\"pr\":7}");
    sandbox.run_fed(&vec![b'x'; 10 << 20], ["state", "set", "a", "k", "-"]).code(2);
    sandbox.run_fed(&[0xff, 0xfe], ["state", "set", "a", "k", "-"]).code(2);
    assert_eq!(sandbox.run(["state", "get", "a", "k"]).ok(), "{\"pr\":7}");
}

#[test]
fn a_deleted_key_keeps_its_history_and_goes_on_counting() {
    let sandbox = Sandbox::with_agents(["a"]);
    sandbox.run(["state", "set", "a", "k", "one"]).ok();
    sandbox.run(["state", "delete", "a", "k", "--if-version", "7"]).no();
    assert_eq!(sandbox.run(["state", "delete", "a", "k"]).ok(), "2");
    sandbox.run(["state", "get", "a", "k"]).no();
    sandbox.run(["state", "delete", "a", "k"]).no();
    assert_eq!(sandbox.run(["state", "list", "a", "--json"]).lines().len(), 0);
    assert_eq!(sandbox.run(["state", "set", "a", "k", "three", "--if-absent"]).ok(), "3");
    sandbox.run(["state", "set", "a", "k", "four", "--if-absent"]).no();
    assert_eq!(sandbox.run(["state", "restore", "a", "k", "1"]).ok(), "4");
    assert_eq!(sandbox.run(["state", "get", "a", "k", "--raw"]).ok(), "one");
    let versions: Vec<i64> = sandbox
        .run(["state", "history", "a", "k", "--json"])
        .lines()
        .iter()
        .map(|row| row["version"].as_i64().unwrap())
        .collect();
    assert_eq!(versions, [4, 3, 2, 1]);
}

#[test]
fn history_keeps_the_last_twenty_versions() {
    let sandbox = Sandbox::with_agents(["a"]);
    for n in 1..=25 {
        sandbox.run(["state", "set", "a", "k", &n.to_string()]).ok();
    }
    let rows = sandbox.run(["state", "history", "a", "k", "--json"]).lines();
    assert_eq!(rows.len(), 20);
    assert_eq!(rows[19]["version"], 6);
    let no = sandbox.run(["state", "restore", "a", "k", "5"]).no();
    assert_eq!(no, "agent-state: a has no version 5 of `k`");
}

#[test]
fn a_prefix_is_taken_literally() {
    let sandbox = Sandbox::with_agents(["a", "b"]);
    for key in ["pr/1", "pr/2", "prx", "p%", "pr_", "ü/1"] {
        sandbox.run(["state", "set", "a", key, "1"]).ok();
    }
    sandbox.run(["state", "set", "b", "pr/9", "1"]).ok();
    let keys = |prefix: &str| -> Vec<String> {
        sandbox
            .run(["state", "list", "a", "--prefix", prefix, "--json"])
            .lines()
            .iter()
            .map(|row| row["key"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(keys("pr/"), ["pr/1", "pr/2"]);
    assert_eq!(keys("p%"), ["p%"]);
    assert_eq!(keys("pr_"), ["pr_"]);
    assert_eq!(keys("ü"), ["ü/1"]);
}

#[test]
fn a_mebibyte_of_text_is_kept_and_more_is_refused_for_what_it_is() {
    let sandbox = Sandbox::with_agents(["a"]);
    let most = "x".repeat(1 << 20);
    let set = |text: &str| sandbox.run_fed(text.as_bytes(), ["state", "set", "a", "k", "-"]);
    set(&format!("{most}\n")).ok();
    assert_eq!(sandbox.run(["state", "get", "a", "k", "--raw"]).ok(), most);
    for text in
        [format!("{most}x"), "\u{fc}".repeat(5_000_000), format!("x{}", "\u{fc}".repeat(5_000_000))]
    {
        let refused = set(&text).code(2);
        assert_eq!(
            refused.stderr,
            "agent-state: a value has at most 1 MiB, and this one has more\n"
        );
    }
}
