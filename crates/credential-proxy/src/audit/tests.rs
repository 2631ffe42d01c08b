//! An edited, removed, forged or cut-off record is noticed; a killed writer is not tampering.

use super::chain::written;
use super::read::{Verdict, verify};
use super::trail::KEPT_FILES;
use super::*;
use crate::seal::new_key;
use crate::secret::Secret;

struct Fixture {
    _folder: tempfile::TempDir,
    place: Place,
    key: Secret,
}

impl Fixture {
    fn new(n_records: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let fixture = Self {
            place: Place::new(folder.path().join("audit")),
            _folder: folder,
            key: new_key(),
        };
        Trail::create(&fixture.place, &fixture.key).unwrap();
        let mut trail = fixture.trail();
        for number in 0..n_records {
            trail.write(&access(&format!("s{number}.com"))).unwrap();
        }
        fixture
    }

    fn trail(&self) -> Trail {
        Trail::open(&self.place, &self.key).unwrap().unwrap()
    }

    fn verdict(&self) -> Verdict {
        verify(&self.place, &self.key).unwrap()
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.place.current()).unwrap()
    }

    fn put(&self, text: &str) {
        common::atomic::write(&self.place.current(), text.as_bytes(), 0o600).unwrap();
    }

    fn problem(&self) -> String {
        match self.verdict() {
            Verdict::Tampered(problem) => problem,
            Verdict::Sound { .. } => panic!("nothing was noticed"),
        }
    }
}

fn access(service: &str) -> Access<'_> {
    Access {
        at: Timestamp(1_767_225_600_000),
        token: Some("ci"),
        service,
        username: "me",
        mode: "print",
        decision: Decision::Allowed,
        uid: 0,
        pid: Some(7),
        exe: Some("/usr/bin/python3"),
        run: None,
    }
}

#[test]
fn an_untouched_trail_is_sound_also_over_several_writers() {
    let fixture = Fixture::new(3);
    fixture.trail().write(&access("again.com")).unwrap();
    assert_eq!(fixture.verdict(), Verdict::Sound { n_records: 4, n_lost: 0 });
    assert_eq!(Fixture::new(0).verdict(), Verdict::Sound { n_records: 0, n_lost: 0 });
}

#[test]
fn an_edited_removed_inserted_or_cut_off_record_is_noticed() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let edited = Fixture::new(5);
    edited.put(&edited.text().replace("s2.com", "s9.com"));
    assert!(edited.problem().contains("record 3 was changed"));

    let removed = Fixture::new(5);
    let mut kept = lines(&removed.text());
    kept.remove(2);
    removed.put(&(kept.join("\n") + "\n"));
    assert!(removed.problem().contains("record 3 was removed"));

    let doubled = Fixture::new(5);
    let mut more = lines(&doubled.text());
    more.insert(2, more[1].clone());
    doubled.put(&(more.join("\n") + "\n"));
    assert!(doubled.problem().contains("twice"));

    let cut = Fixture::new(5);
    cut.put(&(lines(&cut.text())[..4].join("\n") + "\n"));
    assert!(cut.problem().contains("1 of 5 records are missing"));

    let emptied = Fixture::new(5);
    std::fs::remove_file(emptied.place.current()).unwrap();
    assert!(emptied.problem().contains("5 of 5"));

    let headless = Fixture::new(5);
    std::fs::remove_file(headless.place.head()).unwrap();
    assert!(headless.problem().contains("head is missing"));
}

#[test]
fn an_older_head_put_back_beside_a_shorter_file_needs_the_key() {
    let fixture = Fixture::new(5);
    let mut head = read::head(&fixture.place);
    let text = fixture.text();
    let lines: Vec<&str> = text.lines().collect();
    head.n = 4;
    head.hash = serde_json::from_str::<serde_json::Value>(lines[4]).unwrap()["prev"]
        .as_str()
        .unwrap()
        .to_owned();
    common::atomic::write(&fixture.place.head(), &written(&head), 0o600).unwrap();
    fixture.put(&(lines[..4].join("\n") + "\n"));
    assert!(fixture.problem().contains("head was changed"));
}

