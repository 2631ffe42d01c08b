//! The breaker against a reference model that keeps no counters: it reads the whole history anew.

use common::clock::Timestamp;
use proptest::prelude::*;

use super::super::*;

const HOUR: i64 = 3_600_000;
/// The longest wait of a job without jitter.
const LONGEST: i64 = 24 * HOUR * 95 / 100;

/// What can happen to a job.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// A run that asked nobody ended.
    Stray(Kind),
    /// The gate is asked; when it says go the run starts.
    Start,
    /// The oldest run that the gate let in ends.
    End(Kind),
    /// `check` is asked, and takes the lease when it says probe.
    Check,
    /// Time passes, or the clock steps back.
    Pass(i64),
    /// A person resumes it.
    Resume { fresh: bool },
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        4 => Just(Kind::Failure),
        3 => Just(Kind::Success),
        1 => Just(Kind::Neutral),
        1 => Just(Kind::TripNow(78)),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => kind().prop_map(Act::Stray),
        5 => Just(Act::Start),
        5 => kind().prop_map(Act::End),
        2 => Just(Act::Check),
        3 => (-3 * HOUR..30 * HOUR).prop_map(Act::Pass),
        1 => any::<bool>().prop_map(|fresh| Act::Resume { fresh }),
    ]
}

fn rules() -> impl Strategy<Value = Rules> {
    (1_u32..5, 1_u32..4, any::<bool>(), any::<bool>()).prop_map(
        |(threshold, recover, probes, limited)| Rules {
            threshold,
            recover,
            policy: if probes { Policy::Probe } else { Policy::Manual },
            max_runtime: limited.then(|| Duration::from_secs(2 * 3600)),
            ..Rules::default()
        },
    )
}

/// The reference: the outcomes that count, since the last moment at which counting began anew.
#[derive(Debug)]
struct Model {
    state: State,
    counted: Vec<bool>,
    by_hand: bool,
    probation: bool,
    lease: Option<(Option<String>, i64)>,
    opened_at: i64,
    wait: i64,
    /// A person has closed it afresh, and no run has shown yet that it works.
    owes_success: bool,
    n_news: i64,
    n_recovered: i64,
}

impl Model {
    fn new() -> Self {
        Self {
            state: State::Closed,
            counted: Vec::new(),
            by_hand: false,
            probation: false,
            lease: None,
            opened_at: 0,
            wait: HOUR,
            owes_success: false,
            n_news: 0,
            n_recovered: 0,
        }
    }

    /// The last outcomes that are all of one kind, and how many.
    fn run_of(&self, failed: bool) -> u32 {
        let n = self.counted.iter().rev().take_while(|outcome| **outcome == failed).count();
        u32::try_from(n).unwrap()
    }

    fn end(&mut self, rules: &Rules, run: &str, kind: Kind, now: i64) {
        let is_leaseholder =
            self.lease.as_ref().is_some_and(|(holder, _)| holder.as_deref() == Some(run));
        let decides = self.state == State::Closed
            || self.state == State::HalfOpen && (self.lease.is_none() || is_leaseholder);
        if is_leaseholder {
            self.lease = None;
        }
        let failed = match kind {
            Kind::Neutral => return,
            Kind::Success => false,
            Kind::Failure | Kind::TripNow(_) => true,
        };
        if !decides {
            return;
        }
        self.counted.push(failed);
        let at_once = matches!(kind, Kind::TripNow(_));
        match self.state {
            State::Closed if failed && (at_once || self.run_of(true) >= rules.threshold) => {
                self.by_hand = at_once;
                self.n_news += 1;
                self.open(now);
                self.wait = HOUR;
            }
            State::HalfOpen if failed => {
                self.by_hand |= at_once;
                if self.probation {
                    self.n_news += 1;
                    self.opened_at = now;
                }
                self.wait = (self.wait * 2).min(24 * HOUR);
                let first = self.opened_at;
                self.open(now);
                if !self.probation {
                    self.opened_at = first;
                }
                self.probation = false;
            }
            State::Closed if !failed && std::mem::take(&mut self.owes_success) => {
                self.n_recovered += 1;
            }
            State::HalfOpen if self.run_of(false) >= rules.recover => {
                self.n_recovered += 1;
                self.state = State::Closed;
                self.counted.clear();
                self.by_hand = false;
                self.probation = false;
                self.lease = None;
            }
            _ => {}
        }
    }

    fn open(&mut self, now: i64) {
        self.state = State::Open;
        self.owes_success = false;
        self.opened_at = now;
        self.lease = None;
    }
}

/// Both, side by side, with the runs that are under way.
struct Pair {
    rules: Rules,
    breaker: Breaker,
    model: Model,
    now: i64,
    /// When the next probe is due; the model's own clock of the cooldown.
    due_at: i64,
    /// The runs under way, and when they started.
    runs: std::collections::VecDeque<(String, i64)>,
    n_runs: usize,
    n_news: i64,
    n_recovered: i64,
}

impl Pair {
    fn ended(&mut self, run: &str, started_at: i64, kind: Kind) {
        let before = self.breaker.state;
        let outcome = Outcome {
            run: run.to_owned(),
            kind,
            mark: match kind {
                Kind::Success => Mark::Success,
                Kind::Neutral => Mark::Neutral,
                Kind::Failure | Kind::TripNow(_) => Mark::Failure,
            },
            started_at: Timestamp(started_at),
            at: Timestamp(self.now),
        };
        let effects = self.breaker.settle(&self.rules, &outcome);
        self.model.end(&self.rules, run, kind, self.now);
        for effect in &effects {
            self.n_news += i64::from(matches!(effect, Effect::Tripped { .. }));
            self.n_recovered += i64::from(*effect == Effect::Recovered);
        }
        if before != self.breaker.state {
            if self.breaker.state == State::Open {
                let wait = self.model.wait.min(LONGEST);
                // From the start of the run; half of it at least from its end.
                self.due_at = (started_at.min(self.now) + wait).max(self.now + wait / 2);
            }
            // As in the program: what started before a change of state does not count after it.
            self.runs.clear();
            if before != State::Closed && self.breaker.state == State::Closed {
                assert_eq!(kind, Kind::Success, "only a success closes by itself");
            }
        }
    }

