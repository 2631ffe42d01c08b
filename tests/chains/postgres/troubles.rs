//! A server that is stopped, emptied of its sessions, replaced, read-only, full or behind a pooler: what can be
//! tried again is, what cannot says "later" with exit 4, and nothing is written twice.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use e2e::postgres::pooler::Pooler;
use e2e::postgres::{self, Cluster};
use e2e::{Sandbox, Seen, have, wait_for};

use crate::sandbox;

/// A home whose fleet database is at this URL.
struct Fleet {
    home: Sandbox,
    url: String,
}

impl Fleet {
    fn at(url: String) -> Self {
        Self { home: sandbox(), url }
    }

    fn command(&self, line: &str) -> Command {
        let mut command = self.home.command(line);
        command.env("AGENT_STATE_DB", &self.url);
        command
    }

    fn run(&self, line: &str) -> Seen {
        Seen::from(self.command(line).output().expect("sh runs"))
    }

    #[track_caller]
    fn expect(&self, code: i32, line: &str) -> Seen {
        let seen = self.run(line);
        assert_eq!(seen.code, code, "{line}\n{seen:#?}");
        seen
    }

    /// `writers` writers at once who each note `notes` things in a row, and what became of each.
    fn crowd(&self, writers: usize, notes: usize) -> Vec<(String, Seen)> {
        thread::scope(|scope| {
            let writers: Vec<_> = (0..writers)
                .map(|writer| {
                    scope.spawn(move || {
                        (0..notes)
                            .map(|note| {
                                let text = format!("note-{writer}-{note}-");
                                let seen = self
                                    .run(&format!("agent-state journal add scribe crowd {text}"));
                                (text, seen)
                            })
                            .collect::<Vec<_>>()
                    })
                })
                .collect();
            writers.into_iter().flat_map(|writer| writer.join().expect("a writer")).collect()
        })
    }

    /// Each note that was acknowledged is there once, each that was not is there once at most; returns how many
    /// were acknowledged, and fails on any other answer than yes and later.
    #[track_caller]
    fn nothing_is_doubled(&self, told: &[(String, Seen)]) -> usize {
        let list =
            self.expect(0, "agent-state journal list --agent scribe --json --limit 1000000").stdout;
        let mut acknowledged = 0;
        for (text, seen) in told {
            let found = list.matches(text.as_str()).count();
            match seen.code {
                0 => {
                    assert_eq!(found, 1, "{text} was acknowledged");
                    acknowledged += 1;
                }
                4 => assert_eq!(found, 0, "{text} was said to be for later: {seen:?}"),
                _ => panic!("{text}: {seen:#?}"),
            }
        }
        acknowledged
    }
}

fn server() -> Option<(Cluster, Fleet)> {
    let server = postgres::start()?;
    server.sql("postgres", "CREATE DATABASE fleet").expect("a database");
    let fleet = Fleet::at(server.url("fleet"));
    fleet.expect(0, "agent-state agent register scribe");
    Some((server, fleet))
}

#[test]
fn a_restart_of_the_server_ends_no_command_and_loses_no_outcome() {
    let Some((mut server, fleet)) = server() else { return };
    let line = "agent-state exec worker --lock site --ttl 1m -- sh -c 'touch began; while [ ! -e go ]; do sleep 0.05; done'";
    let mut work = fleet.command(line).spawn().expect("sh runs");
    wait_for("the command", || fleet.home.home().join("began").exists().then_some(()));
    server.stop();
    let refused = fleet.expect(4, "agent-state state set scribe k v");
    assert!(refused.stderr.contains("Connection refused"), "{refused:?}");
    // Longer than a look at the lock, which finds nobody.
    thread::sleep(Duration::from_secs(3));
    server.resume().unwrap();
    fleet.expect(1, "agent-state lock acquire site scribe");
    fleet.home.write("go", "");
    assert!(work.wait().expect("the command ends").success());
    let runs = fleet.expect(0, "agent-state run list --agent worker --json");
    assert!(runs.stdout.contains("\"completed\""), "{runs:?}");
    fleet.expect(0, "agent-state lock acquire site scribe");
}

#[test]
fn an_outcome_that_comes_while_the_server_is_away_is_written_when_it_is_back() {
    let Some((mut server, fleet)) = server() else { return };
    let line = "agent-state exec worker -- sh -c 'touch began; while [ ! -e go ]; do sleep 0.05; done; exit 7'";
    let mut work = fleet.command(line).spawn().expect("sh runs");
    wait_for("the command", || fleet.home.home().join("began").exists().then_some(()));
    // The start of a run is news, which a crash may take; it is not what this is about.
    server.sql("postgres", "CHECKPOINT").unwrap();
    server.stop();
    fleet.home.write("go", "");
    thread::sleep(Duration::from_secs(2));
    server.resume().unwrap();
    assert_eq!(work.wait().expect("the command ends").code(), Some(7));
    let runs = fleet.expect(0, "agent-state run list --agent worker --json");
    assert!(runs.stdout.contains("\"failed\"") && runs.stdout.contains('7'), "{runs:?}");
}

#[test]
fn a_crowd_whose_sessions_are_ended_all_the_time_writes_nothing_twice() {
    let Some((server, fleet)) = server() else { return };
    let is_over = AtomicBool::new(false);
    let told = thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let ended = server.sql(
                    "postgres",
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = 'fleet'",
                );
                assert!(ended.is_ok(), "{ended:?}");
                thread::sleep(Duration::from_millis(20));
            }
        });
        let told = fleet.crowd(8, 12);
        is_over.store(true, Ordering::Relaxed);
        told
    });
    let acknowledged = fleet.nothing_is_doubled(&told);
    assert!(acknowledged > 0, "some get through");
}

