//! What the fuzz targets call: one function a target, which panics where a promise is broken.
//!
//! Compiled by cargo-fuzz and for the tests only, and never part of the tool.

#![expect(
    clippy::missing_panics_doc,
    clippy::disallowed_methods,
    reason = "a target panics where a promise is broken, and writes files that nobody keeps"
)]

use std::io::{Cursor, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;

use common::clock::Timestamp;

use crate::credential::Credential;
use crate::daemon::ForFuzzing;
use crate::git::Description;
use crate::home::Home;
use crate::import::plan::{self, Conflicts};
use crate::import::{self, Export, Format};
use crate::mask::{Masker, Patterns, forms_of};
use crate::protocol::Request;
use crate::secret::Secret;

const NOW: Timestamp = Timestamp(1_767_225_600_000);

/// What an answer may hold only when the request asked for it in a mode that gives it.
const SECRET: &str = "f4zz-s3cret";

/// A file that these targets need; without it they test nothing.
fn must<T, E: std::fmt::Debug>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| panic!("the target cannot be set up: {error:?}"))
}

/// Lines of a client: each has one answer, which is one JSON object in one line.
pub fn wire(input: &[u8]) {
    thread_local! {
        static DAEMON: (tempfile::TempDir, ForFuzzing) = daemon();
    }
    // More than the socket holds would wait for a reader that is this very thread.
    let input = input.get(..input.len().min(2048)).unwrap_or_default();
    let lines: Vec<&[u8]> = input.split(|byte| *byte == b'\n').collect();
    let says = |action| {
        lines.iter().any(|line| Request::parse(line).is_ok_and(|one| one.action() == action))
    };
    // This ends the process, as it should.
    if says("stop") {
        return;
    }
    let (client, server) = must(UnixStream::pair());
    must((&client).write_all(input));
    must(client.shutdown(Shutdown::Write));
    DAEMON.with(|(_, daemon)| daemon.serve(server));
    let mut answers = String::new();
    must((&client).read_to_string(&mut answers));
    let n_requests = lines.len() - usize::from(input.is_empty() || input.ends_with(b"\n"));
    assert_eq!(answers.lines().count(), n_requests, "every line has an answer: {answers:?}");
    for answer in answers.lines() {
        let value: serde_json::Value = must(serde_json::from_str(answer));
        assert!(value.is_object() && answer.is_ascii(), "an answer is an object: {answer:?}");
    }
    if !says("get") {
        assert!(!answers.contains(SECRET), "nobody asked for it: {answers:?}");
    }
}

fn daemon() -> (tempfile::TempDir, ForFuzzing) {
    let folder = must(tempfile::tempdir());
    let home = must(Home::new(Some(folder.path().join("home")), None));
    must(ForFuzzing::prepare(&home, [credential("github.com", "me"), credential("a.com", "")]));
    let daemon = must(ForFuzzing::open(home));
    (folder, daemon)
}

fn credential(service: &str, username: &str) -> Credential {
    Credential {
        id: 0,
        service: service.to_owned(),
        username: username.to_owned(),
        urls: vec![format!("https://{service}/")],
        password: Secret::new(SECRET),
        note: Secret::default(),
        fields: Vec::new(),
        expires_at: None,
        created_at: NOW,
        updated_at: NOW,
    }
}

/// What git says: what fits is for exactly that host, and an answer is read back as it was meant.
pub fn git(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Some(asked) = Description::parse(text) else { return };
    let mut one = credential("github.com", "me");
    let fits = asked.fits(&one);
    assert!(!fits || (asked.protocol == "https" && asked.host == "github.com"), "{text:?}");
    one.password = Secret::new(text);
    one.username = asked.username.clone().unwrap_or_default();
    if let Some(answer) = crate::git::answer(&one) {
        let Some(back) = Description::parse(&answer) else { panic!("{answer:?}") };
        assert!(back.password.is_some_and(|password| password.is_same(&one.password)));
        assert_eq!(back.username.unwrap_or_default(), one.username);
        assert!(back.host.is_empty() && back.protocol.is_empty(), "nothing else is said");
    }
}

/// What stands in the place of the secret.
const MARKER: &str = "[redacted:x]";

