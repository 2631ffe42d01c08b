//! `context-pack init`: writes a commented settings file, never over another.

use std::io::Write as _;
use std::path::Path;

use common::Exit;
use common::error::file;

use crate::Error;
use crate::settings;

pub(super) fn run() -> anyhow::Result<Exit> {
    let path = Path::new(settings::IN_TREE);
    let created = std::fs::OpenOptions::new().write(true).create_new(true).open(path);
    let mut created = match created {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(Error::SettingsThere { path: path.to_path_buf() }.into());
        }
        other => other.map_err(file("write", path))?,
    };
    created.write_all(settings::TEMPLATE.as_bytes()).map_err(file("write", path))?;
    Ok(Exit::Done)
}
