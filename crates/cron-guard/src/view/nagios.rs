//! One line and a code, as a Nagios plug-in answers.

use crate::guard::fleet::Member;

/// The codes of a plug-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    Ok = 0,
    Warning = 1,
    Critical = 2,
    Unknown = 3,
}

/// The line and its code. `troubles` are what is wrong with the guard itself.
pub(crate) fn line(members: &[Member], troubles: &[String]) -> (String, Code) {
    let names = |wanted: &dyn Fn(&Member) -> bool| -> Vec<String> {
        members.iter().filter(|member| wanted(member)).map(|m| plain(&m.job.name)).collect()
    };
    let blocked = names(&|member| member.is_blocked());
    let resumed = names(&|member| member.is_on_probation());
    let late = names(&|member| member.is_late());
    let wrong = names(&|member| member.is_misdeclared());
    let flapping = names(&|member| member.job.breaker.flapping);
    let code = if !blocked.is_empty() {
        Code::Critical
    } else if [&resumed, &late, &wrong, &flapping].iter().all(|names| names.is_empty())
        && troubles.is_empty()
    {
        Code::Ok
    } else {
        Code::Warning
    };
    let mut parts = Vec::new();
    for (what, names) in [
        ("blocked", &blocked),
        ("on probation", &resumed),
        ("late", &late),
        ("misdeclared", &wrong),
        ("flapping", &flapping),
    ] {
        if !names.is_empty() {
            parts.push(format!("{} {what} ({})", names.len(), names.join(", ")));
        }
    }
    parts.extend(troubles.iter().map(|trouble| plain(trouble)));
    if parts.is_empty() {
        let jobs = if members.len() == 1 { "job" } else { "jobs" };
        parts.push(format!("{} {jobs} healthy", members.len()));
    }
    let word = match code {
        Code::Ok => "OK",
        Code::Warning => "WARNING",
        Code::Critical => "CRITICAL",
        Code::Unknown => "UNKNOWN",
    };
    let line = format!(
        "CRON-GUARD {word} - {} | jobs={};;;0 blocked={};;0;0 late={};0;;0 flapping={};0;;0",
        parts.join(", "),
        members.len(),
        blocked.len(),
        late.len(),
        flapping.len()
    );
    (line, code)
}

/// Text in which nothing ends the message: a bar begins the performance data.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c == '|' || c.is_control() { '_' } else { c }).collect()
}
