//! Whether a server's certificate is believed, by the rules of libpq's `sslmode`.
//!
//! Whatever the mode, the server proves that it has the key of the certificate that it shows: the password
//! exchange can be bound to that certificate.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::certificate::Certificate;

/// The certificates that a server's may come from.
#[derive(Debug)]
pub(super) struct Trust {
    store: RootCertStore,
    certificates: Vec<CertificateDer<'static>>,
}

impl Trust {
    pub(super) fn new(certificates: Vec<CertificateDer<'static>>) -> Self {
        let mut store = RootCertStore::empty();
        // What cannot be an anchor can still be the server's own certificate.
        store.add_parsable_certificates(certificates.iter().cloned());
        Self { store, certificates }
    }
}

/// Checks what the mode asks for.
#[derive(Debug)]
pub(super) struct Verifier {
    algorithms: WebPkiSupportedAlgorithms,
    trust: Option<Trust>,
    checks_name: bool,
}

impl Verifier {
    pub(super) fn new(
        algorithms: WebPkiSupportedAlgorithms,
        trust: Option<Trust>,
        checks_name: bool,
    ) -> Self {
        Self { algorithms, trust, checks_name }
    }

    fn check_name(certificate: &CertificateDer<'_>, name: &ServerName<'_>) -> Result<(), Error> {
        let error = match verify_server_name(&ParsedCertificate::try_from(certificate)?, name) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        // A certificate without alternative names is one of the many that were made by hand, with the name of
        // the host as its common name; libpq takes that.
        let common = Certificate::read(certificate).filter(|read| !read.has_alternative_names);
        match common.and_then(|read| read.common_name) {
            Some(common) if names_match(common, &name.to_str()) => Ok(()),
            _ => Err(error),
        }
    }
}

/// Whether `pattern`, a common name perhaps with a `*` for its first label, is the name of `host`.
fn names_match(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(domain) if domain.contains('.') => host
            .split_once('.')
            .is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(domain)),
        _ => pattern.eq_ignore_ascii_case(host),
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(trust) = &self.trust else { return Ok(ServerCertVerified::assertion()) };
        if trust.certificates.contains(certificate) {
            // The root file has this very certificate, as where a server signed its own: no chain is needed.
            Certificate::read(certificate)
                .ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))?
                .check_time(now)?;
        } else {
            verify_server_cert_signed_by_trust_anchor(
                &ParsedCertificate::try_from(certificate)?,
                &trust.store,
                intermediates,
                now,
                self.algorithms.all,
            )?;
        }
        if self.checks_name {
            Self::check_name(certificate, name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_one_label_and_never_for_a_whole_domain() {
        for (pattern, host) in [
            ("db.example", "DB.example"),
            ("*.a.example", "db.a.example"),
            ("127.0.0.1", "127.0.0.1"),
        ] {
            assert!(names_match(pattern, host), "{pattern} {host}");
        }
        for (pattern, host) in [
            ("db.example", "x.db.example"),
            ("*.a.example", "a.example"),
            ("*.a.example", "x.db.a.example"),
            ("*.example", "a.example"),
            ("*", "host"),
            ("", "host"),
        ] {
            assert!(!names_match(pattern, host), "{pattern} {host}");
        }
    }
}
