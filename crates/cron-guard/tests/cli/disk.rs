//! A disk that is full, a home that cannot be written: jobs run all the same, what was blocked stays blocked.
//!
//! The home is a file system of its own in a mount namespace; that needs root, and is skipped without.

use std::process::Command;

use crate::sandbox::Sandbox;

/// Runs a script in a small file system that holds the home; `g` is the guard. What it printed, line by line.
fn in_small_home(script: &str) -> Option<Vec<String>> {
    if !rustix::process::getuid().is_root() {
        #[expect(clippy::print_stderr, reason = "a skipped test must not look like a passed one")]
        {
            eprintln!("skipped: a file system of its own needs root");
        }
        return None;
    }
    let sandbox = Sandbox::in_a_file();
    let script = format!(
        "mount -t tmpfs -o size=1500k none \"$HOME\" && cd \"$HOME\" || exit 99
         g() {{ {} \"$@\"; echo \"= $?\"; }}
         mkdir -p .config/cron-guard && echo '[job.high]\ntier = \"high\"' > .config/cron-guard/guard.toml
         exec 2>&1
         g exec j -- true; g exec bad -- false; g exec bad -- false; g exec bad -- false
         {script}",
        env!("CARGO_BIN_EXE_cron-guard")
    );
    let output = Command::new("unshare")
        .args(["--mount", "/bin/sh", "-c", &script])
        .env_clear()
        .env("HOME", sandbox.home())
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<String> = text.lines().map(ToOwned::to_owned).collect();
    let (begin, rest) = lines.split_at(5);
    assert_eq!(begin[0..3], ["= 0", "= 1", "= 1"], "{text}");
    assert_eq!(begin[4], "= 1", "{text}");
    Some(rest.to_vec())
}

#[test]
fn on_a_full_disk_jobs_run_and_exit_as_they_do() {
    let script = "dd if=/dev/zero of=fill bs=4k status=none 2>/dev/null
        g exec j -- sh -c 'echo ran; exit 4'; g exec bad -- echo no; g check bad; g --quiet
        g exec j --mail-on-failure -- sh -c 'echo hidden'
        rm fill; g exec j -- echo again; g check bad";
    let Some(lines) = in_small_home(script) else { return };
    assert_eq!(lines[0..4], ["ran", "= 4", "= 75", "= 75"], "{lines:?}");
    assert!(lines[4].starts_with("cron-guard: cannot write"), "{lines:?}");
    assert!(lines[4].ends_with("No space left on device (os error 28)"), "{lines:?}");
    assert_eq!(lines[6], "= 3", "{lines:?}");
    assert_eq!(lines[lines.len() - 3..], ["again", "= 0", "= 75"], "{lines:?}");
}

#[test]
fn in_a_home_that_cannot_be_written_jobs_run_and_what_was_blocked_stays_blocked() {
    let script = "mount -o remount,ro \"$HOME\"
        g exec j -- echo ran; g exec j -- echo again; g exec bad -- echo no; g check bad
        g exec high -- echo no
        mount -o remount,rw \"$HOME\"; g exec j -- echo back";
    let Some(lines) = in_small_home(script) else { return };
    assert!(lines[0].contains("readonly database; blocked jobs stay blocked"), "{lines:?}");
    assert_eq!(lines[1..7], ["ran", "= 0", "again", "= 0", "= 75", "= 75"], "{lines:?}");
    assert!(lines[7].contains("`high` is of tier high"), "{lines:?}");
    assert_eq!(lines[lines.len() - 3..], ["= 3", "back", "= 0"], "{lines:?}");
}
