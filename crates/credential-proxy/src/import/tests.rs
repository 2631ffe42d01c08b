//! Every format as its program writes it, and what comes in broken.

use std::io::Write as _;

use proptest::prelude::*;

use super::*;

fn read_as(text: &str, format: Option<Format>) -> Result<Export, ReadError> {
    read(text.as_bytes(), format, Path::new("export"))
}

fn ok(text: &str) -> Export {
    read_as(text, None).map_err(|error| error.to_string()).unwrap()
}

fn error(text: &str) -> ReadError {
    read_as(text, None).err().unwrap()
}

fn fields(row: &Row) -> Vec<(&str, &str)> {
    row.fields.iter().map(|(name, value)| (name.as_str(), value.expose())).collect()
}

#[test]
fn chrome_rows_come_in_exactly_also_with_bom_crlf_quotes_and_blanks() {
    let text = "\u{feff}name,url,username,password,note\r\n\
        github.com,https://github.com/,me,\" two  spaces \",\"a note\r\nof two lines, \"\"quoted\"\"\"\r\n\
        x.org,https://x.org/,\"a,b\",\"p\"\"w\nend\",\r\n";
    let export = ok(text);
    assert_eq!(export.format, Format::Chrome);
    assert!(export.skipped.is_empty());
    let [first, second] = export.rows.as_slice() else { panic!() };
    assert_eq!(first.password.expose(), " two  spaces ");
    assert_eq!(first.note.expose(), "a note\r\nof two lines, \"quoted\"");
    assert_eq!((second.username.as_str(), second.password.expose()), ("a,b", "p\"w\nend"));
    assert_eq!((first.line, second.line), (2, 4));
}

#[test]
fn older_chrome_exports_without_a_note_and_with_other_names_are_read() {
    assert_eq!(ok("name,url,username,password\na,https://a.com/,u,p\n").rows.len(), 1);
    let legacy = ok("origin_url,username_value,password_value\nhttps://a.com/,u,p\n");
    assert_eq!((legacy.format, legacy.rows[0].username.as_str()), (Format::Chrome, "u"));
    assert_eq!(ok("NAME,URL,UserName,Password\na,https://a.com/,u,p\n").rows.len(), 1);
}

#[test]
fn firefox_safari_keepassxc_lastpass_and_1password_tables_are_told_apart() {
    let firefox = ok(
        "\"url\",\"username\",\"password\",\"httpRealm\",\"formActionOrigin\",\"guid\",\"timeCreated\",\"timeLastUsed\",\"timePasswordChanged\"\r\n\
        \"https://a.com\",\"u\",\"p\",,\"https://a.com\",\"{1}\",\"1767225600000\",\"1\",\"1767225600001\"\r\n",
    );
    assert_eq!(firefox.format, Format::Firefox);
    assert_eq!(firefox.rows[0].created_at, Some(Timestamp(1_767_225_600_000)));
    let safari =
        ok("Title,URL,Username,Password,Notes,OTPAuth\nA,https://a.com/,u,p,n,otpauth://totp/x\n");
    assert_eq!(
        (safari.format, fields(&safari.rows[0])),
        (Format::Safari, vec![("totp", "otpauth://totp/x")])
    );
    let keepassxc = ok(
        "\"Group\",\"Title\",\"Username\",\"Password\",\"URL\",\"Notes\",\"TOTP\",\"Icon\",\"Last Modified\",\"Created\"\n\
        \"Root/Web\",\"A\",\"u\",\"p\",\"https://a.com\",\"\",\"\",\"0\",\"2026-01-01T00:00:00Z\",\"2025-01-01T00:00:00Z\"\n",
    );
    assert_eq!(
        (keepassxc.format, fields(&keepassxc.rows[0])),
        (Format::KeePassXc, vec![("group", "Root/Web")])
    );
    let lastpass =
        ok("url,username,password,extra,name,grouping,fav\nhttps://a.com,u,p,note,A,Work,0\n");
    assert_eq!((lastpass.format, lastpass.rows[0].note.expose()), (Format::LastPass, "note"));
    let new = ok(
        "Title,Url,Username,Password,OTPAuth,Favorite,Archived,Tags,Notes\nA,https://a.com,u,p,,false,false,x,n\n",
    );
    assert_eq!((new.format, fields(&new.rows[0])), (Format::OnePassword, vec![("tags", "x")]));
    let old = ok("title,notes,username,password,url\nA,n,u,p,https://a.com\n");
    assert_eq!(
        (old.format, old.rows[0].urls.clone()),
        (Format::OnePassword, vec!["https://a.com".to_owned()])
    );
}

