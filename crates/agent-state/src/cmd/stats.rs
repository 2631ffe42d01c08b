//! `stats`: the fleet in five numbers.

use common::exit::Exit;

use super::context::Ctx;
use crate::store::stats::{self, Stats};

pub(crate) fn run(ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let stats =
        ctx.read("count in", |connection, now| Ok(stats::read(connection, ctx.here(), now)?))?;
    ctx.show(&stats, || for_people(&stats))?;
    Ok(Exit::Done)
}

fn for_people(stats: &Stats) -> String {
    let mut rows = vec![
        ("Registered agents:", stats.agents),
        ("Active runs:", stats.runs_active),
        ("Completed runs:", stats.runs_completed),
        ("Failed runs:", stats.runs_failed),
        ("Active locks:", stats.active_locks),
    ];
    // Who has no graphs of work is not told of them.
    if stats.open_tasks > 0 {
        rows.push(("Open tasks:", stats.open_tasks));
    }
    let width = rows.iter().map(|(_, count)| count.to_string().len() + 1).max().unwrap_or(0).max(4);
    let lines: Vec<String> =
        rows.into_iter().map(|(label, count)| format!("{label:<18}{count:>width$}")).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_stand_under_each_other_as_on_the_first_page_of_the_manual() {
        let mut stats = Stats {
            agents: 20,
            runs_active: 2,
            runs_completed: 47,
            runs_failed: 8,
            runs_interrupted: 0,
            active_locks: 1,
            open_tasks: 0,
        };
        assert_eq!(
            for_people(&stats),
            "Registered agents:  20\nActive runs:         2\nCompleted runs:     47\nFailed runs:         8\nActive locks:        1"
        );
        stats.runs_completed = 1_000_000;
        assert!(for_people(&stats).ends_with(
            "Completed runs:    1000000\nFailed runs:             8\nActive locks:            1"
        ));
        stats.open_tasks = 3;
        assert!(for_people(&stats).ends_with("1\nOpen tasks:              3"));
    }
}
