//! Fields of certificates that openssl made, and bytes that nobody made.

use std::time::Duration;

use proptest::prelude::*;
use rustls::pki_types::pem::PemObject as _;

use super::*;

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

/// `openssl req -new -x509 -nodes -subj /O=example/CN=db.example`, as in PostgreSQL's manual.
fn self_signed() -> CertificateDer<'static> {
    der(include_str!("data/self-signed.pem"))
}

/// The same with SHA-384, another common name and an alternative name.
fn named() -> CertificateDer<'static> {
    der(include_str!("data/named.pem"))
}

#[test]
fn the_fields_are_what_openssl_prints() {
    let certificate = self_signed();
    let read = Certificate::read(&certificate).unwrap();
    assert_eq!(read.common_name, Some("db.example"));
    assert!(!read.has_alternative_names);
    assert_eq!(read.not_before, 1_795_281_724);
    assert_eq!(read.not_after, 1_795_281_724 + 3650 * 86_400);
    let certificate = named();
    let read = Certificate::read(&certificate).unwrap();
    assert_eq!((read.common_name, read.has_alternative_names), (Some("other"), true));
}

#[test]
fn a_certificate_is_valid_between_its_dates() {
    let certificate = self_signed();
    let read = Certificate::read(&certificate).unwrap();
    let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    assert!(read.check_time(at(1_795_281_723)).is_err());
    assert!(read.check_time(at(1_795_281_724)).is_ok());
    assert!(read.check_time(at(1_795_281_725 + 3650 * 86_400)).is_err());
}

#[test]
fn the_hash_is_the_one_of_the_signature() {
    let hex = |hash: Option<Vec<u8>>| {
        hash.unwrap().iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
    };
    assert_eq!(
        hex(end_point_hash(&self_signed())),
        "8696754f3f313114219d3cf215a39999f411b8b42b27a6143e81e8499a072605"
    );
    assert_eq!(
        hex(end_point_hash(&named())),
        "c5b437aa2d55592d13212de50bdc2365e9f57f351ae4644c1b92382a3b64213f6b4db5707ca0c91f91bff45cfbde3629"
    );
}

#[test]
fn a_certificate_cut_short_anywhere_is_refused_quietly() {
    let certificate = named();
    for end in 0..certificate.len() {
        assert!(Certificate::read(&certificate[..end]).is_none(), "{end}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = Certificate::read(&bytes);
    }

    #[test]
    fn no_changed_byte_makes_it_panic(at in 0_usize..400, byte: u8) {
        let mut bytes = named().to_vec();
        let at = at % bytes.len();
        bytes[at] = byte;
        let _ = end_point_hash(&CertificateDer::from(bytes));
    }
}
