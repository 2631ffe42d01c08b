//! `exec` gives the document to a command and is otherwise not there.

use std::io::Read as _;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use super::sandbox::{Sandbox, ran};

#[test]
fn the_command_gets_the_document_on_stdin_and_in_a_private_file_that_is_removed() {
    let sandbox = Sandbox::with_project();
    let script = "cat > ../stdin.md; cp \"$CONTEXT_PACK_FILE\" ../file.md; stat -c %a \"$CONTEXT_PACK_FILE\"; exit 7";
    let ran = sandbox
        .run(&["exec", ".", "--budget", "2000", "--", "sh", "-c", script])
        .exits(7)
        .says_nothing();
    assert_eq!(ran.stdout, "600\n");
    let document = sandbox.run(&[".", "--budget", "2000"]).stdout;
    assert_eq!(std::fs::read_to_string(sandbox.home().join("stdin.md")).unwrap(), document);
    assert_eq!(std::fs::read_to_string(sandbox.home().join("file.md")).unwrap(), document);
    assert_eq!(sandbox.litter(), 0);
}

#[test]
fn failing_before_the_command_starts_has_codes_of_its_own() {
    let sandbox = Sandbox::with_project();
    let absent = sandbox.run(&["exec", "absent", "--", "touch", "started"]).exits(125);
    assert!(absent.stderr.starts_with("context-pack: cannot read absent: "), "{}", absent.stderr);
    assert!(!sandbox.tree().join("started").exists());
    sandbox.run(&["exec", ".", "--budget", "1", "--", "true"]).exits(125);
    sandbox.run(&["exec", ".", "--", "no-such-command"]).exits(127);
    sandbox.run(&["exec", ".", "--", "./README.md"]).exits(126);
    sandbox.run(&["exec", "."]).exits(2);
    assert_eq!(sandbox.litter(), 0);
}

#[test]
fn without_a_place_for_the_copy_the_command_is_not_started_and_the_variable_is_named() {
    let sandbox = Sandbox::with_project();
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_context-pack"));
    command.env("TMPDIR", "/nonexistent").args(["exec", ".", "--", "true"]);
    assert_eq!(
        ran(command).exits(125).stderr,
        "context-pack: cannot write a temporary file in /nonexistent: No such file or directory (os error 2)\n  \
         hint: set TMPDIR to a folder that can be written and has room\n"
    );
}

#[test]
fn a_command_killed_by_a_signal_ends_us_by_the_same_signal() {
    let sandbox = Sandbox::with_project();
    assert_eq!(sandbox.run(&["exec", ".", "--", "sh", "-c", "kill -9 $$"]).signal, Some(9));
}

#[test]
fn the_copy_of_a_killed_run_is_removed_by_the_next_and_one_in_use_stays() {
    let sandbox = Sandbox::with_project();
    let temporary = sandbox.home().join("tmp");
    #[expect(clippy::disallowed_methods, reason = "a file of somebody else")]
    std::fs::write(temporary.join("context-pack-exec-notes.md"), "mine").unwrap();
    let go_on = sandbox.file("go-on", "");
    let wait = "echo on; while [ -e go-on ]; do sleep 0.05; done";
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_context-pack"));
    command.args(["exec", ".", "--", "sh", "-c", wait]).stdout(std::process::Stdio::piped());
    let mut running = command.spawn().unwrap();
    let mut said = [0; 3];
    running.stdout.take().unwrap().read_exact(&mut said).unwrap();
    sandbox.run(&["exec", ".", "--", "true"]).exits(0);
    assert_eq!(sandbox.litter(), 2);
    rustix::process::kill_process(Pid::from_child(&running), Signal::USR1).unwrap();
    running.wait().unwrap();
    std::fs::remove_file(go_on).unwrap();
    // Until the command is gone, too, the copy is its stdin.
    let deadline = Instant::now() + Duration::from_secs(20);
    while sandbox.litter() > 1 && Instant::now() < deadline {
        sandbox.run(&["exec", ".", "--", "true"]).exits(0);
    }
    assert_eq!(sandbox.litter(), 1);
    assert!(temporary.join("context-pack-exec-notes.md").exists());
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let sandbox = Sandbox::with_project();
    sandbox.file("src/large.rs", "pub fn f() {}\n".repeat(5000));
    let mut command = sandbox.command("sh");
    let binary = env!("CARGO_BIN_EXE_context-pack");
    command.args(["-c", &format!("'{binary}' . --budget 100000 | head -c 10")]);
    let ran = ran(command).exits(0).says_nothing();
    assert_eq!(ran.stdout.len(), 10);
}

#[test]
fn a_directory_named_like_a_command_is_packed_with_a_dot() {
    let sandbox = Sandbox::new();
    sandbox.file("exec/README.md", "# Exec\n");
    let ran = sandbox.run(&["./exec"]).exits(0);
    assert!(ran.stdout.starts_with("# Exec"), "{}", ran.stdout);
}
