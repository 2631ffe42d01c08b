//! The key of the vault: where it comes from, and how a new one is born.
//!
//! In this order: `--key-command`, a systemd credential, the command that `init --key-command`
//! noted, the key file. A trailing newline and the standard base64 alphabet are read, too.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use common::place;

use crate::error::{BadKey, Error};
use crate::home::{Home, check_private, open_private};
use crate::secret::Secret;

/// The name of the systemd credential below `$CREDENTIALS_DIRECTORY`.
const SYSTEMD_CREDENTIAL: &str = "credential-proxy-key";

/// How long a command may take to print the key: nobody is there who would end one that hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// More than any key; what a command prints beyond it is not read.
const MAX_OUTPUT: usize = 4096;

/// Where the key of the vault comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A file of 44 characters.
    File(PathBuf),
    /// What systemd decrypted for the unit.
    Systemd(PathBuf),
    /// A command that prints the key.
    Command(String),
}

impl Source {
    /// Finds the source of the key. `command` and `credentials` come from the command line and the
    /// environment.
    pub(crate) fn find(
        home: &Home,
        command: Option<&str>,
        credentials: Option<&Path>,
    ) -> Result<Self, Error> {
        if let Some(command) = command {
            return Ok(Self::Command(command.to_owned()));
        }
        if let Some(path) = credentials.map(|folder| folder.join(SYSTEMD_CREDENTIAL))
            && path.exists()
        {
            return Ok(Self::Systemd(path));
        }
        let noted = home.key_command();
        if check_private(&noted)? {
            let mut text = String::new();
            open_private(&noted, false)?
                .read_to_string(&mut text)
                .map_err(common::error::file("read", &noted))?;
            return Ok(Self::Command(text.trim().to_owned()));
        }
        Ok(Self::File(home.key()))
    }

    /// For people: where the key comes from.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::File(path) => place::for_people(path),
            Self::Systemd(path) => format!("systemd credential {}", path.display()),
            Self::Command(_) => "the output of the key command".to_owned(),
        }
    }

    /// For programs: the whole path, or what is said to people.
    pub(crate) fn full(&self) -> String {
        match self {
            Self::File(path) | Self::Systemd(path) => path.display().to_string(),
            Self::Command(_) => self.describe(),
        }
    }

    /// Reads the key; `Ok(None)` when there is no key file.
    pub(crate) fn read(&self) -> Result<Option<Secret>, Error> {
        match self {
            Self::File(path) => {
                if !check_private(path)? {
                    return Ok(None);
                }
                read_key(open_private(path, false)?, path).map(Some)
            }
            Self::Systemd(path) => {
                let file = File::open(path).map_err(common::error::file("open", path))?;
                read_key(file, path).map(Some)
            }
            Self::Command(command) => from_command(command, PATIENCE).map(Some),
        }
    }
}

/// Reads a key file that may end in a newline.
pub(crate) fn read_file(path: &Path) -> Result<Secret, Error> {
    read_key(open_private(path, false)?, path)
}

fn read_key(file: File, path: &Path) -> Result<Secret, Error> {
    let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(128));
    file.take(128).read_to_end(&mut bytes).map_err(common::error::file("read", path))?;
    parse(&bytes).map_err(|problem| Error::BadKey { source_of: place::for_people(path), problem })
}

/// Brings the text of a key into the one form that is used.
pub(crate) fn parse(bytes: &[u8]) -> Result<Secret, BadKey> {
    let text = std::str::from_utf8(bytes).map_err(|_| BadKey::Form)?.trim();
    if text.is_empty() {
        return Err(BadKey::Empty);
    }
    if text.len() != 44 {
        return Err(BadKey::Length { found: text.len() });
    }
    let key = Secret::new(text.replace('+', "-").replace('/', "_"));
    if fernet::Fernet::new(key.expose()).is_none() {
        return Err(BadKey::Form);
    }
    Ok(key)
}

