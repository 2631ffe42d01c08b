//! A copy has every row and goes on where the original stood; what is not empty is left alone.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::clock::Timestamp;
use crate::fleet::agents::{self, Registration};
use crate::fleet::{Place, open_for_test, runs};
use crate::sqlite::BUSY_TIMEOUT;

fn file(folder: &Path, name: &str) -> Database {
    Database::open(Place::File(folder.join(name)), BUSY_TIMEOUT).unwrap()
}

/// A database with something in it.
fn filled(folder: &Path) -> Database {
    let mut database = file(folder, "from.db");
    let fill = |tx: &Connection| {
        for n in 0..1_200 {
            let (agent, _) = agents::register(
                tx,
                &format!("agent {n}"),
                &Registration::default(),
                Timestamp(n),
            )?;
            if n % 100 == 0 {
                let new = runs::NewRun { agent: Some(&agent.agent_id), ..runs::NewRun::default() };
                runs::open(tx, &new, Timestamp(n))?;
            }
        }
        let odd: [&dyn ToSql; 3] =
            [&"a nul \0 and an ü", &Vec::from(*b"\0\xff"), &f64::MIN_POSITIVE];
        tx.execute(
            "INSERT INTO file_versions (path, version, content, origin, noted_at) VALUES (?1, 'v', ?2, 'put', 1)",
            &odd[..2],
        )?;
        tx.execute("UPDATE runs SET cost_usd = ?1, stderr_tail = ?2", &[odd[2], odd[0]][..])?;
        Ok(())
    };
    database.write("fill", fill).unwrap();
    database
}

#[test]
fn a_copy_has_every_row_there_and_back_and_goes_on_numbering() {
    let folder = tempfile::tempdir().unwrap();
    let mut from = filled(folder.path());
    let mut to = open_for_test(folder.path()).unwrap();
    let Copied::Whole(counts) = copy(&mut from, &mut to).unwrap() else { panic!("it is whole") };
    for expect in [("agents", 1_200), ("runs", 12), ("events", 1_212), ("file_versions", 1)] {
        assert!(counts.contains(&expect), "{expect:?} in {counts:?}");
    }
    let mut back = file(folder.path(), "back.db");
    assert_eq!(copy(&mut to, &mut back).unwrap(), Copied::Whole(counts));
    for database in [&mut to, &mut back] {
        let next = database.write("number", |tx| {
            tx.query_row(
                "INSERT INTO events (at, kind, subject) VALUES (1, 'x', 'x') RETURNING id",
                [],
                |row| row.get::<i64>(0),
            )
        });
        assert_eq!(next.unwrap(), 1_213);
    }
}

#[test]
fn a_target_with_rows_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut from = filled(folder.path());
    let mut to = open_for_test(folder.path()).unwrap();
    let fact = "INSERT INTO guard_facts (name, value, at) VALUES ('a', 'b', 1)";
    to.write("fill", |tx| tx.execute(fact, [])).unwrap();
    assert_eq!(copy(&mut from, &mut to).unwrap(), Copied::NotEmpty("guard_facts"));
    let agents = "SELECT count(*) FROM agents";
    let n_agents: i64 = to.read("count", |c| c.query_row(agents, [], |row| row.get(0))).unwrap();
    assert_eq!(n_agents, 0);
}

#[test]
fn no_table_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let database = file(folder.path(), "all.db");
    let names = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let there: BTreeSet<String> = database
        .read("list", |c| c.prepare(names)?.query_map([], |row| row.get(0))?.collect())
        .unwrap();
    let copied = TABLES.iter().map(|(table, _)| *table).chain(["run_counts"]);
    assert_eq!(there, copied.map(str::to_owned).collect());
}
