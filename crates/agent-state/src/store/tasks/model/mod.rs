//! Random graphs, agents that die, late results and clocks that step, against a model of plain lists.

mod world;

use proptest::prelude::*;

use super::lease::READY;
use crate::store::write;
use crate::task::State;
use world::World;

/// What can happen to a graph. `lease` is one of the leases that were ever given, current or not.
#[derive(Debug, Clone)]
enum Op {
    Next {
        lease_ms: u64,
        /// The agent is a process, which dies before it says anything.
        dies: bool,
    },
    Done {
        lease: usize,
        result: u8,
    },
    Fail {
        lease: usize,
        retry: bool,
    },
    Heartbeat {
        lease: usize,
        /// As `task exec` does it, by the lease alone.
        keeper: bool,
    },
    Clock(i64),
    Cancel,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (1..60_u64, proptest::bool::weighted(0.2)).prop_map(|(lease_ms, dies)| Op::Next { lease_ms, dies }),
        8 => (0..40_usize, 0..2_u8).prop_map(|(lease, result)| Op::Done { lease, result }),
        3 => (0..40_usize, any::<bool>()).prop_map(|(lease, retry)| Op::Fail { lease, retry }),
        3 => (0..40_usize, any::<bool>()).prop_map(|(lease, keeper)| Op::Heartbeat { lease, keeper }),
        4 => (-40..60_i64).prop_map(Op::Clock),
        1 => proptest::option::weighted(0.1, Just(())).prop_map(|cancel| cancel.map_or(Op::Clock(1), |()| Op::Cancel)),
    ]
}

/// For each node the nodes before it that it comes after, and its attempts.
fn graph() -> impl Strategy<Value = Vec<(Vec<usize>, i64)>> {
    proptest::collection::vec(
        (proptest::collection::vec(any::<prop::sample::Index>(), 0..4), 1..4_i64),
        1..12,
    )
    .prop_map(|nodes| {
        let place = |(n, (after, attempts)): (usize, (Vec<prop::sample::Index>, i64))| {
            let mut after: Vec<usize> = if n == 0 {
                Vec::new()
            } else {
                after.iter().map(|index| index.index(n)).collect()
            };
            after.sort_unstable();
            after.dedup();
            (after, attempts)
        };
        nodes.into_iter().enumerate().map(place).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_graph_ends_and_no_node_is_done_twice_or_too_early(
        graph in graph(),
        ops in proptest::collection::vec(op(), 1..80),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut world = World::new(folder.path(), &graph);
        for op in &ops {
            world.apply(op)?;
        }
        world.work_off()?;
    }
}

/// One node with so many attempts, given out once for 100 ms.
fn taken(max_attempts: i64) -> (tempfile::TempDir, World) {
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::new(folder.path(), &[(vec![], max_attempts), (vec![0], 1)]);
    assert!(world.next(100, false).unwrap());
    (folder, world)
}

#[test]
fn a_heartbeat_after_the_lease_passed_revives_nothing_also_when_the_clock_went_back() {
    let (_folder, mut world) = taken(3);
    world.now += 100;
    world.beat(0, false).unwrap();
    world.now -= 100;
    world.beat(0, false).unwrap();
    world.done(0, 1).unwrap();
    assert_eq!(world.seen().nodes[0].state, State::Pending);
    assert_eq!(world.seen().nodes[0].reason.as_deref(), Some("expired"));
}

#[test]
fn a_clock_that_steps_back_frees_no_node_early() {
    let (_folder, mut world) = taken(3);
    world.now -= 1_000_000;
    assert!(!world.next(100, false).unwrap());
    // A heartbeat at the earlier hour does not shorten what was promised.
    world.beat(0, false).unwrap();
    world.now += 1_000_099;
    assert!(!world.next(100, false).unwrap());
    world.done(0, 1).unwrap();
    assert_eq!(world.seen().nodes[0].state, State::Completed);
}

#[test]
fn the_last_attempt_that_lapses_fails_the_task_with_its_cause() {
    let (_folder, mut world) = taken(1);
    world.now += 100;
    assert!(!world.next(100, false).unwrap());
    let seen = world.seen();
    assert_eq!(seen.task.state, State::Failed);
    assert_eq!(seen.task.reason.as_deref(), Some("`n0` failed: expired"));
    assert_eq!(seen.nodes[1].blocked_by.as_deref(), Some("n0"));
}

#[test]
fn what_belongs_to_a_dead_process_is_free_at_once_and_its_late_word_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::new(folder.path(), &[(vec![], 2)]);
    assert!(world.next(1_000_000, true).unwrap());
    assert!(world.next(100, false).unwrap());
    world.done(0, 1).unwrap();
    assert_eq!(world.seen().nodes[0].state, State::Running);
    world.done(1, 1).unwrap();
    assert_eq!(world.seen().task.state, State::Completed);
}

#[test]
fn a_node_is_found_by_its_id_and_by_its_task_and_what_the_graph_calls_it() {
    let (_folder, mut world) = taken(1);
    let (task, global) = (world.task_id.clone(), world.leases[0].node_id.clone());
    let mut find = |named: &str| {
        let found = write(&mut world.fleet, "look", |tx, _| super::node(tx, named));
        found.map(|node| node.id).map_err(|error| error.to_string())
    };
    for named in [&global, "t/n0", &format!("{task}/n0")] {
        assert_eq!(find(named), Ok("n0".to_owned()), "{named}");
    }
    assert_eq!(find("t/none"), Err("no node has the id `t/none`".to_owned()));
    assert_eq!(find("n0"), Err("no node has the id `n0`".to_owned()));
}

#[test]
fn what_is_next_is_found_by_an_index_of_what_is_ready() {
    let (_folder, world) = taken(1);
    if world.fleet.file().is_none() {
        // A server plans by how many rows there are, and does not say it in these words.
        return;
    }
    let plan = |of: &str| -> String {
        let query = format!("EXPLAIN QUERY PLAN {of} ORDER BY seq LIMIT 1");
        let plan = world
            .fleet
            .read("explain", |connection| connection.query_row(&query, [], |row| row.get(3)));
        plan.unwrap()
    };
    // However many nodes wait, or have ended, they are not looked at.
    assert_eq!(plan(READY), "SCAN task_nodes USING COVERING INDEX task_nodes_ready");
    let of_task = plan(&format!("{READY} AND task_id = 't'"));
    assert_eq!(
        of_task,
        "SEARCH task_nodes USING COVERING INDEX task_nodes_ready_of_task (task_id=?)"
    );
}
