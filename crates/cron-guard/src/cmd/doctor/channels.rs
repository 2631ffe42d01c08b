//! Whether each alert channel can work at all. Nothing is sent: that is what `alert test` is for.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use common::environment;
use rustix::fs::{Access, access};

use crate::alert::{self, channel, webhook};
use crate::settings::Alerts;

pub(super) fn examine(channels: &Alerts, findings: &mut Vec<String>) {
    if alert::configured(channels).is_empty() {
        findings.push(
            "no alert channel is set up; alerts go to a file and to the output that cron mails"
                .to_owned(),
        );
    }
    if let Some(command) = &channels.command {
        match command.argv.first() {
            None => findings.push("alerts.command.argv is empty".to_owned()),
            Some(program) => {
                let path = channel::expand_home(Path::new(program));
                let why = why_not_runnable(&path);
                findings.extend(why.map(|why| format!("the alert command {program} {why}")));
            }
        }
    }
    if let Some(table) = &channels.webhook {
        findings.extend(webhook::obstacle(table));
    }
    if let Some(mail) = &channels.mail {
        let sendmail = mail.sendmail.as_deref().unwrap_or(Path::new(channel::SENDMAIL));
        let why = why_not_runnable(sendmail);
        findings.extend(why.map(|why| format!("mail needs {}, which {why}", sendmail.display())));
        if mail.to.trim().is_empty() {
            findings.push("alerts.mail.to is empty".to_owned());
        }
    }
    let goes_to_file = alert::channels(channels).contains(&"file");
    if goes_to_file
        && let Ok(path) = channel::file_path(channels)
        && let Some(why) = why_not_writable(&path)
    {
        findings.push(format!("the alert file {} {why}", path.display()));
    }
    if let Some(desktop) = &channels.desktop {
        let program = desktop.program.as_deref().unwrap_or(Path::new(channel::NOTIFY));
        let why = why_not_runnable(program);
        findings
            .extend(why.map(|why| format!("the desktop needs {}, which {why}", program.display())));
    }
}

/// Why a program cannot be run from wherever a job runs; `None` when it can.
fn why_not_runnable(program: &Path) -> Option<&'static str> {
    if program.is_absolute() {
        return (!is_program(program)).then_some("cannot be run");
    }
    if program.components().count() > 1 {
        return Some(
            "is relative, and jobs run in other directories; name it by its absolute path",
        );
    }
    // A bare name is looked up when it is run, and cron's own PATH is always short.
    let path = environment::os("PATH").unwrap_or_default();
    let folders =
        std::env::split_paths(&path).chain(std::env::split_paths(OsStr::new("/usr/bin:/bin")));
    let is_found =
        folders.map(|folder: PathBuf| folder.join(program)).any(|file| is_program(&file));
    (!is_found).then_some("is not in PATH")
}

fn is_program(path: &Path) -> bool {
    path.is_file() && access(path, Access::EXEC_OK).is_ok()
}

/// Why no line can be added to a file; `None` when it can, or when its folders are still to be made.
fn why_not_writable(path: &Path) -> Option<&'static str> {
    if path.is_dir() {
        return Some("is a directory");
    }
    let nearest = path.ancestors().find(|place| place.exists())?;
    let is_blocked = nearest != path && !nearest.is_dir();
    (is_blocked || access(nearest, Access::WRITE_OK).is_err()).then_some("cannot be written")
}
