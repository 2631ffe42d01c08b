//! The settings of the README are understood, and a mistake is named where it stands.

use super::*;
use crate::error::Error;

fn parse(text: &str) -> anyhow::Result<Settings> {
    Settings::parse(PathBuf::from("/g.toml"), text.to_owned())
}

fn complaint(text: &str) -> String {
    parse(text).err().map(|error| error.to_string()).unwrap_or_default()
}

#[test]
fn the_settings_of_the_readme_are_understood() {
    let settings = parse(
        r#"
[defaults]
threshold = 3
policy = "manual"
allow_unattended_resume = false

[alerts.command]
argv = ["/home/me/bin/notify"]

[alerts.webhook]
url = "https://ntfy.example/agents"
template = "ntfy"

[job.k6-weekly]
schedule = "0 2 * * 1"
tz = "Europe/Berlin"
tier = "high"
labels = ["provider:x"]

[label."provider:x"]
budget = ["usd=5/24h", "tokens=2000000/24h"]
"#,
    )
    .unwrap();
    let job = settings.job("k6-weekly");
    assert_eq!((job.rules.threshold, job.rules.policy), (1, Policy::Manual));
    assert_eq!(job.labels, ["provider:x"]);
    assert_eq!(settings.label_budgets("provider:x").len(), 2);
    assert_eq!(settings.job("another").rules.threshold, 3);
    assert!(!settings.job("another").declared);
}

#[test]
fn a_mistake_is_named_with_its_line_its_column_and_the_fields_that_exist() {
    for (text, parts) in [
        ("[defaults]\ntreshold = 3\n", &["line 2, column 1", "`treshold`", "`threshold`"][..]),
        ("[defaults]\nthreshold = 0\n", &["line 2, column 13", "from 1 to 1000"]),
        ("[job.a]\nevery = \"soon\"\n", &["line 2, column 9", "not a duration"]),
        ("[job.a]\ntier = \"highest\"\n", &["line 2, column 8", "`low`, `mid`, `high`"]),
        ("[job.a]\nbudget = [\"eur=5/24h\"]\n", &["line 2, column 10", "usd=5/24h"]),
        ("[job.a]\ntrip_now = \"77-\"\n", &["line 2, column 12", "exit code"]),
        ("[job.\"a\\nb\"]\n", &["line 1, column 6", "control characters"]),
        ("[job.a]\ntier = \"high\"\npolicy = \"probe\"\n", &["line 3, column 10", "tier high"]),
        ("[job.a\n", &["line 1, column 7"]),
        ("[job.a]\nevery = 0\n", &["line 2, column 9", "more than zero"]),
        ("[job.a]\nmax_runtime = \"0s\"\n", &["line 2, column 15", "more than zero"]),
        ("[job.a]\nthreshold = \"3\"\n", &["line 2, column 13", "a number from 1 to 1000"]),
        ("[job.a]\nevery = \"1h\"\nschedule = \"@daily\"\n", &["line 2, column 9", "not both"]),
    ] {
        let complaint = complaint(text);
        for part in parts {
            assert!(complaint.contains(part), "{text:?}: {complaint}");
        }
    }
}

#[test]
fn an_empty_file_is_the_same_as_none() {
    let settings = parse("").unwrap();
    assert_eq!(settings.job("any").rules, Settings::default().job("any").rules);
}

#[test]
fn a_directory_in_the_files_place_is_an_error_and_an_absent_file_is_for_who_creates_it() {
    let folder = tempfile::tempdir().unwrap();
    let none = folder.path().join("none.toml");
    assert!(Settings::load(Some(folder.path())).is_err());
    assert!(Settings::load(Some(&none)).is_err());
    assert!(!Settings::load_or_new(Some(&none)).unwrap().exists);
    let error = complaint("[[");
    assert!(!error.is_empty());
    assert!(matches!(parse("x = 1").unwrap_err().downcast_ref(), Some(Error::Settings { .. })));
}

#[test]
fn what_was_written_is_written_again_as_it_was() {
    use super::words::{Budget, CodeList};
    for text in ["77,78,80", "0-3,75", "1-255", "5"] {
        let again = text.parse::<CodeList>().unwrap().to_string();
        assert_eq!(again, text.replace("77,78", "77-78"));
    }
    for text in ["usd=5/24h", "tokens=2000000/7d", "minutes=1.5/90m"] {
        assert_eq!(text.parse::<Budget>().unwrap().to_string(), text);
    }
}

#[test]
fn the_wait_before_a_probe_is_two_intervals_and_at_least_an_hour() {
    for (own, hours) in [
        ("every = \"3h\"", 6),
        ("every = \"1m\"", 1),
        ("schedule = \"0 */4 * * *\"", 8),
        ("schedule = \"0 2 * * 1\"", 2 * 7 * 24),
        ("schedule = \"*/5 * * * *\"", 1),
        ("schedule = \"0 */4 * * *\"\ncooldown = \"2h\"", 2),
        ("", 1),
    ] {
        let job = parse(&format!("[job.j]\npolicy = \"probe\"\n{own}\n")).unwrap().job("j");
        assert_eq!(job.rules.cooldown, Duration::from_secs(hours * 3600), "{own}");
    }
}

#[test]
fn lists_of_exit_codes_hold_numbers_and_ranges() {
    use super::words::CodeList;
    for (text, expect) in [
        ("77,78", Some(vec![77, 78])),
        ("0-2, 75", Some(vec![0, 1, 2, 75])),
        ("", Some(vec![])),
        ("256", None),
        ("5-3", None),
        ("-1", None),
    ] {
        assert_eq!(text.parse::<CodeList>().ok().map(|codes| codes.0), expect, "{text:?}");
    }
}
