//! Metrics in the text format of Prometheus, for the text file collector.

use std::fmt::Write as _;

use common::clock::Timestamp;

use crate::guard::fleet::Member;
use crate::machine::flap;

type Value = fn(&Member, Timestamp) -> Option<f64>;

/// Each metric: its name, what it says, its value for a job.
const METRICS: [(&str, &str, Value); 9] = [
    ("blocked", "Whether the job may not run now, or as a probe only.", |member, _| {
        Some(f64::from(u8::from(member.is_blocked())))
    }),
    ("late", "Whether the job should have started and did not.", |member, _| {
        Some(f64::from(u8::from(member.is_late())))
    }),
    ("running", "Runs of the job that are alive.", |member, _| {
        u32::try_from(member.running.len()).ok().map(f64::from)
    }),
    ("failure_streak", "Failures in a row.", |member, _| {
        Some(f64::from(member.job.breaker.streak))
    }),
    ("skipped_ticks", "Ticks that did not run since the job was blocked.", |member, _| {
        u32::try_from(member.job.skipped).ok().map(f64::from)
    }),
    ("flap_percent", "Share of changes among the last outcomes.", |member, _| {
        flap::percentage(&member.job.breaker.recent)
    }),
    ("last_success_timestamp_seconds", "When the job last succeeded.", |member, _| {
        member.job.breaker.last_success_at.map(seconds)
    }),
    ("last_failure_timestamp_seconds", "When the job last failed.", |member, _| {
        member.job.breaker.last_failure_at.map(seconds)
    }),
    ("open_since_timestamp_seconds", "Since when the job is blocked by failures.", |member, _| {
        member.job.breaker.opened_at.map(seconds)
    }),
];

/// All metrics.
pub(crate) fn metrics(
    members: &[Member],
    n_undelivered: usize,
    last_sweep: Option<Timestamp>,
    now: Timestamp,
) -> String {
    let mut text = String::new();
    for (name, help, value) in METRICS {
        head(&mut text, name, help);
        for member in members {
            if let Some(value) = value(member, now) {
                let job = escape(&member.job.name);
                let _ = writeln!(text, "cron_guard_{name}{{job=\"{job}\"}} {value}");
            }
        }
    }
    head(&mut text, "state", "The state of the job: 1 for the one that holds.");
    for member in members {
        let job = escape(&member.job.name);
        let state = member.state();
        let _ = writeln!(text, "cron_guard_state{{job=\"{job}\",state=\"{state}\"}} 1");
    }
    head(&mut text, "undelivered_alerts", "Alerts that could not be delivered yet.");
    let _ = writeln!(text, "cron_guard_undelivered_alerts {n_undelivered}");
    if let Some(last) = last_sweep {
        head(&mut text, "last_sweep_timestamp_seconds", "When the sweep last ran.");
        let _ = writeln!(text, "cron_guard_last_sweep_timestamp_seconds {}", seconds(last));
    }
    text
}

fn head(text: &mut String, name: &str, help: &str) {
    let _ = writeln!(text, "# HELP cron_guard_{name} {help}\n# TYPE cron_guard_{name} gauge");
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of this age fit a double exactly")]
fn seconds(moment: Timestamp) -> f64 {
    moment.0 as f64 / 1000.0
}

/// A label's value: the three characters that mean something are escaped.
fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