#[test]
fn bitwarden_tables_keep_fields_of_several_lines_and_list_notes() {
    let export = ok(
        "folder,favorite,type,name,notes,fields,login_uri,login_username,login_password,login_totp\n\
        Work,,login,A,,\"PIN: 1234\nkey: a\nb\",\"https://a.com,https://b.com\",u,p,JBSW\n\
        ,,note,Recipe,secret text,,,,,\n",
    );
    assert_eq!(export.format, Format::Bitwarden);
    assert_eq!(export.rows[0].urls, ["https://a.com", "https://b.com"]);
    assert_eq!(
        fields(&export.rows[0]),
        [("group", "Work"), ("PIN", "1234"), ("key", "a\nb"), ("totp", "JBSW")]
    );
    assert_eq!(export.skipped, [Skipped::at(5, "it is a note without a password")]);
}

#[test]
fn bitwarden_json_is_read_and_an_encrypted_one_refused() {
    let export = ok(r#"{"encrypted":false,"folders":[{"id":"f","name":"Work"}],"items":[
        {"id":"1","folderId":"f","type":1,"name":"A","notes":null,"fields":[{"name":"PIN","value":"1234","type":1}],
         "login":{"uris":[{"match":null,"uri":"https://a.com"}],"username":"u","password":" p ","totp":null}},
        {"id":"2","type":2,"name":"Note","notes":"x","secureNote":{"type":0}}]}"#);
    assert_eq!(export.rows[0].password.expose(), " p ");
    assert_eq!(fields(&export.rows[0]), [("PIN", "1234"), ("group", "Work")]);
    assert_eq!(export.skipped, [Skipped::at(2, "it is no login")]);
    assert_eq!(error(r#"{"encrypted":true,"data":"x"}"#), ReadError::Encrypted);
    assert!(matches!(error(r#"{"encrypted":fal"#), ReadError::Json { .. }));
}

/// A zip archive with one stored or deflated member.
fn zip(name: &str, data: &[u8], is_packed: bool) -> Vec<u8> {
    let packed = if is_packed {
        let mut encoder =
            flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    } else {
        data.to_vec()
    };
    let method: u16 = if is_packed { 8 } else { 0 };
    let sizes = |zip: &mut Vec<u8>| {
        zip.extend(u32::try_from(packed.len()).unwrap().to_le_bytes());
        zip.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        zip.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
        zip.extend([0, 0]);
    };
    let mut zip = b"PK\x03\x04\x14\0\0\0".to_vec();
    zip.extend(method.to_le_bytes());
    zip.extend([0; 8]);
    sizes(&mut zip);
    zip.extend(name.as_bytes());
    zip.extend(&packed);
    let directory = u32::try_from(zip.len()).unwrap();
    zip.extend(b"PK\x01\x02\x14\0\x14\0\0\0");
    zip.extend(method.to_le_bytes());
    zip.extend([0; 8]);
    sizes(&mut zip);
    zip.extend([0; 14]);
    zip.extend(name.as_bytes());
    let size = u32::try_from(zip.len()).unwrap() - directory;
    zip.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    zip.extend(size.to_le_bytes());
    zip.extend(directory.to_le_bytes());
    zip.extend([0, 0]);
    zip
}

const ONE_PUX: &str = r#"{"accounts":[{"attrs":{},"vaults":[{"attrs":{"name":"Private"},"items":[
    {"state":"active","createdAt":1,"updatedAt":2,"overview":{"title":"A","url":"https://a.com","urls":[{"url":"https://a.com"},{"url":"https://b.com"}]},
     "details":{"loginFields":[{"designation":"username","value":"u"},{"designation":"password","value":"p"}],"notesPlain":"n",
       "sections":[{"fields":[{"title":"one-time password","value":{"totp":"otpauth://x"}},{"title":"PIN","value":{"concealed":"1234"}}]}]}},
    {"state":"archived","overview":{"title":"Card"},"details":{}}]}]}]}"#;

