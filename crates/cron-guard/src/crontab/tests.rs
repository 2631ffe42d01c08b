//! Thirty and more kinds of lines that people have, wrapped and unwrapped.

use proptest::prelude::*;

use super::*;

/// Lines that become jobs.
const JOBS: &[&str] = &[
    "* * * * * /usr/bin/true",
    "0 2 * * 1 /home/me/bin/k6-weekly",
    "*/5 * * * * /usr/local/bin/poll.sh >/dev/null 2>&1",
    "0 9-17/2 * * mon-fri cd /srv/app && ./run.sh",
    "15,45 0 1,15 jan,jul * /usr/bin/report --out=/tmp/x",
    "@daily /usr/bin/backup",
    "@hourly\t/usr/bin/sync",
    "@reboot sleep 30 && /usr/bin/start-agent",
    "@midnight /usr/bin/rotate",
    "30 4 * * * tar czf /backup/home-$(date +\\%Y\\%m\\%d).tgz /home/me",
    "0 6 * * * mail -s 'hello world' me@example.org%Dear me,%%good morning%",
    "0 0 * * 0 echo \"it's fine\" | tee -a 'a b.log'",
    "  5 5 * * *   /usr/bin/indented   --with   spaces  ",
    "\t10\t10\t*\t*\t*\t/usr/bin/tabs\t--now",
    "0 3 * * 7 /usr/bin/sunday",
    "0 3 * * sun,Wed /usr/bin/mixed-case",
    "0 12 * feb 1 /usr/bin/feb-monday",
    "0 0 29 2 * /usr/bin/leap-day",
    "*/10 8-18 * * 1-5 [ -f /tmp/go ] && /usr/bin/conditional || true",
    "0 1 * * * FOO=bar BAZ='q u x' /usr/bin/with-env",
    "0 1 * * * . /etc/profile; /usr/bin/with-profile",
    "1 1 * * * flock -n /tmp/x.lock /usr/bin/locked",
    "2 2 * * * (cd /tmp; ls) > /dev/null",
    "3 3 * * * /usr/bin/php -q /var/www/cron.php # the old one",
    "4 4 * * * /bin/sh -c 'echo '\\''nested'\\'' quotes'",
    "5 4 * * * python3 -c \"print('100\\%')\"",
    "6 4 * * * echo \\\\\\% done",
    "7 4 * * * /usr/bin/größe --ünï",
    "8 4 * * * while read l; do echo $l; done%one%two",
    "9 4 * * * `which date` && $HOME/bin/x ${VAR:-y}",
    "0-59/2 * * * * /usr/bin/even",
    "0 22 * * 1-5 /usr/bin/windows\r",
    "@weekly nice -n 19 ionice -c3 /usr/sbin/fstrim",
];

/// Lines that stay as they are.
const OTHERS: &[&str] = &[
    "",
    "   ",
    "# a comment",
    "  # an indented comment with 5 4 * * * a job",
    "SHELL=/bin/bash",
    "MAILTO=\"\"",
    "PATH = /usr/bin:/bin",
    "'QUOTED' = \"value with spaces\"",
    "CRON_TZ=Europe/Berlin",
    "0 * * * * cron-guard exec by-hand -- /usr/bin/mine",
    "0 * * * * /usr/local/bin/cron-guard check x && /usr/bin/mine",
    "* * * * * cron-guard",
];

/// Lines that cannot be read, which are named.
const UNREAD: &[&str] = &[
    "99 * * * * /usr/bin/never",
    "* * * *",
    "@fortnightly /usr/bin/x",
    "every day /usr/bin/x y z",
    "0 0 30 2 * /usr/bin/thirtieth-of-february",
    "* * * * * %only input",
];

fn wrap_all(text: &[u8]) -> Wrapped {
    wrap(
        text,
        &Wrapping {
            guard: "/usr/local/bin/cron-guard",
            guard_with_places: "/usr/local/bin/cron-guard --db /home/me/state.db",
            is_free: &|_, _| true,
        },
    )
}

#[test]
fn every_kind_of_line_comes_back_byte_for_byte_and_wrapping_twice_changes_nothing() {
    for line in JOBS {
        let wrapped = wrap_all(line.as_bytes());
        assert_eq!(wrapped.jobs.len(), 1, "{line:?}");
        assert_ne!(wrapped.text, line.as_bytes());
        let again = wrap_all(&wrapped.text);
        assert_eq!(
            (again.text == wrapped.text, again.jobs.len(), again.n_guarded),
            (true, 0, 1),
            "{line:?}"
        );
        assert_eq!(String::from_utf8(unwrap(&wrapped.text).0).unwrap(), *line);
    }
    for line in OTHERS {
        let wrapped = wrap_all(line.as_bytes());
        assert_eq!((wrapped.jobs.len(), wrapped.unread.len()), (0, 0), "{line:?}");
        assert_eq!(wrapped.text, line.as_bytes());
        assert_eq!(unwrap(line.as_bytes()).0, line.as_bytes());
    }
    for line in UNREAD {
        let wrapped = wrap_all(line.as_bytes());
        assert_eq!((wrapped.jobs.len(), wrapped.unread.len()), (0, 1), "{line:?}");
        assert_eq!(wrapped.text, line.as_bytes());
    }
}

