//! TLS: whom to trust. `sslmode` means what it means to libpq: `prefer` and `require` encrypt and do not ask who is there,
//! `verify-full` asks for a certificate of that host, signed by one of the trusted.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::PostgresError;

/// Where systems keep the certificates that they trust.
const SYSTEM: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// How much is asked of the server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verification {
    /// Nothing.
    None,
    /// That it is the host's own, and signed by one of the trusted.
    Full,
}

pub(crate) fn connector(
    verification: Verification,
    root_certificates: Option<&Path>,
) -> Result<MakeRustlsConnect, PostgresError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| file(Path::new("TLS"), error.to_string()))?;
    let config = match verification {
        Verification::None => {
            let verifier = Arc::new(Unverified(provider));
            builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
        }
        Verification::Full => builder.with_root_certificates(trusted(root_certificates)?).with_no_client_auth(),
    };
    Ok(MakeRustlsConnect::new(config))
}

fn trusted(given: Option<&Path>) -> Result<RootCertStore, PostgresError> {
    let path = match given {
        Some(path) if path != Path::new("system") => path.to_owned(),
        _ => {
            let named = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
            let found = named.into_iter().chain(SYSTEM.map(PathBuf::from)).find(|path| path.is_file());
            found.ok_or_else(|| file(Path::new(SYSTEM[0]), "no file here or where else systems keep it".to_owned()))?
        }
    };
    let certificates = CertificateDer::pem_file_iter(&path).map_err(|error| file(&path, error.to_string()))?;
    let mut store = RootCertStore::empty();
    for certificate in certificates {
        let certificate = certificate.map_err(|error| file(&path, error.to_string()))?;
        // A system's bundle may hold one that nobody can use any more.
        let _ = store.add(certificate);
    }
    if store.is_empty() { Err(file(&path, "no certificate".to_owned())) } else { Ok(store) }
}

fn file(path: &Path, found: String) -> PostgresError {
    PostgresError::File {
        path: path.display().to_string(),
        expected: "certificates to trust, in PEM",
        found,
        hint: "sslrootcert=FILE in the address names another file",
    }
}

/// Takes any certificate; the connection is still with whoever has its key.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
