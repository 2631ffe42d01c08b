//! TLS by rustls with ring: what `sslmode` asks for, as a configuration.
//!
//! Files are read here, when a connection is made. It never talks to a server.

mod certificate;
mod stream;
mod verify;

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, version};

pub(super) use self::stream::Connector;
use self::verify::{Trust, Verifier};
use super::security::{Mode, Roots, Security};
use super::wrong::ServerError;

/// The name that PostgreSQL has for itself where TLS comes first.
const ALPN: &[u8] = b"postgresql";

/// Reads bytes as a certificate, and hashes it.
#[cfg(fuzzing)]
pub(super) fn fuzz(bytes: &[u8]) {
    let _ = certificate::end_point_hash(&CertificateDer::from(bytes));
}

/// What `security` asks of TLS, made ready.
pub(super) fn configure(security: &Security) -> Result<Arc<ClientConfig>, ServerError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Verifier::new(
        provider.signature_verification_algorithms,
        trust(security)?,
        security.mode == Mode::VerifyFull,
    );
    let versions: &[_] =
        if security.only_newest { &[&version::TLS13] } else { &[&version::TLS13, &version::TLS12] };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(|_| ServerError::Contradiction { what: "no version of TLS is left" })?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match identity(security)? {
        Some((chain, key, path)) => builder
            .with_client_auth_cert(chain, key)
            .map_err(|error| unreadable("the certificate", path, error))?,
        None => builder.with_no_client_auth(),
    };
    config.enable_sni = security.names_host;
    if security.is_direct {
        config.alpn_protocols = vec![ALPN.to_vec()];
    }
    // One connection a process: a ticket would be thrown away.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}

/// Whom to trust; `None` where the mode asks for no check and there is no root certificate, as in libpq.
fn trust(security: &Security) -> Result<Option<Trust>, ServerError> {
    let must_verify = security.mode >= Mode::VerifyCa;
    match &security.roots {
        Roots::System => Ok(Some(Trust::new(rustls_native_certs::load_native_certs().certs))),
        Roots::File { path, is_named } => {
            // libpq lets a root certificate that was named and is absent pass in the weaker modes, and then
            // trusts anybody. Whoever names one wants it used.
            if !must_verify && !is_named && !path.exists() {
                return Ok(None);
            }
            let certificates = certificates(path, "the root certificate")?;
            Ok(Some(Trust::new(certificates)))
        }
        Roots::None if must_verify => Err(ServerError::Contradiction {
            what: "sslmode asks to verify the server, and without a home directory sslrootcert has to say by what",
        }),
        Roots::None => Ok(None),
    }
}

fn certificates(
    path: &Path,
    what: &'static str,
) -> Result<Vec<CertificateDer<'static>>, ServerError> {
    let bytes = read(path, what)?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| unreadable(what, path, error))?;
    if certificates.is_empty() {
        return Err(unreadable(what, path, "no certificate in PEM form is in it"));
    }
    Ok(certificates)
}

type Identity<'a> = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>, &'a Path);

/// Our own certificate, when one was named or lies at its place.
fn identity(security: &Security) -> Result<Option<Identity<'_>>, ServerError> {
    use std::os::unix::fs::MetadataExt as _;
    let Some((certificate, key, is_named)) = &security.identity else { return Ok(None) };
    if !is_named && !certificate.exists() {
        return Ok(None);
    }
    let chain = certificates(certificate, "the certificate")?;
    let metadata = std::fs::metadata(key).map_err(|source| ServerError::File {
        what: "the private key",
        path: key.clone(),
        source,
    })?;
    // libpq's rule: private, or of root and readable by a group.
    let allowed = if metadata.uid() == 0 { 0o640 } else { 0o600 };
    if metadata.mode() & 0o777 & !allowed & 0o077 != 0 {
        return Err(unreadable("the private key", key, "others may read it: chmod 600 it"));
    }
    let bytes = zeroize::Zeroizing::new(read(key, "the private key")?);
    let key_der = PrivateKeyDer::from_pem_slice(&bytes)
        .map_err(|error| unreadable("the private key", key, error))?;
    Ok(Some((chain, key_der, certificate)))
}

fn read(path: &Path, what: &'static str) -> Result<Vec<u8>, ServerError> {
    let is_file = std::fs::metadata(path).map(|metadata| metadata.is_file());
    match is_file {
        Ok(true) => std::fs::read(path),
        Ok(false) => return Err(unreadable(what, path, "it is not a regular file")),
        Err(error) => Err(error),
    }
    .map_err(|source| ServerError::File { what, path: path.to_path_buf(), source })
}

fn unreadable(
    what: &'static str,
    path: &Path,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> ServerError {
    let source = std::io::Error::new(std::io::ErrorKind::InvalidData, error);
    ServerError::File { what, path: path.to_path_buf(), source }
}
