//! Random sequences of operations, against reference models small enough to be seen to be right.

use std::collections::BTreeMap;
use std::time::Duration;

use common::clock::Timestamp;
use common::fleet::Database;
use common::fleet::agents::{self, Agent, Registration};
use common::fleet::liveness::Here;
use common::fleet::open_for_test;
use proptest::prelude::*;

use super::locks::{self, Answer, Grant, Request};
use super::state::{self, Condition};
use super::{Stop, read};
use crate::lock::Claim;
use crate::value::Json;

fn fleet(folder: &std::path::Path, n_agents: usize) -> (Database, Vec<Agent>) {
    let mut fleet = open_for_test(folder).unwrap();
    let agents = fleet
        .write("register", |tx| {
            (0..n_agents)
                .map(|n| {
                    let registration = Registration::default();
                    agents::register(tx, &format!("a{n}"), &registration, Timestamp(0))
                })
                .map(|agent| agent.map(|(agent, _)| agent))
                .collect()
        })
        .unwrap();
    (fleet, agents)
}

/// What can be done to locks.
#[derive(Debug, Clone)]
enum LockOp {
    Acquire {
        agent: usize,
        resources: Vec<usize>,
        shared: bool,
        ttl: u64,
    },
    Release {
        agent: usize,
        resource: usize,
    },
    Break {
        resource: usize,
    },
    /// The clock moves, back too.
    Clock(i64),
}

const RESOURCES: [&str; 4] = ["/srv", "/srv/site", "/srv/site/page", "/other"];

fn lock_op() -> impl Strategy<Value = LockOp> {
    let resources = proptest::collection::btree_set(0..RESOURCES.len(), 1..3);
    prop_oneof![
        4 => (0..3_usize, resources, any::<bool>(), 1..50_u64).prop_map(|(agent, resources, shared, ttl)| {
            LockOp::Acquire { agent, resources: resources.into_iter().collect(), shared, ttl }
        }),
        2 => (0..3_usize, 0..RESOURCES.len()).prop_map(|(agent, resource)| LockOp::Release { agent, resource }),
        1 => (0..RESOURCES.len()).prop_map(|resource| LockOp::Break { resource }),
        2 => (-20..40_i64).prop_map(LockOp::Clock),
    ]
}

/// A grant of the model.
#[derive(Debug, Clone, Copy)]
struct Held {
    agent: usize,
    resource: usize,
    shared: bool,
    token: i64,
    until: i64,
}

/// The locks as a list, and the rules in the plainest words.
#[derive(Debug, Default)]
struct LockModel {
    held: Vec<Held>,
    now: i64,
    last_token: i64,
}

impl LockModel {
    fn touch(one: usize, other: usize) -> bool {
        let (one, other) = (format!("{}/", RESOURCES[one]), format!("{}/", RESOURCES[other]));
        one.starts_with(&other) || other.starts_with(&one)
    }

    fn is_free(&self, agent: usize, resource: usize, shared: bool) -> bool {
        self.held.iter().all(|held| {
            held.until <= self.now
                || held.agent == agent
                || (held.shared && shared)
                || !Self::touch(held.resource, resource)
        })
    }
}

impl LockModel {
    /// Notes a grant; one's own is extended, unless it becomes exclusive.
    fn take(
        &mut self,
        agent: usize,
        resource: usize,
        shared: bool,
        until: i64,
        grant: &Grant,
    ) -> Result<(), TestCaseError> {
        let is_own = |held: &Held| held.agent == agent && held.resource == resource;
        match self.held.iter_mut().find(|held| is_own(held)) {
            Some(own) if shared || !own.shared => {
                own.until = own.until.max(until);
                prop_assert_eq!(grant.token, own.token);
                prop_assert_eq!(grant.expires_at, Timestamp(own.until));
            }
            _ => {
                self.held.retain(|held| !is_own(held));
                prop_assert!(grant.token > self.last_token, "tokens only grow");
                self.last_token = grant.token;
                self.held.push(Held { agent, resource, shared, token: grant.token, until });
            }
        }
        Ok(())
    }
}

