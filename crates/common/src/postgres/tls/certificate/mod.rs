//! The few fields of a certificate that rustls does not hand out.
//!
//! It reads DER that a server sent: every length is checked, nothing is believed. Whether a certificate is
//! genuine is decided by [`super::verify`].

use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::{CertificateError, Error};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

const SEQUENCE: u8 = 0x30;
const EXPLICIT_VERSION: u8 = 0xA0;
const EXTENSIONS: u8 = 0xA3;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// UTF8String, PrintableString, IA5String.
const TEXTS: [u8; 3] = [0x0C, 0x13, 0x16];
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1D, 0x11];

/// What is read of a certificate.
pub(super) struct Certificate<'a> {
    signature_algorithm: &'a [u8],
    not_before: i64,
    not_after: i64,
    pub(super) common_name: Option<&'a str>,
    pub(super) has_alternative_names: bool,
}

/// Takes one value after the other from DER.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The tag and the content of the next value.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7F => (usize::from(first), rest),
            // Certificates are shorter than 16 MB; an indefinite length is no DER.
            0x81..=0x83 => {
                let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7F))?;
                (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    /// The content of the next value, which has this tag.
    fn expect(&mut self, expected: u8) -> Option<&'a [u8]> {
        self.next().filter(|(tag, _)| *tag == expected).map(|(_, content)| content)
    }
}

impl<'a> Certificate<'a> {
    pub(super) fn read(der: &'a [u8]) -> Option<Self> {
        let mut outer = Reader(Reader(der).expect(SEQUENCE)?);
        let mut body = Reader(outer.expect(SEQUENCE)?);
        let mut algorithm = Reader(outer.expect(SEQUENCE)?);
        let (_, signature_algorithm) = algorithm.next()?;
        // Version, if it is there; serial number; algorithm; issuer.
        if body.0.first() == Some(&EXPLICIT_VERSION) {
            body.next()?;
        }
        body.next()?;
        body.next()?;
        body.next()?;
        let mut validity = Reader(body.expect(SEQUENCE)?);
        let not_before = time(validity.next()?)?;
        let not_after = time(validity.next()?)?;
        let common_name = common_name(body.expect(SEQUENCE)?);
        let mut has_alternative_names = false;
        while let Some((tag, content)) = body.next() {
            if tag == EXTENSIONS {
                has_alternative_names = has_extension(content, ALTERNATIVE_NAMES);
            }
        }
        Some(Self {
            signature_algorithm,
            not_before,
            not_after,
            common_name,
            has_alternative_names,
        })
    }

    /// Whether it is valid at `now`.
    pub(super) fn check_time(&self, now: UnixTime) -> Result<(), Error> {
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        if now < self.not_before {
            return Err(Error::InvalidCertificate(CertificateError::NotValidYet));
        }
        if now > self.not_after {
            return Err(Error::InvalidCertificate(CertificateError::Expired));
        }
        Ok(())
    }
}

/// Unix seconds.
fn time((tag, content): (u8, &[u8])) -> Option<i64> {
    let text = std::str::from_utf8(content).ok()?;
    let long = match tag {
        GENERALIZED_TIME => text.to_owned(),
        // Two digits of a year: RFC 5280 puts 50 and later into the last century.
        UTC_TIME => format!("{}{text}", if text.get(..2)? < "50" { "20" } else { "19" }),
        _ => return None,
    };
    let time = chrono::NaiveDateTime::parse_from_str(&long, "%Y%m%d%H%M%SZ").ok()?;
    Some(time.and_utc().timestamp())
}

/// The last common name in a subject: a sequence of sets of pairs.
fn common_name(subject: &[u8]) -> Option<&str> {
    let mut sets = Reader(subject);
    let mut found = None;
    while let Some((_, set)) = sets.next() {
        let mut pairs = Reader(set);
        while let Some(pair) = pairs.expect(SEQUENCE) {
            let mut pair = Reader(pair);
            if let (Some((_, COMMON_NAME)), Some((tag, value))) = (pair.next(), pair.next())
                && TEXTS.contains(&tag)
            {
                found = std::str::from_utf8(value).ok();
            }
        }
    }
    found
}

fn has_extension(extensions: &[u8], wanted: &[u8]) -> bool {
    let mut list = Reader(Reader(extensions).expect(SEQUENCE).unwrap_or_default());
    while let Some(extension) = list.expect(SEQUENCE) {
        if Reader(extension).next().is_some_and(|(_, name)| name == wanted) {
            return true;
        }
    }
    false
}

/// The hash of a server's certificate by which a password exchange is bound to it (`tls-server-end-point`,
/// RFC 5929); `None` for signatures that have no hash of their own.
pub(super) fn end_point_hash(der: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let hash = match Certificate::read(der)?.signature_algorithm {
        // RSA with MD5, SHA-1 and SHA-256, ECDSA with SHA-1 and SHA-256: what is weaker counts as SHA-256.
        [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x04 | 0x05 | 0x0B]
        | [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x01]
        | [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02] => Sha256::digest(der).to_vec(),
        [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0C]
        | [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x03] => Sha384::digest(der).to_vec(),
        [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0D]
        | [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x04] => Sha512::digest(der).to_vec(),
        _ => return None,
    };
    Some(hash)
}

#[cfg(test)]
mod tests;