#[test]
fn a_1password_archive_is_read_stored_and_deflated() {
    for is_packed in [false, true] {
        let export = read(&zip("export.data", ONE_PUX.as_bytes(), is_packed), None, Path::new("x"))
            .ok()
            .unwrap();
        let [row] = export.rows.as_slice() else { panic!() };
        assert_eq!(
            (row.name.as_str(), row.username.as_str(), row.password.expose()),
            ("A", "u", "p")
        );
        assert_eq!(row.urls, ["https://a.com", "https://b.com"]);
        assert_eq!(fields(row), [("totp", "otpauth://x"), ("PIN", "1234"), ("group", "Private")]);
        assert_eq!(export.skipped, [Skipped::at(2, "it has no password")]);
    }
    let other = read(&zip("x.txt", b"x", true), None, Path::new("x")).err().unwrap();
    assert!(matches!(other, ReadError::Archive(_)));
}

#[test]
fn env_files_have_quotes_comments_exports_and_values_of_several_lines() {
    let text = "# comment\nexport A=plain # tail\nB=\"two words\\n\\\"x\\\"\"\nC='raw \\n # kept'\n\nD=\nE=\"a\nb\"\nF = spaced\nnot an assignment\nG=has#hash\n";
    let export = read_as(text, Some(Format::Env)).ok().unwrap();
    let found: Vec<_> = export
        .rows
        .iter()
        .map(|row| (row.line, row.name.as_str(), row.password.expose()))
        .collect();
    assert_eq!(
        found,
        [
            (2, "A", "plain"),
            (3, "B", "two words\n\"x\""),
            (4, "C", "raw \\n # kept"),
            (7, "E", "a\nb"),
            (9, "F", "spaced"),
            (11, "G", "has#hash"),
        ]
    );
    assert_eq!(
        export.skipped,
        [Skipped::at(6, "it has no value"), Skipped::at(10, "it is no KEY=value"),]
    );
    assert_eq!(
        read_as("A=\"open\nB=x\n", Some(Format::Env)).err(),
        Some(ReadError::OpenQuote { line: 1 })
    );
    assert_eq!(ok("TOKEN=abc\nOTHER=def\n").format, Format::Env);
}

#[test]
fn rows_that_cannot_be_taken_are_listed_by_line_and_lose_nothing_in_silence() {
    let export = ok("name,url,username,password,note\n\
        a,https://a.com/,u,,\n\
        b,https://b.com/,u,p,n,\n\
        c,https://c.com/,u,p,n,more\n\
        d,https://d.com/,u\n\
        \n\
        ,,,,\n");
    assert_eq!(export.rows.len(), 1);
    let lines: Vec<_> = export.skipped.iter().map(|one| (one.line, one.reason)).collect();
    assert_eq!(
        lines,
        [
            (2, "it has no password"),
            (4, "it has more columns than the header"),
            (5, "it has fewer columns than the header"),
        ]
    );
}

#[test]
fn what_is_no_export_is_refused_without_repeating_it() {
    for (text, expect) in [
        ("", ReadError::Empty),
        ("  \n\n", ReadError::Empty),
        ("hunter2,hunter3\n1,2\n", ReadError::UnknownHeader),
        (
            "name,url,username,password,note,password,password,password,password\na,b,c,d,e,f,g,h,i\n",
            ReadError::ColumnTwice("password"),
        ),
        (
            "name,url,username,password\na,https://a.com/,u,\"open\nb,https://b.com/,u,p\n",
            ReadError::OpenQuote { line: 2 },
        ),
        // What the open quote swallowed makes a row of too few cells.
        (
            "name,url,username,password\na,https://a.com/,u,p\nb,\"https://b.com/,u,p\nc,https://c.com/,u,p\n",
            ReadError::OpenQuote { line: 3 },
        ),
        ("{\"a\":1}", ReadError::NotThisFormat("bitwarden")),
    ] {
        let found = error(text);
        assert_eq!(found, expect);
        assert!(!found.to_string().contains("hunter"));
    }
    assert_eq!(
        read_as("url,username,password,guid,timeCreated\n", Some(Format::Chrome)).err(),
        Some(ReadError::NotThisFormat("chrome"))
    );
    let latin =
        read(b"name,url,username,password\na,https://a.com/,u,p\xe4ss\n", None, Path::new("x"));
    assert_eq!(latin.err(), Some(ReadError::NotText { line: 2 }));
}