#[test]
fn a_whole_crontab_keeps_its_order_its_variables_and_its_missing_last_line_break() {
    let mut lines: Vec<&str> = Vec::new();
    lines.extend(OTHERS);
    lines.extend(JOBS);
    lines.extend(UNREAD);
    let text = lines.join("\n");
    let wrapped = wrap_all(text.as_bytes());
    assert_eq!(wrapped.jobs.len(), JOBS.len());
    let unread: Vec<usize> = wrapped.unread.iter().map(|(number, _)| *number).collect();
    let first = OTHERS.len() + JOBS.len() + 1;
    assert_eq!(unread, (first..first + UNREAD.len()).collect::<Vec<_>>());
    let mut names: Vec<&str> = wrapped.jobs.iter().map(|named| named.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), JOBS.len(), "every job has a name of its own");
    assert_eq!(unwrap(&wrapped.text).0, text.as_bytes());
    // The variables in force decide about the shell and the zone.
    assert!(wrapped.jobs.iter().all(|named| named.job.tz.as_deref() == Some("Europe/Berlin")));
    assert!(String::from_utf8_lossy(&wrapped.text).contains(" -- /bin/bash -c '"));
}

#[test]
fn a_wrapped_line_reads_as_a_person_would_write_it() {
    let wrapped = wrap_all(b"0 6 * * * mail -s 'hi' me%text\n");
    assert_eq!(
        String::from_utf8(wrapped.text).unwrap(),
        "0 6 * * * /usr/local/bin/cron-guard exec mail -- /bin/sh -c 'mail -s '\\''hi'\\'' me' # guarded by cron-guard%text\n"
    );
}

#[test]
fn where_the_crontab_moves_the_home_the_guard_is_told_its_places() {
    let wrapped = wrap_all(b"HOME=/srv/app\n@daily /usr/bin/x\n");
    assert!(
        String::from_utf8_lossy(&wrapped.text).contains("cron-guard --db /home/me/state.db exec x")
    );
    assert_eq!(unwrap(&wrapped.text).0, b"HOME=/srv/app\n@daily /usr/bin/x\n");
}

#[test]
fn lines_that_are_not_utf_8_stay() {
    let text = b"* * * * * echo \xff\n@daily /usr/bin/x\n";
    let wrapped = wrap_all(text);
    assert_eq!((wrapped.jobs.len(), wrapped.unread.len()), (1, 1));
    assert_eq!(unwrap(&wrapped.text).0, text);
}

#[test]
fn a_line_that_would_not_come_back_stays() {
    for shell in ["/bin/ba\0s sh", "/bin/x -c 'y"] {
        let text = format!("SHELL={shell}\n@daily /usr/bin/x\n");
        let wrapped = wrap_all(text.as_bytes());
        assert_eq!((wrapped.jobs.len(), wrapped.unread.len()), (0, 1), "{shell:?}");
        assert_eq!(wrapped.text, text.as_bytes());
    }
}

proptest! {
    #[test]
    fn no_text_is_lost_and_none_makes_it_stumble(text in "[ -~\n\t%'\\\\]{0,200}") {
        let wrapped = wrap_all(text.as_bytes());
        prop_assert_eq!(unwrap(&wrapped.text).0, unwrap(text.as_bytes()).0);
    }

    #[test]
    fn any_command_comes_back(command in "[a-z/'\"%\\\\ $|&;-]{1,60}") {
        let line = format!("*/5 * * * * x{command}");
        let wrapped = wrap_all(line.as_bytes());
        prop_assert_eq!(unwrap(&wrapped.text).0, line.into_bytes());
    }

    #[test]
    fn any_schedule_is_read_or_refused(text in "[0-9*/, a-z@#LW-]{0,30}") {
        let _ = crate::schedule::Schedule::parse(&text);
    }

    #[test]
    fn any_settings_are_read_or_refused(text in "[\\[\\]a-z.\"=0-9 \n_#-]{0,120}") {
        let _ = crate::settings::Settings::parse("/g.toml".into(), text);
    }
}