fn check_locks(ops: &[LockOp]) -> Result<(), TestCaseError> {
    let folder = tempfile::tempdir().unwrap();
    let (mut fleet, agents) = fleet(folder.path(), 3);
    let here = Here::now();
    let mut model = LockModel { now: 1_000_000, ..LockModel::default() };
    for op in ops {
        let now = Timestamp(model.now);
        match op {
            LockOp::Clock(by) => model.now += by,
            LockOp::Acquire { agent, resources, shared, ttl } => {
                let request = Request {
                    claims: resources
                        .iter()
                        .map(|n| Claim {
                            resource: RESOURCES[*n].to_owned(),
                            shared: *shared,
                            is_path: true,
                        })
                        .collect(),
                    agent: Some(agents[*agent].agent_id.clone()),
                    run: None,
                    reason: None,
                    ttl: Duration::from_millis(*ttl),
                    under: None,
                    holder: None,
                    waiter: None,
                };
                let answer = super::write(&mut fleet, "acquire", |tx, _| {
                    locks::request(tx, &request, None, false, &here, now)
                })
                .unwrap();
                let is_free = resources.iter().all(|n| model.is_free(*agent, *n, *shared));
                prop_assert_eq!(matches!(answer, Answer::Granted(_)), is_free);
                // Whoever asks takes away what has lapsed.
                model.held.retain(|held| held.until > model.now);
                if let Answer::Granted(grants) = answer {
                    let until = model.now + i64::try_from(*ttl).unwrap();
                    for (n, grant) in resources.iter().zip(grants) {
                        model.take(*agent, *n, *shared, until, &grant)?;
                    }
                }
            }
            LockOp::Release { agent, resource } => {
                let released = fleet
                    .write("release", |tx| {
                        let own =
                            locks::holders(tx, RESOURCES[*resource], &here, now)?.into_iter().find(
                                |grant| grant.agent_id.as_ref() == Some(&agents[*agent].agent_id),
                            );
                        own.map_or(Ok(false), |own| locks::release(tx, &own, now))
                    })
                    .unwrap();
                let n_before = model.held.len();
                model.held.retain(|held| {
                    held.agent != *agent || held.resource != *resource || held.until <= model.now
                });
                prop_assert_eq!(released, n_before != model.held.len());
            }
            LockOp::Break { resource } => {
                fleet
                    .write("break", |tx| {
                        for grant in locks::holders(tx, RESOURCES[*resource], &here, now)? {
                            locks::break_open(tx, &grant, "model", now)?;
                        }
                        Ok(())
                    })
                    .unwrap();
                model.held.retain(|held| held.resource != *resource || held.until <= model.now);
            }
        }
        let now = Timestamp(model.now);
        let held = fleet.read("list", |connection| locks::held(connection, &here, now)).unwrap();
        let mut tokens: Vec<i64> = held.iter().map(|grant| grant.token).collect();
        let mut expect: Vec<i64> = model
            .held
            .iter()
            .filter(|held| held.until > model.now)
            .map(|held| held.token)
            .collect();
        tokens.sort_unstable();
        expect.sort_unstable();
        prop_assert_eq!(tokens, expect);
    }
    Ok(())
}

/// What can be done to values.
#[derive(Debug, Clone)]
enum ValueOp {
    Set { key: usize, value: i64, condition: Condition },
    Delete { key: usize, condition: Condition },
    Restore { key: usize, version: i64 },
}

fn condition() -> impl Strategy<Value = Condition> {
    prop_oneof![
        Just(Condition::Always),
        Just(Condition::Absent),
        (0..12_i64).prop_map(Condition::Version),
    ]
}

fn value_op() -> impl Strategy<Value = ValueOp> {
    prop_oneof![
        4 => (0..2_usize, any::<i64>(), condition())
            .prop_map(|(key, value, condition)| ValueOp::Set { key, value, condition }),
        2 => (0..2_usize, condition()).prop_map(|(key, condition)| ValueOp::Delete { key, condition }),
        1 => (0..2_usize, 1..12_i64).prop_map(|(key, version)| ValueOp::Restore { key, version }),
    ]
}

