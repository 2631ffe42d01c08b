//! Two versions of a value: of any number of writers that saw the same one, exactly one wins.

use crate::sandbox;

#[test]
fn of_twenty_writers_at_once_one_wins_and_the_others_are_told_the_version() {
    let home = sandbox();
    home.expect(0, "agent-state agent register reviewer");
    home.expect(0, "agent-state state set reviewer cursor 0");
    let mut writers: Vec<_> = (0..20)
        .map(|n| home.start(&format!("agent-state state set reviewer cursor {n} --if-version 1")))
        .collect();
    let codes: Vec<_> =
        writers.iter_mut().map(|writer| writer.wait().expect("it ends").code()).collect();
    assert_eq!(codes.iter().filter(|code| **code == Some(0)).count(), 1, "{codes:?}");
    assert_eq!(codes.iter().filter(|code| **code == Some(1)).count(), 19, "{codes:?}");
    let loser = home.expect(1, "agent-state state set reviewer cursor 99 --if-version 1");
    assert!(loser.stderr.contains("version 2"), "{loser:?}");
}
