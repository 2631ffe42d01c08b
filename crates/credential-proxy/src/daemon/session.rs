//! One client: its lines in, an answer for each, until it leaves, is slow, or sends garbage.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::answer::{Reply, Session};
use super::pool::Slot;
use super::state::State;
use crate::protocol::{MAX_REQUEST, Request, python_json};

/// How long a client may take for one line, in either direction.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the connection of a client of the first kind stays open after its answer. The original
/// closed at once, and some clients read until then.
const LINGER: Duration = Duration::from_secs(1);

/// Who is at the other end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) uid: u32,
    pub(crate) pid: Option<u32>,
}

/// Serves a client until it is done.
pub(super) fn serve(state: &State, slot: &Slot) -> io::Result<()> {
    let stream = slot.stream();
    let (uid, pid) = common::daemon::peer(stream)?;
    if uid != 0 && uid != rustix::process::geteuid().as_raw() {
        // No word to strangers; root is let in, because systemd fetches credentials as root.
        return Ok(());
    }
    let peer = Peer { uid, pid };
    let mut session = Session::new(peer, state);
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut buffer = Vec::with_capacity(1024);
    let mut lingers = false;
    loop {
        let Some(end) = read_line(stream, &mut buffer, slot)? else { return Ok(()) };
        let (line, is_last) = match end {
            Line::Ends(at) => (buffer.get(..at).unwrap_or_default(), false),
            Line::EndOfInput => (buffer.as_slice(), true),
            Line::TooLong => {
                write_all(stream, b"{\"error\": \"request too long\"}\n")?;
                return Ok(());
            }
        };
        let request = Request::parse(line);
        let speaks_new = request.as_ref().is_ok_and(|request| !request.version.is_null());
        let reply = match request {
            Ok(request) => session.answer(&request),
            Err(answer) => Reply::Line(answer),
        };
        match &reply {
            Reply::Line(answer) => write_line(stream, answer)?,
            Reply::Credential { snapshot, place } => write_all(stream, snapshot.answer(*place))?,
            Reply::Stop(answer) => {
                // Also for a client that did not wait for the answer.
                let written = write_line(stream, answer);
                state.stop();
                return written;
            }
        }
        if is_last {
            return Ok(());
        }
        let done = buffer.iter().position(|byte| *byte == b'\n').map_or(buffer.len(), |at| at + 1);
        buffer.drain(..done);
        if session.holds_tokens() {
            // Somebody's token hangs on this connection for as long as it takes.
            slot.stays();
            stream.set_read_timeout(None)?;
        } else if lingers == speaks_new {
            lingers = !speaks_new;
            stream.set_read_timeout(Some(if lingers { LINGER } else { PATIENCE }))?;
        }
    }
}

enum Line {
    Ends(usize),
    EndOfInput,
    TooLong,
}

/// Reads until the buffer holds a line; `None` when the client is gone or too slow.
fn read_line(
    mut stream: &UnixStream,
    buffer: &mut Vec<u8>,
    slot: &Slot,
) -> io::Result<Option<Line>> {
    let mut started = None;
    let mut searched = 0;
    loop {
        if let Some(at) =
            buffer.get(searched..).and_then(|new| new.iter().position(|byte| *byte == b'\n'))
        {
            return Ok(Some(Line::Ends(searched + at)));
        }
        searched = buffer.len();
        if searched > MAX_REQUEST {
            return Ok(Some(Line::TooLong));
        }
        if searched > 0 {
            // A line that came in pieces has one deadline for all of them.
            let began = *started.get_or_insert_with(Instant::now);
            let Some(left) = PATIENCE.checked_sub(began.elapsed()).filter(|left| !left.is_zero())
            else {
                return Ok(None);
            };
            stream.set_read_timeout(Some(left))?;
        }
        let mut piece = [0_u8; 4096];
        slot.waits();
        let read = stream.read(&mut piece);
        slot.works();
        match read {
            Ok(0) if buffer.is_empty() => return Ok(None),
            Ok(0) => return Ok(Some(Line::EndOfInput)),
            Ok(n_bytes) => buffer.extend_from_slice(piece.get(..n_bytes).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Too slow, or gone.
            Err(_) => return Ok(None),
        }
        if started.is_some() && buffer.contains(&b'\n') {
            stream.set_read_timeout(Some(PATIENCE))?;
        }
    }
}

fn write_line(stream: &UnixStream, answer: &Value) -> io::Result<()> {
    let mut line = python_json(answer);
    line.push('\n');
    write_all(stream, line.as_bytes())
}

/// Writes an answer; a client that does not take it within the time is given up.
fn write_all(mut stream: &UnixStream, mut bytes: &[u8]) -> io::Result<()> {
    let started = Instant::now();
    while !bytes.is_empty() {
        let n_bytes = match stream.write(bytes) {
            Ok(n_bytes) => n_bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(error),
        };
        bytes = bytes.get(n_bytes..).unwrap_or_default();
        if !bytes.is_empty() && started.elapsed() > PATIENCE {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
    Ok(())
}
