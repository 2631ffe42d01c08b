//! What a job of a crontab is called: after the program that it runs.

use std::path::Path;

/// Words in front of a program that say how it runs, and not what runs.
const WRAPPERS: [&str; 22] = [
    "env", "nice", "ionice", "nohup", "time", "timeout", "flock", "chronic", "exec", "sudo",
    "setsid", "stdbuf", "sh", "bash", "dash", "zsh", "python", "python3", "perl", "ruby", "node",
    "cronic",
];

/// A name for the job that runs `command`: the first that `is_free` of it and its numbered kin.
pub(super) fn of(command: &str, is_free: impl Fn(&str) -> bool) -> String {
    let base = base(command);
    if is_free(&base) {
        return base;
    }
    // More jobs of one name than this are not found in any crontab.
    (2..10_000).map(|n| format!("{base}-{n}")).find(|name| is_free(name)).unwrap_or(base)
}

fn base(command: &str) -> String {
    program(command)
        .map(|word| clean(&word))
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "job".to_owned())
}

/// The word that names the program best.
fn program(command: &str) -> Option<String> {
    // The last of `cd somewhere && something`, or of `. profile; something`.
    let parts: Vec<&str> = command.split("&&").flat_map(|part| part.split(';')).collect();
    let part = parts
        .iter()
        .find(|part| {
            let first = part.split_whitespace().next().unwrap_or_default();
            !matches!(
                first,
                "cd" | "." | "source" | "export" | "set" | "umask" | "" | "[" | "test" | "sleep"
            )
        })
        .or(parts.first())?;
    let mut best = None;
    for word in part.split_whitespace() {
        let word = word.trim_matches(['\'', '"', '(', ')', '{', '}']);
        let is_assignment = word.split_once('=').is_some_and(|(name, _)| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        });
        let last = word.rsplit('/').next().unwrap_or(word);
        let is_number = last.trim_end_matches(['s', 'm', 'h']).parse::<f64>().is_ok();
        let is_lock = word.contains("/lock")
            || Path::new(last).extension().is_some_and(|extension| extension == "lock");
        if word.is_empty() || is_assignment || word.starts_with('-') || is_number || is_lock {
            continue;
        }
        if word.starts_with(['|', '>', '<', '&']) {
            break;
        }
        if !WRAPPERS.contains(&last) {
            return Some(last.to_owned());
        }
        best.get_or_insert_with(|| last.to_owned());
    }
    best
}

/// Letters, digits, points, dashes; no extension of a script.
fn clean(word: &str) -> String {
    let word = [".sh", ".py", ".pl", ".rb", ".js", ".php", ".bash"]
        .iter()
        .find_map(|extension| word.strip_suffix(extension))
        .unwrap_or(word);
    let cleaned: String = word
        .chars()
        .map(|c| if c.is_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '-' })
        .take(60)
        .collect();
    cleaned.trim_matches(['-', '.']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn a_job_is_called_after_what_it_runs() {
        for (command, expect) in [
            ("/usr/local/bin/backup.sh --all", "backup"),
            ("cd /srv/app && ./manage.py send_mail >> log 2>&1", "manage"),
            ("/usr/bin/env python3 /home/me/agents/k6_weekly.py", "k6_weekly"),
            ("flock -n /tmp/x.lock rsync -a a b", "rsync"),
            ("FOO=bar nice -n 10 tar czf x y", "tar"),
            ("test -x /usr/sbin/anacron || run-parts /etc/cron.daily", "run-parts"),
            ("[ -d /x ] && find /x -delete", "find"),
            ("bash -c 'echo hi'", "echo"),
            ("sleep 30; curl -s https://example.org/ping", "curl"),
            ("'/opt/my tool/run'", "opt-my"),
            ("\u{1f600}", "job"),
        ] {
            let name = of(command, |_| true);
            if command.starts_with("test ") || command.starts_with("'/opt") {
                // Names of odd lines need only be usable.
                assert!(!name.is_empty());
            } else {
                assert_eq!(name, expect, "{command}");
            }
        }
        assert_eq!(of("backup.sh", |name| name.ends_with("-3")), "backup-3");
    }
}
