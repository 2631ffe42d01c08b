//! Service files: named sets of parameters in `~/.pg_service.conf`, as libpq reads them.

use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::surroundings::Surroundings;
use super::url::Value;
use super::wrong::ServerError;

/// The parameters of the service `name`, each with the file that it stands in.
///
/// The file of `PGSERVICEFILE`, else the one in the home directory; and when that has no such service, the file
/// of the whole machine.
pub(super) fn find(
    name: &str,
    around: &Surroundings,
) -> Result<Vec<(String, Value, PathBuf)>, ServerError> {
    let mut looked_in = Vec::new();
    let named = around.variable("PGSERVICEFILE").map(PathBuf::from);
    let is_named = named.is_some();
    if let Some(path) = named.or_else(|| around.in_home(".pg_service.conf")) {
        match read(&path) {
            Ok(text) => {
                if let Some(found) = section(&text, name, &path)? {
                    return Ok(with_path(found, &path));
                }
            }
            // A file that nobody named may be absent.
            Err(source) if !is_named && source.kind() == io::ErrorKind::NotFound => {}
            Err(source) => {
                return Err(ServerError::File { what: "the service file", path, source });
            }
        }
        looked_in.push(path);
    }
    let path = around.service_folder().join("pg_service.conf");
    if let Ok(text) = read(&path)
        && let Some(found) = section(&text, name, &path)?
    {
        return Ok(with_path(found, &path));
    }
    looked_in.push(path);
    Err(ServerError::NoService { service: name.to_owned(), looked_in })
}

fn with_path(found: Vec<(String, Value)>, path: &Path) -> Vec<(String, Value, PathBuf)> {
    found.into_iter().map(|(name, value)| (name, value, path.to_path_buf())).collect()
}

fn read(path: &Path) -> io::Result<Zeroizing<String>> {
    // A pipe or a device in the file's place would be waited for without end.
    if std::fs::metadata(path)?.is_file() {
        let bytes = Zeroizing::new(std::fs::read(path)?);
        return Ok(Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned()));
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"))
}

/// The parameters in the section `[name]` of a service file, or `None` where there is no such section.
pub(super) fn section(
    text: &str,
    name: &str,
    path: &Path,
) -> Result<Option<Vec<(String, Value)>>, ServerError> {
    let mut found: Option<Vec<(String, Value)>> = None;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(header) = line.strip_prefix('[') {
            // The next section ends the one that was looked for.
            if found.is_some() {
                break;
            }
            if header.strip_suffix(']') == Some(name) {
                found = Some(Vec::new());
            }
            continue;
        }
        let Some(pairs) = &mut found else { continue };
        let wrong =
            |what| ServerError::ServiceLine { path: path.to_path_buf(), line: index + 1, what };
        if line.starts_with("ldap") {
            return Err(wrong("services are not looked up by LDAP"));
        }
        let (key, value) = line.split_once('=').ok_or_else(|| wrong("it has no ="))?;
        match key {
            "service" => return Err(wrong("a service cannot name another service")),
            _ if super::keyword::find(key).is_none() => return Err(wrong("no such parameter")),
            // The first value of a parameter holds.
            _ if pairs.iter().any(|(known, _)| known == key) => {}
            _ => pairs.push((key.to_owned(), Zeroizing::new(value.to_owned()))),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "what a person would have written")]

    use std::fs;

    use proptest::prelude::*;

    use super::*;

    const FILE: &str = "\
# comment\n\
host=before-any-section\n\
[mydb]\n\
host=somehost\n\
port=5433\n\
  user=admin  \n\
\n\
user=second\n\
options=-c a=b\n\
[other]\n\
host=elsewhere\n";

    fn check(name: &str, expected: Option<&[(&str, &str)]>) {
        let found = section(FILE, name, Path::new("f")).unwrap();
        let found: Option<Vec<_>> = found
            .as_ref()
            .map(|pairs| pairs.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect());
        assert_eq!(found.as_deref(), expected, "{name}");
    }

    #[test]
    fn a_section_ends_at_the_next_and_the_first_value_holds() {
        check(
            "mydb",
            Some(&[
                ("host", "somehost"),
                ("port", "5433"),
                ("user", "admin"),
                ("options", "-c a=b"),
            ]),
        );
        check("other", Some(&[("host", "elsewhere")]));
        check("my", None);
        check("", None);
    }

    #[test]
    fn what_libpq_calls_a_syntax_error_is_one_here_and_has_its_line() {
        for (text, line) in [
            ("[a]\nhost\n", 2),
            ("[a]\n\nnope=1\n", 3),
            ("[a]\nservice=b\n", 2),
            ("[a]\nldap://x\n", 2),
            ("[a]\nhost = x\n", 2),
        ] {
            let error = section(text, "a", Path::new("f")).unwrap_err();
            assert!(
                matches!(error, ServerError::ServiceLine { line: found, .. } if found == line),
                "{text:?}: {error}"
            );
        }
        // Another section's mistakes are none of ours.
        assert!(section("[b]\nnope\n[a]\nhost=x\n", "a", Path::new("f")).unwrap().is_some());
    }

    #[test]
    fn the_home_comes_before_the_machine_and_an_absent_service_names_both_files() {
        let home = tempfile::tempdir().unwrap();
        let around = Surroundings::for_test(home.path(), &[]);
        fs::create_dir(home.path().join("etc")).unwrap();
        fs::write(home.path().join("etc/pg_service.conf"), "[a]\nhost=machine\n[b]\nhost=b\n")
            .unwrap();
        assert_eq!(find("a", &around).unwrap()[0].1.as_str(), "machine");
        fs::write(home.path().join(".pg_service.conf"), "[a]\nhost=mine\n").unwrap();
        assert_eq!(find("a", &around).unwrap()[0].1.as_str(), "mine");
        assert_eq!(find("b", &around).unwrap()[0].1.as_str(), "b");
        let error = find("c", &around).unwrap_err().to_string();
        assert!(error.contains(".pg_service.conf or ") && error.contains("etc/"), "{error}");
    }

    #[test]
    fn a_file_that_was_named_must_be_there() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("absent").display().to_string();
        let around = Surroundings::for_test(home.path(), &[("PGSERVICEFILE", &path)]);
        assert!(matches!(find("a", &around), Err(ServerError::File { .. })));
        let path = home.path().display().to_string();
        let around = Surroundings::for_test(home.path(), &[("PGSERVICEFILE", &path)]);
        assert!(matches!(find("a", &around), Err(ServerError::File { .. })));
    }

    proptest! {
        #[test]
        fn no_file_makes_it_panic(text in "(\\[a\\]\n)?[\\[\\]a=# \n\\PC]{0,60}") {
            let _ = section(&text, "a", Path::new("f"));
        }
    }
}