    fn new_run(&mut self) -> String {
        self.n_runs += 1;
        format!("run-{}", self.n_runs)
    }

    fn ask(&mut self, starts: bool) -> Answer {
        let now = Timestamp(self.now);
        self.breaker.expire_unused_lease(now);
        if matches!(&self.model.lease, Some((None, until)) if *until <= self.now) {
            self.model.lease = None;
        }
        let overdue = self.breaker.overdue_lease(now).map(|(run, since)| (run.to_owned(), since.0));
        if let Some((run, since)) = overdue {
            self.ended(&run, since, Kind::Failure);
        }
        let answer = if starts {
            self.breaker.ask_to_start(&self.rules, now)
        } else {
            self.breaker.ask(&self.rules, now)
        };
        let model = &self.model;
        let is_due = self.rules.policy == Policy::Probe
            && !model.by_hand
            && model.opened_at <= self.now
            && self.due_at <= self.now;
        let expect = match model.state {
            State::Closed => Answer::Go,
            // What `check` took is for the next run that starts.
            State::HalfOpen if starts && matches!(&model.lease, Some((None, _))) => Answer::Probe,
            State::HalfOpen if model.lease.is_some() => Answer::ProbeRunning,
            State::HalfOpen => Answer::Probe,
            State::Open if is_due => Answer::Probe,
            State::Open => Answer::Open,
        };
        assert_eq!(answer, expect, "{:?} {:?}", self.breaker, self.model);
        answer
    }

    fn lease_to(&mut self, run: Option<String>) {
        let length = match run {
            None => 60_000,
            Some(_) => self
                .rules
                .max_runtime
                .map_or(24 * HOUR, |limit| i64::try_from(limit.as_millis()).unwrap()),
        };
        let is_free = match &self.breaker.lease {
            None => true,
            Some(lease) => lease.run.is_none() && run.is_some(),
        };
        assert!(is_free, "never two leases");
        self.breaker.grant(&self.rules, run.as_deref(), Timestamp(self.now));
        if self.model.state == State::Open {
            self.model.counted.clear();
        }
        self.model.state = State::HalfOpen;
        self.model.lease = Some((run, self.now + length));
    }

    fn step(&mut self, act: Act) {
        match act {
            Act::Stray(kind) => {
                let run = self.new_run();
                self.breaker.bind(&self.rules, &run, Timestamp(self.now));
                if let Some(lease) = self.model.lease.as_mut().filter(|lease| lease.0.is_none()) {
                    lease.0 = Some(run.clone());
                    lease.1 = i64::MAX;
                }
                self.ended(&run, self.now, kind);
            }
            Act::Start => match self.ask(true) {
                Answer::Go => {
                    let run = self.new_run();
                    self.runs.push_back((run, self.now));
                }
                Answer::Probe => {
                    let run = self.new_run();
                    self.runs.push_back((run.clone(), self.now));
                    self.lease_to(Some(run));
                }
                Answer::Open => {
                    assert!(self.breaker.reason.is_some(), "every block has a reason");
                }
                Answer::ProbeRunning => {}
            },
            Act::Check => {
                if self.ask(false) == Answer::Probe {
                    self.lease_to(None);
                }
            }
            Act::End(kind) => {
                if let Some((run, started_at)) = self.runs.pop_front() {
                    self.ended(&run, started_at, kind);
                }
            }
            Act::Pass(by) => self.now += by,
            Act::Resume { fresh } => {
                let before = self.breaker.clone();
                let resumed = self.breaker.resume(fresh);
                let on_probation = before.state == State::HalfOpen && before.probation && !fresh;
                assert_eq!(resumed, before.state != State::Closed && !on_probation);
                if !resumed {
                    assert_eq!(before, self.breaker);
                    return;
                }
                assert_eq!(self.breaker.epoch, before.epoch + 1);
                self.runs.clear();
                let wait = self.model.wait;
                let Model { n_news, n_recovered, .. } = self.model;
                self.model = Model { owes_success: fresh, n_news, n_recovered, ..Model::new() };
                if !fresh {
                    self.model.state = State::HalfOpen;
                    self.model.probation = true;
                    self.model.wait = wait;
                }
            }
        }
        assert_eq!(self.breaker.state, self.model.state, "after {act:?}: {:?}", self.model);
        assert_eq!(
            self.breaker.lease.as_ref().map(|lease| lease.run.clone()),
            self.model.lease.as_ref().map(|lease| lease.0.clone()),
            "after {act:?}"
        );
        assert_eq!(
            self.breaker.incident, self.model.n_news,
            "one incident for each trip that is news"
        );
        assert_eq!(self.n_news, self.model.n_news, "one alert for each incident");
        assert_eq!(self.n_recovered, self.model.n_recovered, "one recovery at most for each");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn the_breaker_does_what_the_model_does(
        rules in rules(),
        acts in prop::collection::vec(act(), 1..120),
    ) {
        let mut pair = Pair {
            rules,
            breaker: Breaker::default(),
            model: Model::new(),
            now: 1_000 * HOUR,
            due_at: 0,
            runs: std::collections::VecDeque::new(),
            n_runs: 0,
            n_news: 0,
            n_recovered: 0,
        };
        for act in acts {
            pair.step(act);
        }
    }
}
