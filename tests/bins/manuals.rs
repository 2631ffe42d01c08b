//! Writes the man pages of the four tools into a folder: one page a command, from the parsers themselves.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1).context("usage: manuals FOLDER")?;
    let folder = PathBuf::from(folder);
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot create {}", folder.display()))?;
    for tool in [
        cron_guard::command(),
        agent_state::command(),
        context_pack::command(),
        credential_proxy::command(),
    ] {
        let name = tool.get_name().to_owned();
        clap_mangen::generate_to(tool, &folder)
            .with_context(|| format!("cannot write the man pages of {name}"))?;
    }
    Ok(())
}
