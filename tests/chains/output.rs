//! Where output goes that nobody can take: a full disk is a failure, a reader who has had enough is none.

use crate::sandbox;

#[test]
fn help_that_cannot_be_printed_is_a_failure_and_a_closed_pipe_is_none() {
    let home = sandbox();
    for tool in ["agent-state", "context-pack", "credential-proxy", "cron-guard"] {
        for flag in ["--help", "--version"] {
            let seen = home.expect(3, &format!("{tool} {flag} > /dev/full"));
            assert!(seen.stderr.contains("cannot write to standard output"), "{seen:?}");
            home.expect(0, &format!("(sleep 0.2; {tool} {flag}; echo $? > code) | true; wait"));
            home.expect(
                0,
                "while ! [ -s code ]; do sleep 0.05; done; read code < code; rm code; exit $code",
            );
        }
    }
}
