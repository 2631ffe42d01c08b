//! What a machine can do to the tool: no /proc, a full disk, a bare umask, a debugger of the same user.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::sandbox::{BIN, Sandbox, Seen, copy_of_the_binary, has, is_root, seen, wait_for};

/// A script of sh in a mount namespace of its own; `None` where that is not to be had.
fn in_own_mounts(home: &Sandbox, script: &str) -> Option<Seen> {
    if !is_root() || !has("unshare") {
        return None;
    }
    let prepare = "mount --make-rprivate / || exit 99";
    let works = seen(home.program("unshare", &["-m", "sh", "-c", prepare]), "").code == 0;
    let script = format!("{prepare}\ncp() {{ {BIN} \"$@\"; }}\n{script}");
    works.then(|| seen(home.program("unshare", &["-m", "sh", "-c", &script]), ""))
}

#[test]
fn without_proc_it_starts_serves_and_runs_commands() {
    let home = Sandbox::with("a.com", "me", "some-secret");
    let script = "umount -l /proc || exit 98\n\
        cp get a.com && TOKEN=$(cp token create agent --allow 'a.com:inject' 2>/dev/null) &&\n\
        CREDENTIAL_PROXY_TOKEN=$TOKEN cp exec --env T=a.com -- sh -c 'echo $T' &&\n\
        cp status >/dev/null && cp audit verify && cp stop";
    let Some(seen) = in_own_mounts(&home, script).filter(|seen| seen.code != 98) else { return };
    assert_eq!(seen.code, 0, "{seen:?}");
    assert_eq!(seen.stdout, "some-secret\n[redacted:a.com]\n4 records, all as they were written\n");
}

#[test]
fn on_a_full_disk_every_command_that_writes_says_so_and_nothing_is_lost() {
    let home = Sandbox::empty();
    let script = r#"
        mount -t tmpfs -o size=2m,mode=700 tmpfs "$HOME" || exit 98
        cd "$HOME"; cp init >/dev/null; printf some-secret | cp add a.com --stdin
        echo name,url,username,password > e.csv
        for n in 1 2 3 4 5 6 7 8 9; do echo "n,https://s$n.com/,me,new-secret-$n" >> e.csv; done
        cp start; head -c 4000000 /dev/zero > filler 2>/dev/null
        try() { message=$(cp "$@" 2>&1); echo "$? $1"; echo "$message" | grep -c 'hint: free some space'; }
        try import e.csv; try rotate-key; try backup copy.db; try edit a.com --note x; try rename a.com b.com
        try delete a.com; try token create t --allow x; try service systemd --install; try init --home second
        printf some-secret | try add b.com --stdin
        cp get a.com; cp stop; cp start; cp get a.com
        rm filler; ls; cp verify; cp audit verify >/dev/null && echo sound; cp import e.csv | head -1; cp stop
    "#;
    let Some(seen) = in_own_mounts(&home, script).filter(|seen| seen.code != 98) else { return };
    let expect = "added a.com\n3 import\n1\n3 rotate-key\n1\n3 backup\n1\n3 edit\n1\n3 rename\n1\n3 delete\n1\n3 token\n1\n\
        3 service\n1\n3 init\n1\n3 add\n1\nsome-secret\nsome-secret\ne.csv\nsecond\n\
        1 credential and 0 tokens, every one decrypted\nsound\n\
        imported 9 of 9 rows of e.csv (chrome)\n";
    assert_eq!(seen.stdout, expect, "{seen:?}");
}

/// The calls in a trace that create something of ours.
fn creations(trace: &std::path::Path) -> Vec<String> {
    let text = std::fs::read_to_string(trace).unwrap();
    text.lines()
        .filter(|line| !line.contains("ENOENT") && !line.contains("EEXIST"))
        .filter(|line| line.contains("O_CREAT") || line.contains("mkdir"))
        .filter(|line| line.contains("credential-proxy") || line.contains(".tmp-"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_file_and_directory_is_private_from_its_first_moment_under_umask_000() {
    const TRACE: &str =
        "umask 000; exec timeout -s KILL 120 strace -f -qq -e trace=openat,mkdir,mkdirat -o trace";
    let home = Sandbox::empty();
    let tries = home.program("timeout", &["60", "strace", "-qq", "-o", "/dev/null", "true"]);
    if !has("strace") || seen(tries, "").code != 0 {
        return;
    }
    home.write("e.csv", "name,url,username,password\na,https://a.com/,me,some-secret\n");
    let trace = home.home().join("trace");
    let mut n_created = 0;
    let mut check = |args: &str| {
        for line in creations(&trace) {
            let is_private = line.contains(", 0600") || line.contains(", 0700");
            assert!(is_private, "{args}: {line}");
            n_created += 1;
        }
    };
    // None of these starts a daemon, which strace would follow and wait for.
    for args in [
        "init",
        "import e.csv",
        "rotate-key",
        "backup copy.db",
        "edit a.com --note x",
        "get a.com --direct",
        "init --home credential-proxy-2 --key-command 'cat .local/share/credential-proxy/key'",
    ] {
        home.sh(&format!("{TRACE} {BIN} {args} >/dev/null")).code(0);
        check(args);
    }
    let mut daemon = home.program("/bin/sh", &["-c", &format!("{TRACE} {BIN} serve --foreground")]);
    let mut daemon = daemon.stderr(std::process::Stdio::null()).spawn().unwrap();
    wait_for("it answers", || home.run(&["get", "a.com", "--no-start"]).code == 0);
    home.run(&["stop"]).code(0);
    daemon.wait().unwrap();
    check("serve");
    home.run(&["start"]).code(0);
    home.sh(&format!("{TRACE} {BIN} exec --file F=a.com -- true")).code(0);
    check("exec");
    assert!(n_created > 12, "{n_created}");
}

#[test]
fn a_plain_user_cannot_debug_the_daemon_nor_read_its_memory_or_environment() {
    if !is_root() || !has("setpriv") {
        return;
    }
    let home = Sandbox::empty();
    let bin = home.home().join("credential-proxy");
    copy_of_the_binary(&bin);
    std::os::unix::fs::chown(home.home(), Some(65_534), Some(65_534)).unwrap();
    // Of the tools only those that are there are tried; reading is always tried.
    let script = r#"
        cp() { ./credential-proxy "$@"; }
        cp init >/dev/null; printf some-secret | cp add a.com --stdin
        ulimit -l 0; cp start; cp get a.com; cp status | grep memory
        pid=$(cat .local/share/credential-proxy/daemon.lock)
        for name in environ mem maps auxv; do
            head -c 1 /proc/$pid/$name >/dev/null 2>&1 && echo "read $name"
        done
        ls /proc/$pid/fd >/dev/null 2>&1 && echo "read fd"
        if command -v gdb >/dev/null; then gdb -batch -nx -p $pid 2>&1 | grep -q 'ptrace: Operation not permitted' || echo "gdb came in"; fi
        if command -v strace >/dev/null; then timeout -s KILL 60 strace -p $pid 2>&1 | grep -q 'Operation not permitted' || echo "strace came in"; fi
        cp stop; echo "stopped $?"
    "#;
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c", script])
        .env_clear()
        .env("HOME", home.home())
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .current_dir(home.home());
    command.process_group(0);
    let seen = seen(command, "");
    let expect = "added a.com\nsome-secret\n\
        memory       not locked against swap; raise the limit with `ulimit -l`\nstopped 0\n";
    assert_eq!(seen.stdout, expect, "{seen:?}");
}
