//! Which answers of a server pass by themselves, and which leave open what was done.

use std::io;

use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

/// Whether the same statement, sent again later, perhaps to another server, can work.
///
/// So it is when the connection was lost, when the server is starting, stopping, full of connections or out of
/// memory, when it serves as a standby just now, and when another transaction was in the way.
pub fn is_transient(error: &Error) -> bool {
    match error.code() {
        Some(state) => passes(state),
        None => is_lost(error),
    }
}

/// Whether the transaction that `error` ended may have been committed all the same, when `error` came as the
/// answer to its COMMIT.
///
/// A server that refuses a commit says so, and then nothing was done. But a connection that is lost between the
/// two says nothing, and neither does a server that is being stopped, or a pooler in between.
pub fn may_have_committed(error: &Error) -> bool {
    match error.code() {
        Some(state) => {
            let code = state.code();
            code.starts_with("08")
                || code.starts_with("57P")
                || *state == SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN
        }
        None => is_lost(error),
    }
}

/// Whether nothing more will come from this connection, as far as `error` tells.
pub(super) fn is_lost(error: &Error) -> bool {
    use std::error::Error as _;
    // A value that cannot be converted is the program's own mistake.
    error.is_closed()
        || error
            .source()
            .and_then(|source| source.downcast_ref::<io::Error>())
            .is_some_and(is_of_the_wire)
}

/// Whether `error` is about the connection, and not about what came over it.
pub(super) fn is_of_the_wire(error: &io::Error) -> bool {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => false,
        // The client of the protocol has no better kind for an answer that no server gives.
        io::ErrorKind::Other => error.raw_os_error().is_some(),
        _ => true,
    }
}

/// Whether a server that answers with `state` can answer otherwise later.
pub(super) fn passes(state: &SqlState) -> bool {
    let code = state.code();
    match code {
        // Out of disk: as for a file, somebody has to make room.
        "53100" => false,
        // Rules that the statement broke, but through no fault of its own.
        "40001" | "40P01" | "40003" | "55P03" | "55006" | "25006" | "25P03" | "25P04" | "57014" => {
            true
        }
        // 57P05 is an idle session's end; 57P04, a dropped database, is answered by the next attempt to connect.
        _ => code.starts_with("08") || code.starts_with("53") || code.starts_with("57P"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn troubles_of_the_server_pass_and_troubles_of_the_statement_do_not() {
        for code in [
            "08000", "08006", "08P01", "40001", "40P01", "53000", "53200", "53300", "53400",
            "57014", "57P01", "57P02", "57P03", "57P05", "25006", "25P03", "55P03",
        ] {
            assert!(passes(&SqlState::from_code(code)), "{code}");
        }
        for code in
            ["53100", "23505", "42P01", "28P01", "3D000", "22P02", "42501", "58030", "XX001"]
        {
            assert!(!passes(&SqlState::from_code(code)), "{code}");
        }
    }
}
