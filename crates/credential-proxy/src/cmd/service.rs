//! `service`: what makes systemd or launchd start the daemon.

use std::path::{Path, PathBuf};

use common::exit::Exit;
use common::place;
use serde_json::json;

use super::Context;
use crate::cli::{Manager, ServiceArgs};
use crate::error::Error;

pub(super) fn run(args: &ServiceArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let program = std::env::current_exe().map_err(common::error::file("find", "this program"))?;
    let files = match args.manager {
        Manager::Systemd => systemd(&program, context)?,
        Manager::Launchd => launchd(&program, context)?,
    };
    if !args.install && context.json {
        let list: Vec<_> = files
            .iter()
            .map(|(path, text)| json!({ "path": path.display().to_string(), "text": text }))
            .collect();
        context.out.json(&json!({ "files": list }))?;
        return Ok(Exit::Done);
    }
    if !args.install {
        for (position, (path, text)) in files.iter().enumerate() {
            if files.len() > 1 {
                let gap = if position > 0 { "\n" } else { "" };
                context.out.line(format_args!("{gap}# {}", path.display()))?;
            }
            context.out.bytes(text.as_bytes())?;
        }
        return Ok(Exit::Done);
    }
    for (path, text) in &files {
        let folder = path.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(folder)
            .map_err(common::error::file("create the directory", folder))?;
        common::atomic::write(path, text.as_bytes(), 0o644)?;
    }
    if context.json {
        let paths: Vec<String> = files.iter().map(|(path, _)| path.display().to_string()).collect();
        context.out.json(&json!({ "installed": paths }))?;
        return Ok(Exit::Done);
    }
    for (path, _) in &files {
        context.out.line(format_args!("wrote {}", place::for_people(path)))?;
    }
    context.out.line(match args.manager {
        Manager::Systemd => "Next: systemctl --user daemon-reload && systemctl --user enable --now credential-proxy.socket",
        Manager::Launchd => "Next: launchctl bootstrap gui/$(id -u) ~/Library/LaunchAgents/io.agent-plumbing.credential-proxy.plist",
    })?;
    Ok(Exit::Done)
}

type Files = Vec<(PathBuf, String)>;

fn systemd(program: &Path, context: &Context) -> Result<Files, Error> {
    let folder = place::in_home(".config/systemd/user")?;
    let (program, dir, socket) =
        (unit_word(program)?, unit_word(&context.home.dir)?, unit_path(&context.home.socket())?);
    let service = format!(
        "[Unit]
Description=Serves credentials to unattended jobs
Requires=credential-proxy.socket
After=credential-proxy.socket

[Service]
Type=notify
NotifyAccess=main
ExecStart={program} serve --foreground --home {dir}
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=2
WatchdogSec=30
LimitCORE=0
LimitMEMLOCK=infinity
UMask=0077
NoNewPrivileges=true
# The key can come from here instead of the key file, sealed to this machine:
#LoadCredentialEncrypted=credential-proxy-key

[Install]
WantedBy=default.target
Also=credential-proxy.socket
"
    );
    let socket = format!(
        "[Unit]
Description=Socket of the credential proxy

[Socket]
ListenStream={socket}
SocketMode=0600
DirectoryMode=0700

[Install]
WantedBy=sockets.target
"
    );
    Ok(vec![
        (folder.join("credential-proxy.service"), service),
        (folder.join("credential-proxy.socket"), socket),
    ])
}

/// A path that can stand in a unit file.
fn unit_path(path: &Path) -> Result<String, Error> {
    let text =
        path.to_str().filter(|text| !text.chars().any(char::is_control)).ok_or_else(|| {
            Error::Usage {
                message: format!(
                    "the path {} cannot be written into a unit",
                    path.display().to_string().escape_default()
                ),
            }
        })?;
    Ok(text.replace('%', "%%"))
}

/// A path as one word of a command line in a unit file.
fn unit_word(path: &Path) -> Result<String, Error> {
    let text = unit_path(path)?.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "$$");
    Ok(format!("\"{text}\""))
}

fn launchd(program: &Path, context: &Context) -> Result<Files, Error> {
    let path = place::in_home("Library/LaunchAgents/io.agent-plumbing.credential-proxy.plist")?;
    let (program, dir, log) = (xml(program)?, xml(&context.home.dir)?, xml(&context.home.log())?);
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">
<plist version=\"1.0\">
<dict>
  <key>Label</key>
  <string>io.agent-plumbing.credential-proxy</string>
  <key>ProgramArguments</key>
  <array>
    <string>{program}</string>
    <string>serve</string>
    <string>--foreground</string>
    <string>--home</string>
    <string>{dir}</string>
  </array>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <dict>
    <key>SuccessfulExit</key>
    <false/>
  </dict>
  <key>ProcessType</key>
  <string>Background</string>
  <key>Umask</key>
  <integer>63</integer>
  <key>StandardErrorPath</key>
  <string>{log}</string>
</dict>
</plist>
"
    );
    Ok(vec![(path, text)])
}

fn xml(path: &Path) -> Result<String, Error> {
    let text =
        path.to_str().filter(|text| !text.chars().any(char::is_control)).ok_or_else(|| {
            Error::Usage {
                message: format!(
                    "the path {} cannot be written into a plist",
                    path.display().to_string().escape_default()
                ),
            }
        })?;
    Ok(text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_escaped_for_units_and_plists() {
        assert_eq!(
            unit_word(Path::new("/a b/$x/%h\"")).ok().as_deref(),
            Some("\"/a b/$$x/%%h\\\"\"")
        );
        assert_eq!(xml(Path::new("/a&<b>")).ok().as_deref(), Some("/a&amp;&lt;b&gt;"));
        assert!(unit_path(Path::new("/a\nb")).is_err());
    }
}