/// A length, a secret, and a stream that begins with the places of its cuts: whatever is left of the
/// stream holds no form of the secret, and is what it was.
pub fn mask(input: &[u8]) {
    let Some((len, rest)) = input.split_first() else { return };
    let Some((secret, rest)) = rest.split_at_checked(usize::from(*len % 40)) else { return };
    let Some((cuts, stream)) = rest.split_at_checked(4) else { return };
    let Ok(secret) = std::str::from_utf8(secret) else { return };
    let patterns = Patterns::new([("x", secret)]);
    let mut forms = forms_of(secret);
    // A secret that stands in the marker cannot be told from it here.
    let is_in_marker =
        |form: &Vec<u8>| MARKER.as_bytes().windows(form.len()).any(|part| part == form.as_slice());
    if forms.iter().any(is_in_marker) || secret.contains(MARKER) {
        return;
    }
    let mut streams = vec![stream.to_vec()];
    // The stream with each form of the secret in its midst.
    forms.sort();
    for form in &forms {
        let at = stream.len() / 2;
        let (head, tail) = stream.split_at(at);
        streams.push([head, form, tail].concat());
    }
    streams.truncate(1 + usize::from(*len));
    for stream in streams {
        let whole = masked(&patterns, &[stream.as_slice()]);
        let mut pieces = Vec::new();
        let mut left = stream.as_slice();
        for cut in cuts {
            let (piece, rest) = left.split_at(usize::from(*cut).min(left.len()));
            pieces.push(piece);
            left = rest;
        }
        pieces.push(left);
        assert_eq!(masked(&patterns, &pieces), whole, "cuts change nothing");
        let mut at = 0;
        for part in split(&whole, MARKER.as_bytes()) {
            for form in &forms {
                assert!(
                    !part.windows(form.len()).any(|window| window == form.as_slice()),
                    "{:?} is left",
                    String::from_utf8_lossy(form)
                );
            }
            // What is left stands in the stream in the same order.
            let from = stream.get(at..).unwrap_or_default();
            let place = if part.is_empty() {
                Some(0)
            } else {
                from.windows(part.len()).position(|window| window == part)
            };
            let Some(place) = place else { panic!("{part:?} was made up") };
            at += place + part.len();
        }
        if forms.is_empty() {
            assert_eq!(whole, stream, "a secret that is too short is left alone");
        }
    }
}

fn masked(patterns: &Patterns, pieces: &[&[u8]]) -> Vec<u8> {
    let mut masker = Masker::new(patterns);
    let mut out: Vec<u8> = pieces.iter().flat_map(|piece| masker.push(piece)).collect();
    out.extend(masker.finish());
    out
}

fn split<'a>(text: &'a [u8], at: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(place) = rest.windows(at.len()).position(|window| window == at) {
        let (part, tail) = rest.split_at(place);
        parts.push(part);
        rest = tail.get(at.len()..).unwrap_or_default();
    }
    parts.push(rest);
    parts
}

/// A table with the header of a format in front, and a table that holds the input as a password.
fn table(format: Format, header: &str, password: usize, input: &[u8]) {
    let read = |bytes: &[u8]| import::read(bytes, Some(format), Path::new("export.csv"));
    if let Ok(export) = read(&[header.as_bytes(), b"\n", input].concat()) {
        check(&export);
    }
    if let Ok(export) = read(input) {
        check(&export);
    }
    let Ok(text) = std::str::from_utf8(input) else { return };
    let n_columns = header.split(',').count();
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut cells = vec!["login"; n_columns];
    if let Some(cell) = cells.get_mut(password) {
        *cell = text;
    }
    must(writer.write_record(header.split(',')));
    must(writer.write_record(&cells));
    let written = must(writer.into_inner());
    match read(&written) {
        Ok(export) if text.is_empty() => assert_eq!(export.skipped.len(), 1),
        Ok(export) => {
            let [row] = export.rows.as_slice() else { panic!("one row comes in as one row") };
            assert_eq!(row.password.expose(), text, "a password comes in as it is");
            check(&export);
        }
        Err(error) => panic!("a table that was written well is read: {error}"),
    }
}

/// Every row of an export can be stored, and is then found as it was.
fn check(export: &Export) {
    assert!(export.rows.iter().all(|row| !row.password.is_empty()));
    let plan = plan::plan(Vec::new(), &export.rows, Conflicts::KeepBoth, NOW);
    let missing = plan::missing_from(&plan.new, &export.rows);
    let listed: Vec<u64> = plan.skipped.iter().map(|one| one.line).collect();
    assert!(missing.iter().all(|line| listed.contains(line)), "rows {missing:?} are lost");
    assert_eq!(plan.new.len() + plan.n_merged + listed.len(), export.rows.len());
    for one in &plan.new {
        let text = one.to_plain();
        assert!(Credential::from_plain(1, text.expose().as_bytes()).is_some());
    }
}

/// A Chrome export.
pub fn chrome(input: &[u8]) {
    table(Format::Chrome, "name,url,username,password,note", 3, input);
}

/// A Firefox export.
pub fn firefox(input: &[u8]) {
    let header = "url,username,password,httpRealm,formActionOrigin,guid,timeCreated,timeLastUsed,timePasswordChanged";
    table(Format::Firefox, header, 2, input);
}

/// A Safari export.
pub fn safari(input: &[u8]) {
    table(Format::Safari, "Title,URL,Username,Password,Notes,OTPAuth", 3, input);
}

/// A Bitwarden table.
pub fn bitwarden_csv(input: &[u8]) {
    let header =
        "folder,favorite,type,name,notes,fields,login_uri,login_username,login_password,login_totp";
    table(Format::Bitwarden, header, 8, input);
}

