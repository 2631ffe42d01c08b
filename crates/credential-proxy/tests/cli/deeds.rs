//! Commands that open the vault themselves: held to the token of a job, and in the audit trail.

use crate::grants::{token, with_token};
use crate::sandbox::{Sandbox, seen};

/// Mode, decision, service, username and token of every record.
fn records(home: &Sandbox) -> Vec<[String; 5]> {
    let text = home.run(&["audit", "--json"]).code(0).stdout;
    let record = |line: &str| {
        let one: serde_json::Value = serde_json::from_str(line).unwrap();
        ["mode", "decision", "service", "username", "token"]
            .map(|key| one[key].as_str().unwrap_or_default().to_owned())
    };
    text.lines().map(record).collect()
}

fn git(home: &Sandbox, token: Option<&str>, verb: &str, host: &str) -> crate::sandbox::Seen {
    let mut command = home.command(&["git-credential", verb]);
    if let Some(token) = token {
        command.env("CREDENTIAL_PROXY_TOKEN", token);
    }
    seen(command, &format!("protocol=https\nhost={host}\nusername=me\npassword=git-secret\n\n"))
}

#[test]
fn every_command_that_changes_the_vault_leaves_one_record_and_no_secret() {
    for is_running in [false, true] {
        let home = Sandbox::new();
        if is_running {
            home.run(&["start"]).code(0);
        }
        home.add("a.com", "me", "secret-a");
        home.run(&["edit", "a.com", "--note", "hidden-note"]).code(0);
        home.run(&["rename", "a.com", "b.com"]).code(0);
        home.run(&["delete", "b.com"]).code(0);
        let export = "name,url,username,password\nx,https://x.com/,me,import-secret\n";
        home.run(&["import", &home.write("e.csv", export)]).code(0);
        git(&home, None, "store", "g.com").code(0);
        git(&home, None, "store", "g.com").code(0);
        git(&home, None, "erase", "g.com").code(0);
        let _ = token(&home, "ci", "*", &[]);
        home.run(&["token", "revoke", "ci"]).code(0);
        home.run(&["rotate-key"]).code(0);
        home.run(&["backup", "copy.db"]).code(0);
        let found = records(&home);
        let facts: Vec<(&str, &str, &str)> = found
            .iter()
            .map(|[mode, _, service, name, _]| (mode.as_str(), service.as_str(), name.as_str()))
            .collect();
        assert_eq!(
            facts,
            [
                ("add", "a.com", "me"),
                ("edit", "a.com", "me"),
                ("rename", "a.com", "me"),
                ("rename", "b.com", "me"),
                ("delete", "b.com", "me"),
                ("import", "1 credential", ""),
                ("store", "g.com", "me"),
                ("erase", "g.com", "me"),
                ("token-create", "token ci", ""),
                ("token-revoke", "token ci", ""),
                ("rotate-key", "", ""),
                ("backup", "", ""),
            ]
        );
        assert!(found.iter().all(|one| one[1] == "allowed"));
        let text = home.run(&["audit", "--json"]).code(0).stdout;
        assert!(!text.contains("secret") && !text.contains("hidden"), "{text}");
        home.run(&["audit", "verify"]).code(0);
        // What was written was not used.
        assert!(home.run(&["report"]).stdout.contains("never used"));
    }
}

#[test]
fn a_job_with_a_token_does_not_manage_the_vault() {
    let home = Sandbox::with("a.com", "me", "secret-a");
    let agent = token(&home, "agent", "a.com:inject", &[]);
    home.write("e.csv", "name,url,username,password\nx,https://x.com/,me,import-secret\n");
    let verbs: [&[&str]; 9] = [
        &["edit", "a.com", "--note", "x"],
        &["rename", "a.com", "b.com"],
        &["delete", "a.com"],
        &["add", "b.com", "--generate"],
        &["import", "e.csv"],
        &["token", "create", "more", "--allow", "*:print"],
        &["token", "revoke", "agent"],
        &["rotate-key"],
        &["backup", "copy.db"],
    ];
    for args in verbs {
        let seen = with_token(&home, &agent, args).code(1);
        assert!(seen.stderr.contains("the token agent does not allow"), "{seen:?}");
        assert_eq!(seen.stderr.lines().count(), 1, "{seen:?}");
        let last = records(&home).pop().unwrap();
        assert_eq!((last[1].as_str(), last[4].as_str()), ("denied", "agent"), "{args:?} {last:?}");
    }
    let stranger = with_token(&home, "cp_of_another_time", &["delete", "a.com"]).code(1);
    assert!(stranger.stderr.contains("not known"), "{stranger:?}");
    // The token that `exec` lends is held to the same.
    let mut command =
        home.command(&["exec", "--with-token", "--", crate::sandbox::BIN, "delete", "a.com"]);
    command.env("CREDENTIAL_PROXY_TOKEN", &agent);
    let lent = seen(command, "").code(1);
    assert!(
        lent.stderr.contains("the token agent (lent by exec) does not allow delete of a.com"),
        "{lent:?}"
    );
    // The owner has no token, and nothing was changed.
    home.run(&["delete", "a.com"]).code(0);
    assert!(home.home().join("e.csv").exists() && !home.home().join("copy.db").exists());
    home.run(&["token", "revoke", "agent"]).code(0);
    // A token that is left over keeps nobody out where none is needed.
    with_token(&home, &agent, &["add", "c.com", "--generate"]).code(0);
}

#[test]
fn a_helper_stores_and_erases_where_the_token_covers_the_service() {
    let home = Sandbox::with("b.com", "me", "git-secret");
    let agent = token(&home, "agent", "a.com:helper", &[]);
    let inject = token(&home, "inject", "a.com:inject", &[]);
    for (token, host) in
        [(None, "a.com"), (Some(inject.as_str()), "a.com"), (Some(&agent), "b.com")]
    {
        for verb in ["store", "erase"] {
            let seen = git(&home, token, verb, host).code(1);
            assert_eq!(seen.stderr.lines().count(), 1, "{seen:?}");
            let last = records(&home).pop().unwrap();
            assert_eq!([last[0].as_str(), &last[1], &last[2]], [verb, "denied", host]);
        }
    }
    assert_eq!(home.run(&["verify", "--json"]).code(0).json()["credentials"], 1);
    git(&home, Some(&agent), "store", "a.com").code(0);
    assert_eq!(home.run(&["verify", "--json"]).code(0).json()["credentials"], 2);
    let last = records(&home).pop().unwrap();
    assert_eq!(last, ["store", "allowed", "a.com", "me", "agent"]);
    git(&home, Some(&agent), "erase", "a.com").code(0);
    assert_eq!(home.run(&["verify", "--json"]).code(0).json()["credentials"], 1);
}

#[test]
fn git_erases_what_it_stored_and_the_rest_stays_as_rejected() {
    let home = Sandbox::with("kept.com", "me", "git-secret");
    git(&home, None, "store", "stored.com").code(0);
    for host in ["kept.com", "stored.com"] {
        git(&home, None, "erase", host).code(0);
    }
    home.run(&["get", "stored.com"]).code(1);
    assert_eq!(home.run(&["get", "kept.com"]).code(0).stdout, "git-secret\n");
    assert!(records(&home).contains(&["erase", "kept", "kept.com", "me", ""].map(str::to_owned)));
    let report = home.run(&["report"]).code(1);
    assert!(
        report.stdout.starts_with("FINDING") && report.stdout.contains("rejected"),
        "{report:?}"
    );
    home.feed(&["edit", "kept.com", "--stdin"], "another-secret").code(0);
    assert!(!home.run(&["report"]).code(0).stdout.contains("rejected"));
}
