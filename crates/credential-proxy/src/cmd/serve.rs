//! `serve`, `start` and `stop`: the life of the daemon.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use common::exit::Exit;
use common::report::{self, Report};
use common::{environment, place};
use serde_json::{Value, json};

use super::Context;
use crate::cli::ServeArgs;
use crate::client::SHORT_PATIENCE;
use crate::daemon::{self, Surroundings};
use crate::error::{Error, count};
use crate::launch;

/// How long `stop` waits for the daemon to be gone.
const PATIENCE: Duration = Duration::from_secs(15);

pub(super) fn run(args: &ServeArgs, context: &mut Context) -> anyhow::Result<Exit> {
    if args.background {
        return Ok(background(context));
    }
    if !args.foreground {
        return start(context);
    }
    let socket = place::for_people(&context.home.socket());
    daemon::run(&context.home, context.source()?, &surroundings(), |ready| {
        if !ready.is_locked_in_memory {
            report::warn(
                crate::TOOL,
                "the credentials are not locked against swap; raise the limit with `ulimit -l`",
            );
        }
        report_line(&format!("serving {} on {socket}", count(ready.n_credentials, "credential")));
    })?;
    Ok(Exit::Done)
}

fn report_line(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}: {text}", crate::TOOL);
}

/// The daemon of `start`: says on stdout how it went, once, and closes it.
fn background(context: &Context) -> Exit {
    let result = context.source().map_err(anyhow::Error::from).and_then(|source| {
        daemon::run(&context.home, source, &surroundings(), |_| {
            say(&json!({ "ready": true }));
        })
        .map_err(anyhow::Error::from)
    });
    let Err(error) = result else { return Exit::Done };
    let report = Report::of::<Error>(&error);
    let mut answer = report.to_json();
    if let Some(map) = answer.get_mut("error").and_then(Value::as_object_mut) {
        map.insert("exit".to_owned(), report.exit.code().into());
    }
    say(&answer);
    report_line(&report.message);
    report.exit
}

/// Writes one line to whoever started us, who waits for it, and lets go of the pipe.
fn say(answer: &Value) {
    let mut stdout = std::io::stdout();
    let _ = writeln!(stdout, "{answer}").and_then(|()| stdout.flush());
    if let Ok(null) = std::fs::OpenOptions::new().write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdout(&null);
    }
}

fn surroundings() -> Surroundings {
    let number = |name: &str| environment::text(name).and_then(|text| text.parse::<u64>().ok());
    let small = |name: &str| number(name).and_then(|number| u32::try_from(number).ok());
    Surroundings {
        activation: small("LISTEN_PID").zip(small("LISTEN_FDS")),
        notify: environment::os("NOTIFY_SOCKET"),
        watchdog_micros: number("WATCHDOG_USEC"),
    }
}

pub(super) fn start(context: &mut Context) -> anyhow::Result<Exit> {
    let was_running = context.running()?.is_some();
    context.may_start = true;
    let mut client = context.client()?.with_patience(SHORT_PATIENCE);
    let answer = client.ask(json!({ "action": "status" }))?;
    if context.json {
        let document = json!({
            "pid": answer.get("pid"),
            "credentials": answer.get("credentials"),
            "socket": answer.get("socket"),
            "started": !was_running,
        });
        context.out.json(&document)?;
    } else if context.out.is_terminal() {
        // A crontab line that makes sure of the daemon must not send mail each time.
        let word = if was_running { "already running" } else { "started" };
        let number = |key: &str| answer.get(key).and_then(Value::as_u64).unwrap_or_default();
        context.out.line(format_args!(
            "{word}: pid {}, {}",
            number("pid"),
            count(usize::try_from(number("credentials")).unwrap_or(0), "credential")
        ))?;
    }
    Ok(Exit::Done)
}

pub(super) fn stop(context: &mut Context) -> anyhow::Result<Exit> {
    context.home.check()?;
    let (pid, patience) = match context.running()? {
        Some(client) => {
            let pid = client.daemon_pid();
            match client.with_patience(SHORT_PATIENCE).ask(json!({ "action": "stop" })) {
                // The daemon may be gone before its answer is read.
                Ok(_) | Err(Error::Talk { .. } | Error::Protocol) => (pid, PATIENCE),
                // It ends when it comes to itself; a stopped one is not waited for.
                Err(Error::Silent { .. }) => (pid, SHORT_PATIENCE),
                Err(error) => return Err(error.into()),
            }
        }
        // Nobody can talk to it, but a daemon of this home is there.
        None => match launch::holder(&context.home) {
            Some(pid) => {
                launch::end(&context.home, pid)?;
                (Some(pid), PATIENCE)
            }
            None => return Err(Error::NotRunning { socket: context.home.socket() }.into()),
        },
    };
    let socket: PathBuf = context.home.socket();
    let started = Instant::now();
    while launch::holder(&context.home).is_some() {
        if started.elapsed() > patience {
            return Err(Error::StillRunning { pid: pid.unwrap_or_default() }.into());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    if context.json {
        context.out.json(
            &json!({ "stopped": true, "pid": pid, "socket": socket.display().to_string() }),
        )?;
    }
    Ok(Exit::Done)
}