/// All versions of one key, oldest first; `None` where it was deleted.
type Versions = Vec<Option<i64>>;

fn allowed(versions: &Versions, condition: Condition) -> bool {
    let current = i64::try_from(versions.len()).unwrap();
    let exists = versions.last().copied().flatten().is_some();
    match condition {
        Condition::Always => true,
        Condition::Absent => !exists,
        Condition::Version(expected) => expected == if exists { current } else { 0 },
    }
}

fn check_values(ops: &[ValueOp]) -> Result<(), TestCaseError> {
    let folder = tempfile::tempdir().unwrap();
    let (mut fleet, agents) = fleet(folder.path(), 1);
    let agent = &agents[0];
    let mut model: BTreeMap<usize, Versions> = BTreeMap::new();
    for op in ops {
        let (ValueOp::Set { key, .. } | ValueOp::Delete { key, .. } | ValueOp::Restore { key, .. }) =
            op;
        let versions = model.entry(*key).or_default();
        let name = format!("k{key}");
        let now = Timestamp(1);
        let (written, expect) = match op {
            ValueOp::Set { value, condition, .. } => {
                let json = Json::parse(&value.to_string()).unwrap();
                let written = super::write(&mut fleet, "set", |tx, _| {
                    state::set(tx, agent, &name, Some(&json), *condition, None, now)
                });
                (written, allowed(versions, *condition).then_some(Some(*value)))
            }
            ValueOp::Delete { condition, .. } => {
                let written = super::write(&mut fleet, "delete", |tx, _| {
                    state::delete(tx, agent, &name, *condition, None, now)
                });
                let exists = versions.last().copied().flatten().is_some();
                (written, (exists && allowed(versions, *condition)).then_some(None))
            }
            ValueOp::Restore { version, .. } => {
                let written = super::write(&mut fleet, "restore", |tx, _| {
                    let old = state::version(tx, agent, &name, *version)?;
                    state::set(tx, agent, &name, old.value.as_ref(), Condition::Always, None, now)
                });
                let kept_from = versions.len().saturating_sub(20);
                let index = usize::try_from(*version - 1).unwrap();
                let old = versions.get(index).copied().flatten().filter(|_| index >= kept_from);
                (written, old.map(Some))
            }
        };
        prop_assert_eq!(written.is_ok(), expect.is_some(), "{:?}", op);
        if let (Ok(version), Some(value)) = (written, expect) {
            versions.push(value);
            prop_assert_eq!(version, i64::try_from(versions.len()).unwrap());
        }
        let current =
            read(&fleet, "get", |connection, _| match state::get(connection, agent, &name) {
                Ok(version) => Ok(version.value.map(|value| value.as_str().to_owned())),
                Err(Stop::No(_)) => Ok(None),
                Err(stop) => Err(stop),
            })
            .unwrap();
        let expect = versions.last().copied().flatten().map(|value| value.to_string());
        prop_assert_eq!(current, expect);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn locks_behave_as_a_list_of_grants(ops in proptest::collection::vec(lock_op(), 1..60)) {
        check_locks(&ops)?;
    }

    #[test]
    fn values_behave_as_a_list_of_versions(ops in proptest::collection::vec(value_op(), 1..60)) {
        check_values(&ops)?;
    }

    #[test]
    fn any_text_is_read_as_a_value_without_a_crash_and_comes_back(text in "\\PC{0,200}|[\\[\\]{}\",:0-9 e.\\\\-]{0,60}") {
        let json = Json::read(&text, crate::value::Reading::Guess).unwrap();
        let again = Json::parse(json.as_str()).unwrap();
        prop_assert_eq!(&again, &json);
        if Json::parse(&text).is_err() {
            prop_assert_eq!(json.raw(), text);
        }
    }
}
