//! `env`: credentials for a shell to evaluate, or as one JSON object.

use common::exit::Exit;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::{Context, exec};
use crate::cli::EnvArgs;
use crate::error::Error;
use crate::protocol::Mode;

pub(super) fn run(args: &EnvArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let mut client = context.client()?;
    let values = exec::resolve(&mut client, &args.assignments, Mode::Print)
        .map_err(super::exec::Failure::first_or_not_found)?;
    if context.json {
        let map: Map<String, Value> =
            values.iter().map(|one| (one.variable.clone(), one.value.expose().into())).collect();
        context.out.json(&Value::Object(map))?;
        return Ok(Exit::Done);
    }
    for one in &values {
        let quoted = shlex::try_quote(one.value.expose()).map_err(|_| Error::Refused {
            message: format!(
                "the value for {} has a NUL byte, which no variable can hold",
                one.variable
            ),
            hint: Some("pass it in a file with `credential-proxy exec --file`"),
        })?;
        let line = Zeroizing::new(format!("export {}={quoted}\n", one.variable));
        context.out.bytes(line.as_bytes())?;
    }
    Ok(Exit::Done)
}
