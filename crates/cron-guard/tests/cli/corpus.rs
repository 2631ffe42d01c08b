//! Crontab lines of forty kinds that people have, run by a real cron as they are and wrapped: they do the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::cron::{LIMIT, Night, begin, faketime, n_runs, wait_for};
use crate::sandbox::Sandbox;

/// Schedule and command; each writes what it saw to `OUT`. All are due in the first half hour of 1 January
/// 2023, a Sunday; `MINUTE` is another minute for each, since cron waits for nobody and forty lines a minute
/// of a fast clock would pile up.
const LINES: &[&str] = &[
    "* * * * * echo plain > OUT",
    "*/2 * * * * echo step > OUT 2>&1",
    "0 0 * * 0 echo sunday > OUT",
    "0 0 * * 7 echo seven > OUT",
    "1 0 * * sun,Wed echo names of days > OUT",
    "1-3 0 1,15 jan,jul * echo lists > OUT",
    "0-59/2 0-6/2 * * * echo ranges with steps > OUT",
    "0 0 1 1 * echo new year > OUT",
    "@reboot echo reboot > OUT",
    "@yearly echo yearly > OUT",
    "@annually echo annually > OUT",
    "@monthly echo monthly > OUT",
    "@weekly echo weekly > OUT",
    "@daily echo daily > OUT",
    "@midnight echo midnight > OUT",
    "@hourly\techo hourly > OUT",
    "  MINUTE   *  *   * *   echo   many    spaces   >   OUT  ",
    "\tMINUTE\t*\t*\t*\t*\techo tabs\t> OUT",
    "MINUTE * * * * cat > OUT%first%second",
    "MINUTE * * * * while read line; do echo \"<$line>\"; done > OUT%one%two%",
    "MINUTE * * * * wc -c > OUT%",
    "MINUTE * * * * date -u -d @0 +\\%Y-\\%m > OUT",
    "MINUTE * * * * awk 'BEGIN { print \"100\\%\" }' > OUT",
    "MINUTE * * * * echo \"it's $((1+1))\" | tr a-z A-Z > OUT",
    "MINUTE * * * * FOO='b a r' sh -c 'echo \"$FOO\"' > OUT",
    "MINUTE * * * * . ./profile; echo $PROFILE > OUT",
    "MINUTE * * * * cd / && pwd > $HOME/OUT",
    "MINUTE * * * * (cd /tmp; pwd) > OUT",
    "MINUTE * * * * echo 'nested '\\''quotes'\\''' > OUT",
    "MINUTE * * * * [ -f profile ] && echo yes > OUT || echo no > OUT",
    "MINUTE * * * * echo `echo backticks` ${NONE:-default} > OUT",
    "MINUTE * * * * echo größe ünï > OUT",
    "MINUTE * * * * flock -n OUT.lock echo locked > OUT",
    "MINUTE * * * * nice -n 5 nice > OUT",
    "MINUTE * * * * echo comment > OUT # the old one",
    "MINUTE * * * * false; echo $? > OUT; exit 3",
    "MINUTE * * * * printf '\\%s\\n' back\\\\slash > OUT",
    "MINUTE * * * * sh -c 'echo child > OUT' & wait",
    "MINUTE * * * * exec echo exec > OUT",
    "MINUTE * * * * umask > OUT; echo $0 $# >> OUT",
    "MINUTE * * * * trap 'echo trapped > OUT' EXIT; true",
    "MINUTE * * * * readlink /proc/self/fd/0 | cut -c1-4 > OUT",
    "MINUTE * * * * echo $MAILTO $SHELL $OWN > OUT",
    "MINUTE * * * * [ -t 0 ] || echo no terminal > OUT",
];

/// The lines for a home, with the variables that stand above them.
fn crontab(home: &str) -> String {
    let mut text = format!("# What people have.\nHOME={home}\nMAILTO=\"\"\nOWN = 'a value'\n\n");
    for (number, line) in LINES.iter().enumerate() {
        let line = line.replace("MINUTE", &format!("{}-59/30", number % 30));
        let _ = writeln!(text, "{}", line.replace("OUT", &format!("out/{number}")));
    }
    text.push_str("SHELL=/bin/bash\n5-59/30 * * * * echo {1..3} > out/bash\n");
    text.push_str("# The last line has no end.\n6-59/30 * * * * echo last > out/last");
    text
}

fn home_with_lines() -> (Sandbox, String) {
    // Forty guards a second are about cron and shells; on a server they would be about its connections.
    let sandbox = Sandbox::in_a_file();
    sandbox.write("profile", "PROFILE='from the profile'\n");
    sandbox.write("out/keep.it", "");
    let text = crontab(&sandbox.home().display().to_string());
    sandbox.write("tab", &text);
    (sandbox, text)
}

/// Lets cron run the crontab of a home, from two minutes before the new year on.
fn run(sandbox: &Sandbox, library: &std::path::Path, text: &str) -> Night {
    // Cron reads no last line without an end.
    sandbox.write("tab", format!("{text}\n"));
    begin(sandbox, library, Some(("2022-12-31 23:58:00", 1_672_531_080_000)), "UTC", &[])
}

/// What the lines wrote, by the number of the line.
fn written(sandbox: &Sandbox) -> BTreeMap<String, String> {
    let files = std::fs::read_dir(sandbox.path("out")).unwrap();
    files
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_none())
        .map(|path| {
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            (path.file_name().unwrap().to_string_lossy().into_owned(), text)
        })
        .filter(|(_, text)| !text.is_empty())
        .collect()
}

#[test]
fn wrapped_lines_do_under_real_cron_what_the_bare_ones_do() {
    let Some(library) = faketime() else { return };
    let (bare, bare_text) = home_with_lines();
    let (guarded, text) = home_with_lines();
    let n_lines = LINES.len() + 2;
    let installed = guarded.guard("crontab --install --file tab --json").code(0).json();
    let names: Vec<String> = installed["wrapped"]
        .as_array()
        .unwrap()
        .iter()
        .map(|job| job["job"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names.len(), n_lines, "{installed:?}");
    let wrapped = std::fs::read_to_string(guarded.path("tab")).unwrap();

    let nights = [run(&bare, &library, &bare_text), run(&guarded, &library, &wrapped)];
    // A line that runs at this moment has emptied its file, so one look may miss what it wrote a minute ago.
    let mut agreed = BTreeSet::new();
    wait_for("every line to write what the bare one writes", LIMIT, &guarded, || {
        let wrote = written(&guarded);
        let same = written(&bare).into_iter().filter(|(line, text)| wrote.get(line) == Some(text));
        agreed.extend(same.map(|(line, _)| line));
        agreed.len() >= n_lines
    });
    for name in &names {
        wait_for(name, LIMIT, &guarded, || n_runs(&guarded, name) >= 1);
    }
    drop(nights);

    guarded.write("tab", &wrapped);
    let undone = guarded.guard("crontab --uninstall --file tab").code(0);
    assert_eq!(undone.stdout, format!("Unwrapped: {n_lines}\n"));
    assert_eq!(std::fs::read_to_string(guarded.path("tab")).unwrap(), text);
}
