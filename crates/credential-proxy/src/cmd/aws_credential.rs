//! `aws-credential`: what AWS calls a `credential_process`.

use common::exit::Exit;
use serde_json::json;

use super::Context;
use crate::cli::AwsArgs;
use crate::error::Error;
use crate::protocol::Mode;

/// The names under which people keep the third part of temporary credentials.
const SESSION_TOKEN: [&str; 4] =
    ["session_token", "SessionToken", "aws_session_token", "AWS_SESSION_TOKEN"];

pub(super) fn run(args: &AwsArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let one = context.client()?.get(&args.credential.wanted(), Mode::Helper)?;
    if one.username.is_empty() {
        // SDKs log what stands on stderr, so it names no more than the service.
        return Err(Error::NoField {
            service: one.service,
            field: "username (the access key id)".to_owned(),
        }
        .into());
    }
    let mut document = json!({
        "Version": 1,
        "AccessKeyId": one.username,
        "SecretAccessKey": one.password.expose(),
    });
    if let Some(map) = document.as_object_mut() {
        if let Some(token) = SESSION_TOKEN.iter().find_map(|name| one.field(name)) {
            map.insert("SessionToken".to_owned(), token.into());
        }
        if let Some(at) = one.expires_at {
            map.insert("Expiration".to_owned(), at.to_string().into());
        }
    }
    context.out.json(&document)?;
    Ok(Exit::Done)
}