#[test]
fn a_writer_that_was_killed_between_record_and_head_or_in_a_record_leaves_a_sound_trail() {
    let fixture = Fixture::new(2);
    let head = std::fs::read(fixture.place.head()).unwrap();
    fixture.trail().write(&access("late.com")).unwrap();
    common::atomic::write(&fixture.place.head(), &head, 0o600).unwrap();
    assert_eq!(fixture.verdict(), Verdict::Sound { n_records: 3, n_lost: 0 });
    fixture.put(&(fixture.text() + "{\"n\":4,\"at\":\"2026"));
    drop(fixture.trail());
    assert_eq!(fixture.verdict(), Verdict::Sound { n_records: 3, n_lost: 0 });
    fixture.trail().write(&access("later.com")).unwrap();
    assert_eq!(fixture.verdict(), Verdict::Sound { n_records: 4, n_lost: 0 });
}

#[test]
fn a_trail_has_one_writer() {
    let fixture = Fixture::new(1);
    let _writer = fixture.trail();
    assert!(Trail::open(&fixture.place, &fixture.key).unwrap().is_none());
}

#[test]
fn old_files_go_the_chain_holds_and_the_last_use_is_remembered() {
    let fixture = Fixture::new(0);
    let mut trail = fixture.trail();
    for number in 0..25 {
        trail.write(&access(&format!("s{number}.com"))).unwrap();
        if number % 2 == 0 {
            trail.rotate().unwrap();
        }
    }
    assert_eq!(fixture.place.aside().unwrap().len(), KEPT_FILES);
    let Verdict::Sound { n_records, .. } = fixture.verdict() else { panic!() };
    assert!(n_records < 25);
    assert_eq!(read::history(&fixture.place).unwrap().0.len(), 25);
}

#[test]
fn what_could_not_be_written_is_counted_and_told_by_the_next_record() {
    let fixture = Fixture::new(2);
    let mut trail = fixture.trail();
    let open = |mode| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(fixture.place.current(), PermissionsExt::from_mode(mode)).unwrap();
    };
    drop(trail);
    open(0o644);
    trail = fixture.trail();
    assert!(trail.write(&access("one.com")).is_err());
    assert!(trail.write(&access("two.com")).is_err());
    // A killed writer does not forget it.
    drop(trail);
    trail = fixture.trail();
    assert!(trail.write(&access("three.com")).is_err());
    assert!(matches!(
        verify(&fixture.place, &fixture.key),
        Err(crate::error::Error::Unsafe { .. })
    ));
    open(0o600);
    assert!(fixture.problem().contains("3 accesses could not be written"));
    trail.write(&access("four.com")).unwrap();
    drop(trail);
    assert_eq!(fixture.verdict(), Verdict::Sound { n_records: 4, n_lost: 3 });
    assert!(fixture.text().contains("\"mode\":\"gap\",\"decision\":\"lost\""));
    // The number cannot be taken out of the head without the key.
    fixture.trail().lose(1).unwrap();
    let text = std::fs::read_to_string(fixture.place.head()).unwrap();
    let text = text.replace("\"n_lost\":1", "\"n_lost\":0");
    common::atomic::write(&fixture.place.head(), text.as_bytes(), 0o600).unwrap();
    assert!(fixture.problem().contains("head was changed"));
}

#[test]
fn a_record_behind_a_torn_one_stands_on_a_line_of_its_own() {
    for is_open in [true, false] {
        let fixture = Fixture::new(3);
        let mut writer = is_open.then(|| fixture.trail());
        let file = std::fs::OpenOptions::new().write(true).open(fixture.place.current()).unwrap();
        file.set_len(file.metadata().unwrap().len() - 20).unwrap();
        writer.get_or_insert_with(|| fixture.trail()).write(&access("next.com")).unwrap();
        drop(writer);
        fixture.trail().write(&access("later.com")).unwrap();
        let mut services = Vec::new();
        let n_others = read::each(&fixture.place, |record| services.push(record.service)).unwrap();
        assert_eq!((n_others, services.len()), (1, 4), "{is_open} {services:?}");
        assert!(services.contains(&"next.com".to_owned()));
        assert!(fixture.problem().contains("record 3 is no record"), "{is_open}");
    }
}

#[test]
fn a_writer_knows_when_its_files_were_taken_away() {
    let fixture = Fixture::new(1);
    let trail = fixture.trail();
    assert!(trail.is_in_place());
    fixture.put(&fixture.text());
    assert!(!trail.is_in_place());
}
