//! The measurements that have a goal, as a picture: how much of each goal is used.

use std::fmt::Write as _;

use super::row::Row;

const WIDTH: f64 = 960.0;
const LEFT: f64 = 470.0;
const LINE: f64 = 22.0;
/// Where the goal stands, as a share of the room for bars.
const GOAL: f64 = 0.6;

/// One bar a measurement. The line that all bars are held against is the goal; a bar beyond it missed the goal.
pub(super) fn svg(rows: &[Row]) -> String {
    let rows: Vec<(&Row, f64)> = rows.iter().filter_map(|row| Some((row, used(row)?))).collect();
    let mut height = LINE * 2.5;
    let mut body = String::new();
    let room = WIDTH - LEFT - 20.0;
    for (row, used) in rows {
        let length = (used * GOAL).min(1.0) * room;
        let color = if row.is_met() == Some(true) { "#2a7f62" } else { "#b3492d" };
        let name = escaped(&format!("{}: {}", row.bench, row.name));
        let value = escaped(&format!("{:.2} ({})", row.judged(), row.goal));
        let _ = write!(
            body,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{name}</text>\n\
             <rect x=\"{LEFT}\" y=\"{}\" width=\"{length:.1}\" height=\"14\" fill=\"{color}\"/>\n\
             <text x=\"{:.1}\" y=\"{}\">{value}</text>\n",
            LEFT - 8.0,
            height + 4.0,
            height - 7.0,
            LEFT + length + 6.0,
            height + 4.0,
        );
        height += LINE;
    }
    let goal = LEFT + GOAL * room;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n\
         <text x=\"8\" y=\"20\" font-size=\"14\">What of each goal is used: a bar that ends left of the line meets it</text>\n\
         {body}<line x1=\"{goal:.1}\" y1=\"30\" x2=\"{goal:.1}\" y2=\"{height}\" stroke=\"#333333\" stroke-dasharray=\"4 3\"/>\n</svg>\n"
    )
}

/// The share of the goal that is used, 1 being all of it.
fn used(row: &Row) -> Option<f64> {
    let (limit, is_more_better) = row.limit()?;
    let judged = row.judged().max(f64::EPSILON);
    Some(if is_more_better { limit / judged } else { judged / limit.max(f64::EPSILON) })
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
