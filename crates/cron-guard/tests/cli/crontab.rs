//! The crontab of a user: wrapped, declared, edited afterwards, refused, put back.

use std::os::unix::fs::PermissionsExt as _;

use crate::sandbox::Sandbox;

/// A crontab(1) that keeps the crontab in a file of the home.
fn with_crontab(text: &str) -> (Sandbox, String) {
    let sandbox = Sandbox::in_a_file();
    sandbox.write("tab", text);
    let path = sandbox.write(
        "bin/crontab",
        "#!/bin/sh\ncase $1 in -l) [ -e $HOME/tab ] || { echo 'no crontab for me' >&2; exit 1; }; cat $HOME/tab;; -) cat > $HOME/tab;; esac\n",
    );
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let bin = format!("{}:/usr/bin:/bin", sandbox.path("bin").display());
    (sandbox, bin)
}

#[test]
fn the_crontab_is_wrapped_declared_and_put_back_byte_for_byte() {
    let text = "# mine\nMAILTO=me\n*/5 * * * * /usr/bin/poll --all | tee -a 'a b'\n@reboot /usr/bin/start\n61 * * * * /usr/bin/odd";
    let (sandbox, path) = with_crontab(text);
    let settings = "# Mine.\n[defaults]\nthreshold = 5\n";
    sandbox.write(".config/cron-guard/guard.toml", settings);
    let run = |line: &str| {
        let output =
            sandbox.command(crate::sandbox::shlex_split(line)).env("PATH", &path).output().unwrap();
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let read = |name: &str| std::fs::read_to_string(sandbox.path(name)).unwrap();
    let (code, printed, said) = run("crontab --print");
    assert_eq!(code, 0);
    assert!(
        printed.contains(
            "cron-guard exec poll -- /bin/sh -c '/usr/bin/poll --all | tee -a '\\''a b'\\'''"
        ),
        "{printed}"
    );
    assert!(said.contains("line 5 stays as it is"), "{said}");
    assert_eq!(run("crontab --install --dry-run").0, 0);
    assert_eq!(read("tab"), text, "a dry run changes nothing");
    assert_eq!(run("crontab --install").0, 0);
    assert_eq!(read("tab"), printed);
    assert!(
        read(".config/cron-guard/guard.toml")
            .contains("[job.poll]\ncrontab = true\nschedule = \"*/5 * * * *\"\n")
    );
    assert_eq!(run("crontab --install").0, 0);
    assert_eq!(read("tab"), printed, "twice changes nothing");
    let backup = std::fs::read_dir(sandbox.path(".local/state/cron-guard"))
        .unwrap()
        .find_map(|entry| {
            entry
                .ok()
                .map(|entry| entry.path())
                .filter(|path| path.extension().is_some_and(|e| e == "backup"))
        })
        .unwrap();
    assert_eq!(std::fs::read_to_string(backup).unwrap(), text);
    assert_eq!(run("crontab --uninstall").0, 0);
    assert_eq!(read("tab"), text);
    assert_eq!(read(".config/cron-guard/guard.toml"), settings);
}

#[test]
fn a_crontab_that_is_refused_leaves_the_settings_as_they_were() {
    let (sandbox, path) = with_crontab("0 1 * * * /usr/bin/nightly\n");
    let bin = sandbox.path("bin/crontab");
    let refusing = "#!/bin/sh\ncase $1 in -l) cat $HOME/tab;; -) echo refused >&2; exit 1;; esac\n";
    sandbox.write("bin/crontab", refusing);
    std::fs::set_permissions(&bin, std::fs::Permissions::from_mode(0o755)).unwrap();
    let install = || {
        let output = sandbox.command(["crontab", "--install"]).env("PATH", &path).output().unwrap();
        crate::sandbox::Done::of(&output).code(3)
    };
    let settings = sandbox.path(".config/cron-guard/guard.toml");
    let before = std::fs::read_to_string(&settings).unwrap();
    let refused = install();
    assert!(
        refused.stderr.contains("refused") && refused.stderr.contains("unchanged"),
        "{refused:?}"
    );
    assert_eq!(std::fs::read_to_string(&settings).unwrap(), before);
    std::fs::remove_file(&settings).unwrap();
    install();
    assert!(!settings.exists());
}

#[test]
fn a_crontab_that_cannot_be_read_is_not_said_to_be_unchanged() {
    let (sandbox, path) = with_crontab("");
    let denied = "#!/bin/sh\necho you are not allowed to use this program >&2; exit 1\n";
    sandbox.write("bin/crontab", denied);
    let output = sandbox.command(["crontab", "--print"]).env("PATH", &path).output().unwrap();
    let said = crate::sandbox::Done::of(&output).code(3).stderr;
    assert_eq!(
        said,
        "cron-guard: cannot read the crontab: you are not allowed to use this program\n  hint: see what \
         `crontab -l` says, or name a file with --file\n"
    );
}

#[test]
fn the_declaration_of_a_wrapped_line_follows_its_schedule() {
    let sandbox = Sandbox::in_a_file();
    sandbox.write("tab", "0 1 * * * /usr/bin/nightly\n0 2 * * * /usr/bin/mine\n");
    sandbox.settings("[job.mine]\nschedule = \"0 2 * * *\"\n");
    sandbox.guard("crontab --install --file tab").code(0);
    let read = |name: &str| std::fs::read_to_string(sandbox.path(name)).unwrap();
    let edited = read("tab").replace("0 1 ", "0 5 ").replace("0 2 ", "0 6 ");
    sandbox.write("tab", &edited);
    let dry = sandbox.guard("crontab --install --dry-run --file tab").code(0).stdout;
    assert_eq!(dry, "guard.toml: nightly: 0 1 * * * becomes 0 5 * * *\n");
    let done = sandbox.guard("crontab --install --file tab").code(0);
    assert_eq!(
        (&*done.stdout, &*done.stderr),
        (
            "nightly: 0 5 * * * (edited)\nWrapped: 0\nDeclared anew: 1\n",
            "cron-guard: warning: mine is declared otherwise than its line says: 0 6 * * *\n"
        )
    );
    let settings = read(".config/cron-guard/guard.toml");
    assert!(settings.contains("[job.nightly]\ncrontab = true\nschedule = \"0 5 * * *\"\n"));
    assert!(settings.contains("[job.mine]\nschedule = \"0 2 * * *\"\n"), "{settings}");
    assert_eq!(read("tab"), edited);
    let again = sandbox.guard("crontab --install --file tab").code(0).stdout;
    assert_eq!(again, "Wrapped: 0\n");
}

#[test]
fn doctor_names_a_wrapped_line_that_is_declared_otherwise() {
    let (sandbox, path) = with_crontab("0 1 * * * /usr/bin/nightly\n");
    let run = |line: &str| {
        let output =
            sandbox.command(crate::sandbox::shlex_split(line)).env("PATH", &path).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    run("crontab --install");
    let finding = "nightly is due 0 5 * * * in the crontab and 0 1 * * * in guard.toml";
    assert!(!run("doctor").contains("nightly is due"));
    let tab = std::fs::read_to_string(sandbox.path("tab")).unwrap();
    sandbox.write("tab", tab.replace("0 1 ", "0 5 "));
    let found = run("doctor");
    assert!(found.lines().any(|line| line == finding), "{found}");
}

#[test]
fn a_wrapped_line_does_what_the_line_did() {
    let sandbox = Sandbox::new();
    let line = "* * * * * cd / && echo \"it's $HOME\" | tr a-z A-Z; exit 3";
    sandbox.write("tab", line);
    let wrapped = sandbox.guard("crontab --print --file tab").code(0).stdout;
    // As cron does: the shell gets what stands behind the fields.
    let command = wrapped.trim_start_matches("* * * * * ");
    let output = sandbox.program("/bin/sh").args(["-c", command]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let home = sandbox.home().display().to_string().to_uppercase();
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("IT'S {home}\n"));
    assert_eq!(sandbox.job("echo")["streak"], 1);
}