fn from_command(command: &str, patience: Duration) -> Result<Secret, Error> {
    let failed = |problem: String| Error::KeyCommand { problem };
    // In the group of its caller, so that it may ask for a password at the terminal.
    let mut child = Command::new("/bin/sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(|source| failed(source.to_string()))?;
    let (send, printed) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        // What the command left behind may hold the pipe for longer than anybody waits.
        std::thread::spawn(move || {
            let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(MAX_OUTPUT));
            let read = stdout.take(MAX_OUTPUT as u64).read_to_end(&mut bytes);
            let _ = send.send(read.map(|_| bytes));
        });
    }
    let began = Instant::now();
    let printed = printed.recv_timeout(patience);
    let status = loop {
        match child.try_wait().map_err(|source| failed(source.to_string()))? {
            Some(status) => break Some(status),
            None if printed.is_err() || began.elapsed() >= patience => break None,
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    let Some(status) = status else {
        let _ = child.kill();
        let _ = child.wait();
        return Err(failed(format!("it did not end within {} seconds", patience.as_secs())));
    };
    if !status.success() {
        return Err(failed(status.to_string()));
    }
    let Ok(Ok(bytes)) = printed else {
        return Err(failed("its output could not be read to its end".to_owned()));
    };
    parse(&bytes).map_err(|problem| Error::BadKey {
        source_of: "the output of the key command".to_owned(),
        problem,
    })
}

/// Writes a new file that holds the key, whole or not at all; an existing one is never replaced.
pub(crate) fn publish(path: &Path, key: &Secret) -> Result<(), Error> {
    write_new(path, key.expose().as_bytes())
        .map_err(|source| common::error::file("create", path)(source).into())
}

/// Creates `path` 0600 with `content`: a crash leaves the whole file or none.
pub(crate) fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".tmp-").tempfile_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::new_key;
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn keys_are_read_with_a_newline_and_in_either_alphabet_and_nothing_else() {
        let key = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";
        for text in [
            key.to_owned(),
            format!("{key}\n"),
            format!("{key}\r\n"),
            key.replace('_', "/").replace('-', "+"),
        ] {
            assert_eq!(
                parse(text.as_bytes()).map(|key| key.expose().to_owned()),
                Ok(key.to_owned())
            );
        }
        for (text, problem) in [
            ("", BadKey::Empty),
            ("\n", BadKey::Empty),
            ("short", BadKey::Length { found: 5 }),
            (&"!".repeat(44), BadKey::Form),
        ] {
            assert_eq!(parse(text.as_bytes()).map(|_| ()), Err(problem), "{text:?}");
        }
    }

    #[test]
    fn a_new_key_is_private_from_birth_and_never_replaces_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        publish(&path, &new_key()).unwrap();
        let before = std::fs::read(&path).unwrap();
        assert_eq!(before.len(), 44);
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        assert!(publish(&path, &new_key()).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), before);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_command_can_print_the_key_and_its_failure_is_told() {
        let key = new_key();
        let read = Source::Command(format!("echo {}", key.expose())).read().unwrap().unwrap();
        assert!(read.is_same(&key));
        assert!(matches!(
            Source::Command("exit 3".to_owned()).read(),
            Err(Error::KeyCommand { .. })
        ));
        assert!(matches!(Source::Command("true".to_owned()).read(), Err(Error::BadKey { .. })));
    }

    #[test]
    fn a_command_that_hangs_is_ended_and_what_it_leaves_behind_is_not_waited_for() {
        let short = Duration::from_millis(50);
        for command in ["sleep 60; echo x", "echo x; exec sleep 60", "exec >&-; exec sleep 60"] {
            let Err(Error::KeyCommand { problem }) = from_command(command, short) else { panic!() };
            assert!(problem.contains("did not end within"), "{command}: {problem}");
        }
        let left = from_command("sleep 2 & exit 0", short);
        assert!(matches!(left, Err(Error::KeyCommand { .. })));
        let long = from_command("head -c 100000 /dev/zero", Duration::from_secs(30));
        assert!(long.is_err());
    }
}