#[test]
fn columns_that_no_format_knows_are_kept_under_their_names() {
    let export = ok("name,url,username,password,note,API key,Mobile,mobile\n\
        a,https://a.com/,u,p,n,key-1,,+49\n");
    assert_eq!(fields(&export.rows[0]), [("api key", "key-1"), ("mobile", "+49")]);
    let archived = ok("Title,Url,Username,Password,OTPAuth,Favorite,Archived,Tags,Notes\n\
        A,https://a.com,u,p,,true,true,,\n");
    assert_eq!(fields(&archived.rows[0]), [("archived", "true")]);
}

#[test]
fn a_file_that_holds_more_than_a_vault_takes_is_not_to_be_deleted() {
    let passkeys = ok(r#"{"encrypted":false,"items":[{"type":1,"name":"A",
        "login":{"username":"u","password":"p","fido2Credentials":[{"keyValue":"x"}]}}]}"#);
    assert!(passkeys.left.is_some_and(|what| what.contains("passkeys")));
    let none = ok(r#"{"encrypted":false,"items":[{"type":1,"name":"A",
        "login":{"username":"u","password":"p","fido2Credentials":[]}}]}"#);
    assert_eq!(none.left, None);
    let plain = read(&zip("export.data", ONE_PUX.as_bytes(), true), None, Path::new("x"));
    assert_eq!(plain.ok().unwrap().left, None);
}

#[test]
fn values_of_1password_that_are_no_text_are_kept_as_they_were_written() {
    let data = r#"{"accounts":[{"vaults":[{"items":[{"overview":{"title":"A"},
        "details":{"loginFields":[{"designation":"password","value":"p"},{"designation":"","name":"pin","value":"12"}],
          "sections":[{"fields":[{"title":"key","value":{"sshKey":{"privateKey":"x"}}},{"title":"since","value":{"date":5}},
            {"title":"none","value":{"string":null}}]}]}}]}]}]}"#;
    let export =
        read(&zip("export.data", data.as_bytes(), true), None, Path::new("x")).ok().unwrap();
    assert_eq!(
        fields(&export.rows[0]),
        [("pin", "12"), ("key", "{\"privateKey\":\"x\"}"), ("since", "5")]
    );
}

#[test]
fn too_many_rows_and_an_archive_that_unpacks_to_too_much_are_refused() {
    let mut text = "name,url,username,password\n".to_owned();
    text.push_str(&",,u,p\n".repeat(MAX_ROWS + 1));
    assert_eq!(error(&text), ReadError::TooManyRows);
    let bomb = zip("export.data", &vec![b' '; usize::try_from(MAX_FILE).unwrap() + 1], true);
    assert!(bomb.len() < 1_000_000);
    assert_eq!(read(&bomb, None, Path::new("x")).err(), Some(ReadError::TooLarge));
}

#[test]
fn a_nul_in_a_cell_is_kept() {
    let export = ok("name,url,username,password\na,https://a.com/,u,p\0w\n");
    assert_eq!(export.rows[0].password.expose(), "p\0w");
}

proptest! {
    #[test]
    fn no_bytes_panic_a_reader(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        for format in [None, Some(Format::Env), Some(Format::Chrome), Some(Format::Bitwarden)] {
            let _ = read(&bytes, format, Path::new("x"));
        }
        let _ = archive::read(std::io::Cursor::new(&bytes));
        let mut zipped = zip("export.data", ONE_PUX.as_bytes(), true);
        for (place, byte) in bytes.iter().enumerate() {
            let at = (place * 7919 + usize::from(*byte)) % zipped.len();
            zipped[at] ^= byte;
        }
        let _ = archive::read(std::io::Cursor::new(&zipped));
        let _ = archive::read(std::io::Cursor::new(&zipped[..bytes.len().min(zipped.len())]));
    }

    #[test]
    fn any_password_survives_a_chrome_table(password in "[^\u{0}]{1,40}", username in ".{0,20}") {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(["name", "url", "username", "password", "note"]).unwrap();
        writer.write_record(["a", "https://a.com/", &username, &password, ""]).unwrap();
        let text = writer.into_inner().unwrap();
        let export = read(&text, None, Path::new("x")).map_err(|error| error.to_string()).unwrap();
        prop_assert_eq!(export.rows.len(), 1);
        prop_assert_eq!(export.rows[0].password.expose(), password);
        prop_assert_eq!(&export.rows[0].username, &username);
    }
}
