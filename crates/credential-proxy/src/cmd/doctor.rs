//! `doctor`: everything that has to be right, looked at once.

use common::exit::Exit;
use common::out::Tone;
use serde_json::{Value, json};

use super::{Context, audit};
use crate::audit::read::{self, Verdict};
use crate::client::SHORT_PATIENCE;
use crate::error::{Error, count};
use crate::home::check_private;
use crate::key::Source;
use crate::launch;

/// How one check went.
struct Check {
    name: &'static str,
    tone: Tone,
    detail: String,
}

/// The checks so far.
#[derive(Default)]
struct Checks(Vec<Check>);

impl Checks {
    fn good(&mut self, name: &'static str, detail: impl Into<String>) {
        self.0.push(Check { name, tone: Tone::Good, detail: detail.into() });
    }

    fn warn(&mut self, name: &'static str, detail: impl Into<String>) {
        self.0.push(Check { name, tone: Tone::Warning, detail: detail.into() });
    }

    fn bad(&mut self, name: &'static str, error: &Error) {
        use common::report::Explain as _;
        let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
        self.0.push(Check { name, tone: Tone::Bad, detail: format!("{error}{hint}") });
    }

    fn take<T>(
        &mut self,
        name: &'static str,
        result: Result<T, Error>,
        good: impl FnOnce(&T) -> String,
    ) -> Option<T> {
        match result {
            Ok(value) => {
                let detail = good(&value);
                self.good(name, detail);
                Some(value)
            }
            Err(error) => {
                self.bad(name, &error);
                None
            }
        }
    }
}

pub(super) fn run(context: &mut Context) -> anyhow::Result<Exit> {
    let mut checks = Checks::default();
    look(context, &mut checks);
    let is_bad = checks.0.iter().any(|check| check.tone == Tone::Bad);
    if context.json {
        let list: Vec<Value> = checks
            .0
            .iter()
            .map(|check| json!({ "check": check.name, "result": word(check.tone), "detail": check.detail }))
            .collect();
        context.out.json(&json!({ "ok": !is_bad, "checks": list }))?;
    } else {
        for check in &checks.0 {
            let word = context.out.paint(check.tone, &format!("{:<4}", word(check.tone)));
            context.out.line(format_args!(
                "{word}  {:<9}  {}",
                check.name,
                common::out::sanitize(&check.detail)
            ))?;
        }
    }
    Ok(if is_bad { Exit::Failed } else { Exit::Done })
}

fn word(tone: Tone) -> &'static str {
    match tone {
        Tone::Bad => "bad",
        Tone::Warning => "warn",
        Tone::Good | Tone::Faint | Tone::Strong => "ok",
    }
}

fn look(context: &Context, checks: &mut Checks) {
    let home = &context.home;
    let shown = common::place::for_people(&home.dir);
    if checks
        .take("directory", home.check(), |()| format!("{shown} is ours and closed to others"))
        .is_none()
    {
        return;
    }
    let missing = || Error::NoKey { vault: home.vault(), key: home.key() };
    let source = checks.take(
        "key",
        context.source().and_then(|source| source.read()?.map(|_| source).ok_or_else(missing)),
        |source| format!("readable, from {}", source.describe()),
    );
    if matches!(source, Some(Source::File(_))) {
        checks.warn(
            "key",
            "it lies beside the vault: whoever gets a copy of both reads everything; see `--key-command` and systemd credentials",
        );
    }
    if check_private(&home.next_key()).unwrap_or(false) {
        checks.warn(
            "key",
            "key.next is left of a rotation that was killed; the next `rotate-key` clears it up",
        );
    }
    vault(context, checks);
    daemon(context, checks);
}

/// The vault, every row of it, and the trail that its key proves.
fn vault(context: &Context, checks: &mut Checks) {
    let vault = checks.take(
        "vault",
        context.vault().and_then(|vault| vault.check_file().map(|()| vault)),
        |_| "sound, and the key opens it".to_owned(),
    );
    let Some(vault) = vault else { return };
    match vault.credentials() {
        Ok(opened) if opened.broken.is_empty() => {
            checks.good(
                "vault",
                format!("{}, every one decrypted", count(opened.rows.len(), "credential")),
            );
        }
        Ok(opened) => checks
            .bad("vault", &Error::Undecryptable { path: context.home.vault(), ids: opened.broken }),
        Err(error) => checks.bad("vault", &error),
    }
    match vault.audit_key().and_then(|key| read::verify(&context.home.audit(), &key)) {
        Ok(Verdict::Sound { n_records, n_lost: 0 }) => {
            checks.good("audit", audit::sound(n_records, 0));
        }
        Ok(Verdict::Sound { n_records, n_lost }) => {
            checks.warn("audit", audit::sound(n_records, n_lost));
        }
        Ok(Verdict::Tampered(problem)) => {
            checks.bad(
                "audit",
                &Error::Audit { path: context.home.audit().folder().to_path_buf(), problem },
            );
        }
        Err(error) => checks.bad("audit", &error),
    }
    for path in context.home.audit().damaged() {
        let problem = format!(
            "an earlier trail was damaged and put aside: {}",
            common::place::for_people(&path)
        );
        let path = context.home.audit().folder().to_path_buf();
        checks.bad("audit", &Error::Audit { path, problem });
    }
}

fn daemon(context: &Context, checks: &mut Checks) {
    let answer = match context.running() {
        Ok(Some(client)) => client.with_patience(SHORT_PATIENCE).ask(json!({ "action": "status" })),
        Ok(None) if launch::holder(&context.home).is_some() => Err(launch::absent(&context.home)),
        Ok(None) => {
            checks.good("daemon", "not running; the next command that needs it starts it");
            return;
        }
        Err(error) => Err(error),
    };
    let Some(answer) = checks.take("daemon", answer, |answer| {
        format!("answers, pid {}", answer.get("pid").map(ToString::to_string).unwrap_or_default())
    }) else {
        return;
    };
    let is = |key: &str| answer.get(key).and_then(Value::as_bool).unwrap_or_default();
    if answer.get("version").and_then(Value::as_str) != Some(env!("CARGO_PKG_VERSION")) {
        checks.warn(
            "daemon",
            "it is of another version; restart it with `credential-proxy stop` and `start`",
        );
    }
    if is("locked") {
        checks.warn("daemon", "the vault is locked; open it with `credential-proxy unlock`");
    } else if is("memory_locked") {
        checks.good("memory", "locked against swap");
    } else {
        checks.warn(
            "memory",
            "not locked against swap; raise the limit with `ulimit -l` or LimitMEMLOCK=",
        );
    }
    if let Some(problem) = answer.get("problem").and_then(Value::as_str) {
        checks.warn("daemon", problem);
    }
}