#[test]
fn a_crowd_goes_on_after_a_crash_of_the_server() {
    let Some((mut server, fleet)) = server() else { return };
    let told = thread::scope(|scope| {
        let crowd = scope.spawn(|| fleet.crowd(6, 15));
        for _ in 0..2 {
            thread::sleep(Duration::from_millis(700));
            server.restart().unwrap();
        }
        crowd.join().expect("the crowd")
    });
    assert!(fleet.nothing_is_doubled(&told) > 0);
}

#[test]
fn a_standby_that_takes_over_is_found_by_the_same_url_and_has_what_was_acknowledged() {
    let Some((mut primary, mut fleet)) = server() else { return };
    let mut standby = primary.standby().unwrap();
    standby.resume().unwrap();
    // What is acknowledged is on both, so that it outlives the one.
    primary
        .sql("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'")
        .and_then(|_| primary.sql("postgres", "SELECT pg_reload_conf()"))
        .unwrap();
    wait_for("the standby", || {
        let state = primary.sql("postgres", "SELECT sync_state FROM pg_stat_replication");
        (state.ok()? == "sync").then_some(())
    });
    fleet.url =
        format!("postgres://fleet@127.0.0.1:{},127.0.0.1:{}/fleet", primary.port(), standby.port());
    fleet.expect(0, "agent-state lock acquire site scribe --ttl 10m");
    let token = fleet.expect(0, "agent-state lock check site --json").stdout;
    let told = thread::scope(|scope| {
        let crowd = scope.spawn(|| fleet.crowd(4, 15));
        thread::sleep(Duration::from_secs(1));
        primary.stop();
        // Only the standby is left, and it is read-only.
        let refused = fleet.run("agent-state --busy-timeout 1s state set scribe k v");
        assert_eq!(refused.code, 4, "{refused:?}");
        standby
            .sql("postgres", "ALTER SYSTEM SET synchronous_standby_names = ''")
            .unwrap_or_default();
        standby.promote().unwrap();
        crowd.join().expect("the crowd")
    });
    assert!(fleet.nothing_is_doubled(&told) > 0);
    let after = fleet.expect(0, "agent-state lock check site --json").stdout;
    assert_eq!(token.contains("scribe"), after.contains("scribe"), "{token} {after}");
    fleet.expect(0, "agent-state state set scribe k v");
}

#[test]
fn a_full_disk_is_for_somebody_to_fix_and_what_was_there_stays() {
    let Some((server, fleet)) = server() else { return };
    if !have(&["mount", "fallocate"]) || !rustix::process::getuid().is_root() {
        return;
    }
    // The tables on a small disk of their own; the log of the server stays where there is room.
    let small = server.folder().join("small");
    fs::create_dir(&small).unwrap();
    let options =
        server.owner().map_or_else(String::new, |(user, group)| format!(",uid={user},gid={group}"));
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", &format!("size=24m,mode=700{options}"), "none"])
        .arg(&small)
        .status()
        .expect("mount runs");
    assert!(mounted.success());
    let _unmount = Unmount(small.clone());
    server
        .sql("postgres", &format!("CREATE TABLESPACE small LOCATION '{}'", small.display()))
        .unwrap();
    server.sql("postgres", "CREATE DATABASE tight TABLESPACE small").unwrap();
    let tight = Fleet::at(server.url("tight"));
    tight.expect(0, "agent-state agent register scribe");
    tight.expect(0, "agent-state state set scribe kept before");
    let filled = Command::new("sh")
        .args(["-c", "head -c 64m /dev/zero > \"$1/filler\"; true", "fill"])
        .arg(&small)
        .stderr(std::process::Stdio::null())
        .status()
        .expect("sh runs");
    assert!(filled.success());
    let refused = wait_for("the disk to be full", || {
        let seen = tight.run("i=0; while [ $i -lt 20 ]; do i=$((i+1)); \
             head -c 200000 /dev/urandom | base64 -w0 | agent-state state set scribe key$i - --string || exit; done");
        (seen.code != 0).then_some(seen)
    });
    assert_eq!(refused.code, 3, "{refused:?}");
    assert!(
        refused.stderr.contains("No space left on device") && refused.stderr.contains("hint:"),
        "{refused:?}"
    );
    let kept = tight.expect(0, "agent-state state get scribe kept --raw");
    assert_eq!(kept.stdout.trim(), "before");
    fs::remove_file(small.join("filler")).unwrap();
    tight.expect(0, "agent-state state set scribe kept after");
    fleet.expect(0, "agent-state state set scribe k v");
}

/// Takes a file system away again.
struct Unmount(std::path::PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        // The server may still have files open on it.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn a_crowd_shares_the_few_connections_of_a_pooler_in_transaction_mode() {
    let Some((server, mut fleet)) = server() else { return };
    let Some(pooler) = Pooler::start(&server, 2) else { return };
    fleet.url = pooler.url("fleet");
    fleet.expect(0, "agent-state stats");
    let told = fleet.crowd(8, 8);
    let acknowledged = fleet.nothing_is_doubled(&told);
    assert_eq!(acknowledged, 64, "a pooler is no reason to say later");
    fleet.expect(0, "agent-state exec worker --lock site --ttl 1m --wait 10s -- true");
    fleet.expect(0, "cron-guard exec nightly -- true");
}