/// A 1Password table.
pub fn onepassword_csv(input: &[u8]) {
    let header = "Title,Url,Username,Password,OTPAuth,Favorite,Archived,Tags,Notes";
    table(Format::OnePassword, header, 3, input);
}

/// A KeePassXC table.
pub fn keepassxc(input: &[u8]) {
    let header = "Group,Title,Username,Password,URL,Notes,TOTP,Icon,Last Modified,Created";
    table(Format::KeePassXc, header, 3, input);
}

/// A LastPass table.
pub fn lastpass(input: &[u8]) {
    table(Format::LastPass, "url,username,password,extra,name,grouping,fav", 2, input);
}

/// A Bitwarden document.
pub fn bitwarden_json(input: &[u8]) {
    if let Ok(export) = import::read(input, Some(Format::Bitwarden), Path::new("export.json")) {
        check(&export);
    }
}

/// A 1Password archive: the input itself, and the input as the one member of a sound archive.
pub fn onepux(input: &[u8]) {
    for bytes in [input.to_vec(), archive(input)] {
        if let Ok(export) = import::read_archive(Cursor::new(bytes), None) {
            check(&export);
        }
    }
}

/// A zip archive with one stored member.
fn archive(data: &[u8]) -> Vec<u8> {
    const NAME: &[u8] = b"export.data";
    let len = u32::try_from(data.len()).unwrap_or(u32::MAX).to_le_bytes();
    let entry = [&[0; 10][..], &len, &len, &[11, 0, 0, 0]].concat();
    let mut zip = [b"PK\x03\x04\x14\0\0\0", entry.as_slice(), NAME, data].concat();
    let start = u32::try_from(zip.len()).unwrap_or(u32::MAX).to_le_bytes();
    zip.extend([b"PK\x01\x02\x14\0\x14\0\0\0", entry.as_slice(), &[0; 14], NAME].concat());
    zip.extend([b"PK\x05\x06\0\0\0\0\x01\0\x01\0\0\0\0\0", start.as_slice(), &[0, 0]].concat());
    zip
}

/// A `.env` file.
pub fn env(input: &[u8]) {
    let Ok(export) = import::read(input, Some(Format::Env), Path::new(".env")) else { return };
    check(&export);
}

/// The database of the Python original, with its key beside it.
pub fn hermes(input: &[u8]) {
    thread_local! {
        static FOLDER: tempfile::TempDir = must(tempfile::tempdir());
    }
    FOLDER.with(|folder| {
        must(std::fs::write(folder.path().join("credentials.db"), input));
        let key = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=\n";
        must(std::fs::write(folder.path().join(".master_key"), key));
        if let Ok(export) = import::read_hermes(folder.path()) {
            check(&export);
        }
    });
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    /// How often each seed is changed and tried; cargo-fuzz tries more.
    const N_ROUNDS: u64 = 40;

    /// A generator that gives the same numbers in every run.
    struct Chance(u64);

    impl Chance {
        fn below(&mut self, limit: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            usize::try_from(self.0 % (limit.max(1) as u64)).unwrap_or(0)
        }
    }

    /// One to four small changes: a byte, a piece taken out, doubled or moved, a special character.
    fn changed(seed: &[u8], chance: &mut Chance) -> Vec<u8> {
        const SPECIAL: &[u8] = b"\0\n\r\"',=\\{}[]:#\xff\xef%;";
        let mut bytes = seed.to_vec();
        for _ in 0..=chance.below(4) {
            let at = chance.below(bytes.len() + 1);
            let end = (at + chance.below(24)).min(bytes.len());
            match chance.below(5) {
                0 if at < bytes.len() => bytes[at] ^= 1 << chance.below(8),
                1 => drop(bytes.drain(at..end)),
                2 => {
                    let piece = bytes[at..end].to_vec();
                    let to = chance.below(bytes.len() + 1);
                    bytes.splice(to..to, piece);
                }
                3 => bytes.insert(at, SPECIAL[chance.below(SPECIAL.len())]),
                _ => bytes.truncate(at.max(1)),
            }
        }
        bytes
    }

    fn try_all(name: &str, target: fn(&[u8])) {
        let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "fuzz", "seeds", name].iter().collect();
        let mut chance = Chance(0x9E37_79B9_7F4A_7C15);
        let mut n_seeds = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let seed = std::fs::read(entry.unwrap().path()).unwrap();
            target(&seed);
            for _ in 0..N_ROUNDS {
                target(&changed(&seed, &mut chance));
            }
            n_seeds += 1;
        }
        assert!(n_seeds > 0, "{name} has no seed");
    }

    /// One test a target, so that they run beside each other.
    macro_rules! each {
        ($($target:ident),* $(,)?) => {
            $(
                #[test]
                fn $target() {
                    try_all(stringify!($target), super::$target);
                }
            )*
        };
    }

    each!(
        wire,
        git,
        mask,
        chrome,
        firefox,
        safari,
        bitwarden_csv,
        bitwarden_json,
        onepassword_csv,
        onepux,
        keepassxc,
        lastpass,
        env,
        hermes,
    );
}
