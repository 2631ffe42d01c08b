//! The report as one self-contained page: no network, no script, light and dark, wide and narrow.
//!
//! Every color has a word or a sign beside it. What jobs are called is escaped: it is not ours.

use std::fmt::Write as _;

use common::clock::Timestamp;
use common::duration;

use super::week::{Piece, Row, Week};
use super::{clock_time, why};
use crate::guard::fleet::Member;
use crate::store::transitions::Transition;

/// The page.
pub(crate) fn render(
    week: &Week,
    members: &[Member],
    transitions: &[Transition],
    now: Timestamp,
) -> String {
    let mut page = String::with_capacity(64 * 1024);
    let window = duration::human(week.until.since(week.since));
    let n_blocked = members.iter().filter(|member| member.is_blocked()).count();
    let n_late = members.iter().filter(|member| member.is_late()).count();
    let n_resumed = members.iter().filter(|member| member.is_on_probation()).count();
    let n_wrong = members.iter().filter(|member| member.is_misdeclared()).count();
    let n_well = members.iter().filter(|member| member.is_healthy()).count();
    let wrong: Vec<(usize, &str)> = [
        (n_blocked, "blocked"),
        (n_late, "late"),
        (n_resumed, "on probation"),
        (n_wrong, "misdeclared"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .collect();
    let tone = match (n_blocked, wrong.is_empty()) {
        (0, true) => "good",
        (0, false) => "warn",
        _ => "bad",
    };
    let title = headline(&wrong);
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>cron-guard: {title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <header>\n<h1 class=\"{tone}\">{title}</h1>\n\
         <p>{n_well} of {n_all} jobs healthy. The last {window}, up to {until}.</p>\n</header>\n",
        title = escape(&title),
        n_all = members.len(),
        until = escape(&now.to_utc().format("%Y-%m-%d %H:%M UTC").to_string()),
    );
    problems(&mut page, members, now);
    timeline(&mut page, week, members, now);
    table(&mut page, week, members);
    orders(&mut page, transitions, now);
    page.push_str("</body>\n</html>\n");
    page
}

/// `2 jobs are blocked, 1 late`.
fn headline(wrong: &[(usize, &str)]) -> String {
    let Some(((count, what), rest)) = wrong.split_first() else {
        return "All jobs are healthy".to_owned();
    };
    let jobs = if *count == 1 { "job is" } else { "jobs are" };
    let rest = rest.iter().map(|(count, what)| format!(", {count} {what}"));
    format!("{count} {jobs} {what}{}", rest.collect::<String>())
}

fn problems(page: &mut String, members: &[Member], now: Timestamp) {
    let wrong: Vec<&Member> = members.iter().filter(|member| member.is_problem()).collect();
    if wrong.is_empty() {
        return;
    }
    page.push_str("<section>\n<h2>What needs somebody</h2>\n<ul class=\"problems\">\n");
    for member in wrong {
        let (tone, word) = match member.is_late() {
            true => ("warn", "late"),
            false if member.is_misdeclared() && !member.is_blocked() => ("warn", "misdeclared"),
            false => ("bad", member.state()),
        };
        let _ = writeln!(
            page,
            "<li><strong>{}</strong> <span class=\"tag {tone}\">{}</span> {}</li>",
            escape(&member.job.name),
            escape(word),
            escape(&why(member, now, &|at| clock_time(at, now)))
        );
    }
    page.push_str("</ul>\n</section>\n");
}

fn timeline(page: &mut String, week: &Week, members: &[Member], now: Timestamp) {
    let _ = write!(
        page,
        "<section>\n<h2>Timeline</h2>\n<p class=\"legend\">\
         <span><i class=\"c ran\"></i>ran</span> <span><i class=\"c failed\"></i>failed</span> \
         <span><i class=\"c blocked\"></i>blocked</span> <span><i class=\"c missed\"></i>missed</span> \
         <span><i class=\"c neutral\"></i>interrupted or skipped</span> <span><i class=\"c\"></i>nothing</span></p>\n<p>One cell is {}.</p>\n<div class=\"lanes\">\n",
        escape(&duration::human(week.piece()))
    );
    for member in ordered(members) {
        let name = &member.job.name;
        let Some(row) = week.rows.get(name) else { continue };
        let _ = write!(
            page,
            "<div class=\"lane\"><b>{}</b><div class=\"cells\" role=\"img\" aria-label=\"{}\">",
            escape(name),
            escape(&said(&row.sum))
        );
        let mut start = week.since;
        for piece in &row.pieces {
            let class = class(piece);
            if *piece == Piece::default() {
                page.push_str("<i class=\"c\"></i>");
            } else {
                let _ = write!(
                    page,
                    "<i class=\"c{class}\" title=\"{}: {}\"></i>",
                    escape(&clock_time(start, now)),
                    escape(&said(piece))
                );
            }
            start = start.plus(week.piece());
        }
        page.push_str("</div></div>\n");
    }
    let _ = write!(
        page,
        "<div class=\"lane axis\"><b></b><div><span>{}</span><span>{}</span></div></div>\n</div>\n</section>\n",
        escape(&clock_time(week.since, now)),
        escape("now")
    );
}

/// Problems first, then by name.
fn ordered(members: &[Member]) -> Vec<&Member> {
    let mut ordered: Vec<&Member> = members.iter().collect();
    ordered.sort_by_key(|member| (!member.is_problem(), member.job.name.clone()));
    ordered
}

fn class(piece: &Piece) -> &'static str {
    if piece.failed > 0 {
        " failed"
    } else if piece.blocked > 0 {
        " blocked"
    } else if piece.missed > 0 {
        " missed"
    } else if piece.ran > 0 {
        " ran"
    } else if piece.neutral + piece.skipped > 0 {
        " neutral"
    } else {
        ""
    }
}

fn said(piece: &Piece) -> String {
    let parts: Vec<String> = [
        (piece.ran, "ran"),
        (piece.failed, "failed"),
        (piece.blocked, "blocked"),
        (piece.skipped, "skipped"),
        (piece.missed, "missed"),
        (piece.neutral, "interrupted"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} {what}"))
    .collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}

fn table(page: &mut String, week: &Week, members: &[Member]) {
    page.push_str(
        "<section>\n<h2>Expected and done</h2>\n<div class=\"scroll\"><table>\n<thead><tr><th>Job</th>\
         <th>State</th><th class=\"n\">Expected</th><th class=\"n\">Succeeded</th><th class=\"n\">Failed</th>\
         <th class=\"n\">Blocked</th><th class=\"n\">Skipped</th><th class=\"n\">Missed</th><th class=\"n\">Cost</th></tr></thead>\n<tbody>\n",
    );
    for member in ordered(members) {
        let none = Row::default();
        let row = week.rows.get(&member.job.name).unwrap_or(&none);
        let number = |count: u32| if count == 0 { "–".to_owned() } else { count.to_string() };
        let expected = row.expected.map_or_else(|| "–".to_owned(), |n| n.to_string());
        let cost = match (row.usd > 0.0, row.tokens) {
            (true, _) => format!("${:.2}", row.usd),
            (false, 0) => "–".to_owned(),
            (false, tokens) => format!("{tokens} tokens"),
        };
        let tone = if member.is_blocked() {
            "bad"
        } else if member.is_problem() || member.is_on_probation() || member.job.breaker.flapping {
            "warn"
        } else {
            "good"
        };
        let state = match member.state() {
            _ if member.is_late() => "late",
            _ if member.is_on_probation() => "on probation",
            "closed" if member.is_misdeclared() => "misdeclared",
            "closed" if member.job.breaker.flapping => "flapping",
            // The word of the breaker would read as its opposite here.
            "closed" => "healthy",
            state => state,
        };
        let _ = writeln!(
            page,
            "<tr><th scope=\"row\">{}</th><td><span class=\"tag {tone}\">{}</span></td><td class=\"n\">{expected}</td>\
             <td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{}</td></tr>",
            escape(&member.job.name),
            escape(state),
            number(row.sum.ran),
            number(row.sum.failed),
            number(row.sum.blocked),
            number(row.sum.skipped),
            number(row.sum.missed),
            escape(&cost),
        );
    }
    page.push_str("</tbody>\n</table></div>\n</section>\n");
}

/// How many transitions the page shows.
const TRANSITIONS: usize = 40;

fn orders(page: &mut String, transitions: &[Transition], now: Timestamp) {
    if transitions.is_empty() {
        return;
    }
    page.push_str("<section>\n<h2>What changed, and who changed it</h2>\n<ol class=\"log\">\n");
    for transition in transitions.iter().rev().take(TRANSITIONS) {
        let reason = transition.reason.as_deref().unwrap_or_default();
        let _ = writeln!(
            page,
            "<li><time datetime=\"{}\">{}</time> <strong>{}</strong> {} {}<small>{}</small></li>",
            transition.at,
            escape(&clock_time(transition.at, now)),
            escape(&transition.job),
            escape(&transition.kind.replace('_', " ")),
            escape(reason),
            escape(&transition.actor),
        );
    }
    page.push_str("</ol>\n</section>\n");
}

/// Text inside an element or a quoted attribute.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in common::out::sanitize(text).chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

const STYLE: &str = "
:root{--bg:#fff;--fg:#1b1f24;--dim:#59636e;--line:#d8dee4;--none:#eaeef2;--good:#1a7f37;--bad:#b3261e;--warn:#8a5a00;--ran:#4c9f6b;--failed:#c9372c;--blocked:#8b6bd6;--missed:#e2a03f;--neutral:#8c959f}
@media(prefers-color-scheme:dark){:root{--bg:#12161b;--fg:#e6e9ec;--dim:#9aa4ae;--line:#2c343c;--none:#222932;--good:#57c27a;--bad:#ff8a80;--warn:#f0b64d;--ran:#3f8f5d;--failed:#e5534b;--blocked:#9b7fe6;--missed:#d9962f;--neutral:#6e7781}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:72rem;padding:1.5rem 1rem 4rem;background:var(--bg);color:var(--fg);font:16px/1.5 system-ui,sans-serif}
h1{margin:0;font-size:1.7rem;line-height:1.2}
h2{margin:2rem 0 .6rem;font-size:1.1rem}
p{margin:.3rem 0;color:var(--dim)}
.good{color:var(--good)}.bad{color:var(--bad)}.warn{color:var(--warn)}
.tag{border:1px solid;border-radius:.3rem;padding:0 .35rem;font-size:.8rem;white-space:nowrap}
ul,ol{margin:0;padding:0;list-style:none}
li{padding:.45rem 0;border-top:1px solid var(--line);overflow-wrap:anywhere}
.legend span{display:inline-flex;align-items:center;gap:.3rem;margin-right:.6rem}
.legend .c{width:.8rem}
.c{display:inline-block;height:1.15rem;flex:1 1 0;min-width:0;background:var(--none)}
.legend .c,.cells .c{border-radius:1px}
.ran{background:var(--ran)}.failed{background:var(--failed)}.blocked{background:var(--blocked)}
.missed{background:repeating-linear-gradient(45deg,var(--missed) 0 3px,var(--none) 3px 5px)}.neutral{background:var(--neutral)}
.lane{display:grid;grid-template-columns:11rem 1fr;gap:.75rem;align-items:center;padding:.15rem 0}
.lane b{font-weight:500;font-size:.9rem;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.cells{display:flex;gap:1px}
.axis div{display:flex;justify-content:space-between;color:var(--dim);font-size:.8rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.92rem}
th,td{padding:.4rem .6rem;border-top:1px solid var(--line);text-align:left;font-weight:400;white-space:nowrap}
thead th{color:var(--dim);font-size:.8rem;border-top:0}
tbody th{font-weight:500;max-width:16rem;overflow:hidden;text-overflow:ellipsis}
.n{text-align:right;font-variant-numeric:tabular-nums}
time{color:var(--dim);margin-right:.4rem}
small{display:block;color:var(--dim)}
@media(max-width:40rem){.lane{grid-template-columns:1fr;gap:.1rem;padding:.35rem 0}.axis b{display:none}}
@media print{body{max-width:none}}
";
