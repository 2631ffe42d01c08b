//! The breaker, case by case; `model` holds a reference model and random sequences against it.

mod model;

use common::clock::Timestamp;

use super::*;

const HOUR: i64 = 3_600_000;

fn fail(breaker: &mut Breaker, rules: &Rules, at: i64) -> Vec<Effect> {
    settle(breaker, rules, Kind::Failure, at)
}

fn settle(breaker: &mut Breaker, rules: &Rules, kind: Kind, at: i64) -> Vec<Effect> {
    let mark = if kind == Kind::Success { Mark::Success } else { Mark::Failure };
    let at = Timestamp(at);
    breaker.settle(rules, &Outcome { run: format!("r{at}"), kind, mark, started_at: at, at })
}

#[test]
fn the_cooldown_doubles_with_each_failed_probe_and_stays_under_a_day() {
    let rules = Rules { policy: Policy::Probe, ..Rules::default() };
    let hours: Vec<u64> =
        (1..8).map(|trips| settle::cooldown(&rules, trips).as_secs() / 3600).collect();
    assert_eq!(hours, [1, 2, 4, 8, 16, 22, 22]);
    let spread = Rules { jitter: 1.0, ..rules };
    assert_eq!(settle::cooldown(&spread, 1), Duration::from_secs(3960));
    let most = settle::cooldown(&spread, u32::MAX);
    assert_eq!(
        most,
        Duration::from_secs(24 * 3600 * 9 / 10),
        "the jitter shortens the longest wait"
    );
}

#[test]
fn the_tick_of_the_next_night_is_the_probe_of_a_nightly_job_however_long_it_ran() {
    let rules = Rules {
        policy: Policy::Probe,
        threshold: 1,
        cooldown: Duration::from_secs(48 * 3600),
        ..Rules::default()
    };
    let night = |n: i64| Timestamp(n * 24 * HOUR);
    for (took, next) in [(2_000, night(2)), (3 * HOUR, Timestamp(night(2).0 - HOUR))] {
        let mut breaker = Breaker::default();
        let started_at = Timestamp(night(1).0 + 2_000);
        let (kind, mark) = (Kind::Failure, Mark::Failure);
        let at = Timestamp(started_at.0 + took);
        breaker.settle(&rules, &Outcome { run: "r".into(), kind, mark, started_at, at });
        assert_eq!(breaker.ask(&rules, Timestamp(night(1).0 + 20 * HOUR)), Answer::Open);
        assert_eq!(breaker.ask(&rules, next), Answer::Probe);
    }
    // However short the wait, a run that took long is not tried again at once.
    let rules = Rules { cooldown: Duration::from_secs(3600), ..rules };
    let mut breaker = Breaker::default();
    let (kind, mark, at) = (Kind::Failure, Mark::Failure, Timestamp(9 * HOUR));
    breaker.settle(&rules, &Outcome { run: "r".into(), kind, mark, started_at: Timestamp(0), at });
    assert_eq!(breaker.ask(&rules, Timestamp(9 * HOUR + HOUR / 2 - 1)), Answer::Open);
    assert_eq!(breaker.ask(&rules, Timestamp(9 * HOUR + HOUR / 2)), Answer::Probe);
}

#[test]
fn a_clock_that_went_back_before_the_trip_opens_no_probe() {
    let rules = Rules { policy: Policy::Probe, threshold: 1, ..Rules::default() };
    let mut breaker = Breaker::default();
    fail(&mut breaker, &rules, 100 * HOUR);
    assert_eq!(breaker.ask(&rules, Timestamp(102 * HOUR)), Answer::Probe);
    assert_eq!(breaker.ask(&rules, Timestamp(99 * HOUR)), Answer::Open);
}

#[test]
fn a_code_that_stops_at_once_leaves_the_job_to_a_person_even_when_it_probes() {
    let rules = Rules { policy: Policy::Probe, ..Rules::default() };
    let mut breaker = Breaker::default();
    settle(&mut breaker, &rules, Kind::TripNow(78), HOUR);
    assert_eq!(breaker.state, State::Open);
    assert_eq!(breaker.ask(&rules, Timestamp(1000 * HOUR)), Answer::Open);
    assert!(breaker.resume(false));
    assert_eq!(breaker.ask(&rules, Timestamp(1000 * HOUR)), Answer::Probe);
}

#[test]
fn three_resumes_without_one_success_ask_for_a_hold() {
    let rules = Rules::default();
    let mut breaker = Breaker::default();
    for at in 1..=3 {
        fail(&mut breaker, &rules, at);
    }
    for round in 0..2 {
        assert!(breaker.resume(false));
        assert!(!fail(&mut breaker, &rules, 10 + round).contains(&Effect::HoldIt));
    }
    assert!(breaker.resume(false));
    assert!(fail(&mut breaker, &rules, 20).contains(&Effect::HoldIt));
}

#[test]
fn three_interruptions_in_a_row_are_warned_about_once_and_count_as_nothing() {
    let rules = Rules::default();
    let mut breaker = Breaker::default();
    fail(&mut breaker, &rules, 1);
    fail(&mut breaker, &rules, 2);
    let warned: Vec<bool> =
        (0..5).map(|at| !settle(&mut breaker, &rules, Kind::Neutral, 10 + at).is_empty()).collect();
    assert_eq!(warned, [false, false, true, false, false]);
    assert_eq!(breaker.streak, 2);
    fail(&mut breaker, &rules, 20);
    assert_eq!(breaker.state, State::Open);
}

#[test]
fn two_failures_and_a_success_again_and_again_are_flapping_and_told_once() {
    let rules = Rules::default();
    let mut breaker = Breaker::default();
    let mut started = 0;
    let mut stopped = 0;
    let pattern = [Kind::Failure, Kind::Failure, Kind::Success];
    let steady = std::iter::repeat_n(Kind::Success, 30);
    for (at, kind) in (0..).zip(pattern.into_iter().cycle().take(30).chain(steady)) {
        for effect in settle(&mut breaker, &rules, kind, at) {
            started += u32::from(matches!(effect, Effect::FlappingStarted(_)));
            stopped += u32::from(matches!(effect, Effect::FlappingStopped(_)));
        }
        assert_eq!(breaker.state, State::Closed);
    }
    assert_eq!((started, stopped), (1, 1));
    let blocking = Rules { flap_blocks: true, ..Rules::default() };
    let mut breaker = Breaker::default();
    for (at, kind) in (0..).zip(pattern.into_iter().cycle().take(30)) {
        settle(&mut breaker, &blocking, kind, at);
    }
    assert_eq!(breaker.state, State::Open);
    assert!(breaker.reason.is_some_and(|reason| reason.starts_with("flapping")));
}

#[test]
fn after_two_weeks_an_open_job_is_broken_once() {
    let rules = Rules { threshold: 1, ..Rules::default() };
    let mut breaker = Breaker::default();
    fail(&mut breaker, &rules, 0);
    assert_eq!(breaker.age(Timestamp(13 * 24 * HOUR)), None);
    assert_eq!(breaker.age(Timestamp(15 * 24 * HOUR)), Some(Effect::Broken));
    assert_eq!(breaker.age(Timestamp(16 * 24 * HOUR)), None);
}
