//! `askpass`: answers the prompts of git, ssh and sudo.

use common::environment;
use common::exit::Exit;

use super::Context;
use crate::address::unescaped;
use crate::cli::AskpassArgs;
use crate::client::Client;
use crate::error::Error;
use crate::git::Description;
use crate::protocol::Mode;
use crate::reference::Wanted;
use crate::service::{self, Origin};

/// What a prompt asks for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    wanted: Wanted,
    field: &'static str,
    /// The protocol that the prompt names; its secret must have been stored for it.
    scheme: Option<String>,
}

pub(super) fn run(args: &AskpassArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let asked = match environment::text("CREDENTIAL_PROXY_ASKPASS") {
        Some(service) => {
            Asked { wanted: Wanted::service(&service), field: "password", scheme: None }
        }
        None => asked(&args.prompt).ok_or_else(|| Error::NotFound {
            names: vec!["what this prompt asks for".to_owned()],
        })?,
    };
    let mut client = context.client()?;
    let wanted = stored(&mut client, asked.wanted);
    if let Some(scheme) = &asked.scheme {
        let (one, _) = client.show(&wanted)?;
        let fits = Description {
            protocol: scheme.clone(),
            host: one
                .urls
                .iter()
                .filter_map(|url| Origin::of(url))
                .find(|origin| service::normal(&origin.host) == service::normal(&wanted.service))
                .map_or_else(|| wanted.service.clone(), |origin| origin.host),
            ..Description::default()
        };
        if !fits.fits(&one) {
            return Err(
                Error::NotFound { names: vec![format!("{scheme}://{}", wanted.service)] }.into()
            );
        }
    }
    let one = client.get(&wanted, Mode::Helper)?;
    let value = one.field(asked.field).unwrap_or_default();
    if value.contains(['\n', '\r', '\0']) {
        return Err(Error::Refused {
            message: "the secret has a line break, which no prompt takes".to_owned(),
            hint: None,
        }
        .into());
    }
    context.out.bytes(value.as_bytes())?;
    context.out.bytes(b"\n")?;
    Ok(Exit::Done)
}

/// The account that the prompt names, or else the one that was stored without a username.
fn stored(client: &mut Client, wanted: Wanted) -> Wanted {
    let nameless = Wanted { username: Some(String::new()), ..wanted.clone() };
    let is_nameless = wanted.username.is_some()
        && matches!(client.show(&wanted), Err(Error::NotFound { .. }))
        && client.show(&nameless).is_ok();
    if is_nameless { nameless } else { wanted }
}

/// Reads the prompts of git, ssh and sudo.
fn asked(prompt: &str) -> Option<Asked> {
    let prompt = prompt.trim().trim_end_matches(':').trim_end();
    for (start, field) in [("Username for '", "username"), ("Password for '", "password")] {
        if let Some(url) = prompt.strip_prefix(start).and_then(|rest| rest.strip_suffix('\'')) {
            let origin = Origin::of(url)?;
            let authority = url.split_once("://")?.1.split('/').next()?;
            let username = authority.rsplit_once('@').map(|(user, _)| unescaped(user));
            let wanted = Wanted { service: origin.host, username, id: None };
            return Some(Asked { wanted, field, scheme: Some(origin.scheme) });
        }
    }
    if let Some(path) =
        prompt.strip_prefix("Enter passphrase for key '").and_then(|rest| rest.strip_suffix('\''))
    {
        return Some(Asked { wanted: Wanted::service(path), field: "password", scheme: None });
    }
    if let Some(path) = prompt.strip_prefix("Enter passphrase for ") {
        return Some(Asked { wanted: Wanted::service(path), field: "password", scheme: None });
    }
    if let Some(user) = prompt.strip_prefix("[sudo] password for ") {
        let wanted =
            Wanted { service: "sudo".to_owned(), username: Some(user.to_owned()), id: None };
        return Some(Asked { wanted, field: "password", scheme: None });
    }
    // OpenSSH: (me@host) Password, or me@host's password
    let account = prompt.strip_suffix("'s password").or_else(|| {
        prompt.strip_prefix('(').and_then(|rest| rest.split_once(')')).map(|(account, _)| account)
    })?;
    let (user, host) = account.rsplit_once('@')?;
    let wanted = Wanted { service: host.to_owned(), username: Some(user.to_owned()), id: None };
    Some(Asked { wanted, field: "password", scheme: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prompts_of_git_ssh_and_sudo_are_understood() {
        let read =
            |prompt| asked(prompt).map(|one| (one.wanted.service, one.wanted.username, one.field));
        let me = |user: &str| Some(user.to_owned());
        for (prompt, expect) in [
            ("Username for 'https://github.com': ", ("github.com", None, "username")),
            (
                "Password for 'https://me%40x.org@github.com:8443': ",
                ("github.com:8443", me("me@x.org"), "password"),
            ),
            (
                "Enter passphrase for key '/home/u/.ssh/id_ed25519': ",
                ("/home/u/.ssh/id_ed25519", None, "password"),
            ),
            ("me@host.example's password: ", ("host.example", me("me"), "password")),
            ("(me@host.example) Password: ", ("host.example", me("me"), "password")),
            ("[sudo] password for me: ", ("sudo", me("me"), "password")),
        ] {
            let (service, username, field) = expect;
            assert_eq!(read(prompt), Some((service.to_owned(), username, field)), "{prompt}");
        }
        assert_eq!(read("What is your favorite color? "), None);
        assert_eq!(read("Password for '"), None);
    }
}
