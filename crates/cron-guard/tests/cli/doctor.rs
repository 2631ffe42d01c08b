//! What the doctor finds, and what the sweep warns of.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use crate::sandbox::Sandbox;

#[test]
fn doctor_names_what_is_wrong() {
    let sandbox = Sandbox::new();
    sandbox.settings(
        "[job.ghost]\nevery = \"1h\"\ncooldown = \"2d\"\n[alerts.command]\nargv = [\"/nonexistent/notify\"]\n",
    );
    sandbox.exec("stranger", "true").silent(0);
    let found = sandbox.guard("doctor").code(1).stdout;
    for part in [
        "/nonexistent/notify cannot be run",
        "the cooldown of ghost is longer than 1d",
        "sweep has never run",
        "stranger runs and is not declared",
        "ghost is declared and never ran",
    ] {
        assert!(found.contains(part), "{part}: {found}");
    }
}

#[test]
fn doctor_names_each_channel_that_cannot_work() {
    let sandbox = Sandbox::new();
    sandbox.write("bin/plain", "no program");
    let plain = sandbox.path("bin/plain");
    for (settings, finding) in [
        (
            "[alerts.command]\nargv = [\"no-such-program\"]",
            "the alert command no-such-program is not in PATH",
        ),
        (
            "[alerts.command]\nargv = [\"~/bin/plain\"]",
            "the alert command ~/bin/plain cannot be run",
        ),
        ("[alerts.command]\nargv = [\"~/bin\"]", "the alert command ~/bin cannot be run"),
        ("[alerts.command]\nargv = [\"bin/plain\"]", "the alert command bin/plain is relative"),
        (
            "[alerts.webhook]\nurl = \"nope\"",
            "the address of the webhook is not one of http or https",
        ),
        (
            "[alerts.webhook]\nurl = \"ftp://x/secret\"",
            "the address of the webhook is not one of http or https",
        ),
        (
            "[alerts.webhook]\nurl = \"https://\"",
            "the address of the webhook is not one of http or https",
        ),
        (
            "[alerts.mail]\nto = \"me\"\nsendmail = \"/none\"",
            "mail needs /none, which cannot be run",
        ),
        (
            "[alerts.desktop]\nprogram = \"no-notify\"",
            "the desktop needs no-notify, which is not in PATH",
        ),
        ("[alerts.file]\npath = \"~/bin\"", "/bin is a directory"),
        ("[alerts.file]\npath = \"~/bin/plain/x\"", "plain/x cannot be written"),
    ] {
        sandbox.settings(settings);
        let found = sandbox.guard("doctor").code(1).stdout;
        assert!(found.contains(finding) && !found.contains("secret"), "{finding}: {found}");
    }
    std::fs::set_permissions(plain, Permissions::from_mode(0o755)).unwrap();
    for settings in [
        "[alerts.command]\nargv = [\"~/bin/plain\"]",
        "[alerts.command]\nargv = [\"sh\"]",
        "[alerts.webhook]\nurl = \"http://127.0.0.1:8080/x\"",
        "[alerts.file]\npath = \"~/to/come/alerts\"",
    ] {
        sandbox.settings(settings);
        sandbox.run(["--quiet"]).silent(0);
        assert_eq!(sandbox.guard("doctor").code(0).stdout, "", "{settings}");
    }
}

#[test]
fn doctor_and_the_sweep_warn_of_settings_and_state_that_are_open_to_others() {
    let sandbox = Sandbox::new();
    let set = |path: &str, mode| {
        std::fs::set_permissions(sandbox.path(path), Permissions::from_mode(mode)).unwrap();
    };
    assert_eq!(sandbox.run::<_, &str>([]).code(0).stderr, "");
    set(".config/cron-guard/guard.toml", 0o666);
    set(".config/cron-guard", 0o777);
    set(".local/state/cron-guard", 0o755);
    let doctor = sandbox.guard("doctor").code(1).stdout;
    let sweep = sandbox.run::<_, &str>([]).code(0).stderr;
    for part in [
        "other users may write ~/.config/cron-guard/guard.toml (mode 666)",
        "other users may write ~/.config/cron-guard (mode 777)",
        "~/.local/state/cron-guard has mode 755, so other users can look in; chmod 700",
    ] {
        assert!(doctor.contains(part), "{doctor}");
        assert!(sweep.contains(&format!("cron-guard: warning: {part}")), "{sweep}");
    }
    sandbox.run(["--quiet"]).silent(0);
}
