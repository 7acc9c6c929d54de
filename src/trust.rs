//! TLS trust: one crypto provider, the trust anchors, and a verifier that records the certificates that
//! the server presents. Verification cannot be turned off.

mod anchors;

use std::sync::{Arc, Mutex};

use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        Resumption, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use x509_parser::prelude::{FromDer, X509Certificate, X509Name};

pub use anchors::{Anchors, BUNDLE_DATE, RegionalRoots};

use crate::{
    diagnostic::printable,
    target::{CaCertificate, Invalid, Target},
};

/// The one crypto provider. ring starts in no time; aws-lc-rs gathers entropy for 50 ms in every process.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The public web roots, to which AWS endpoints such as STS chain, and what is added to them.
///
/// # Errors
/// If `added` contains no certificate, or an invalid one.
pub fn web_roots(added: Option<&CaCertificate>) -> Result<RootCertStore, Invalid> {
    with(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }, added)
}

/// The trust anchors of a database: `ca_certificate` alone if it is given, otherwise the built-in ones. ClickPipes does the
/// same with the `ca_certificate` of the pipe.
///
/// # Errors
/// If `ca_certificate` contains no certificate, or an invalid one.
pub fn database_roots(target: &Target) -> Result<RootCertStore, Invalid> {
    match &target.ca_certificate {
        Some(ca) => with(RootCertStore::empty(), Some(ca)),
        None => Anchors::of(target).store(),
    }
}

fn with(mut roots: RootCertStore, added: Option<&CaCertificate>) -> Result<RootCertStore, Invalid> {
    if let Some(ca) = added {
        add(&mut roots, ca.pem.as_bytes())?;
    }
    Ok(roots)
}

/// Adds every certificate of a PEM text to the trust anchors.
///
/// # Errors
/// If the text contains no certificate, or one that cannot be read.
fn add(roots: &mut RootCertStore, pem: &[u8]) -> Result<(), Invalid> {
    let wrong = |found: String| {
        Invalid::new("ca_certificate", "certificates in PEM (-----BEGIN CERTIFICATE-----)", found)
    };
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate =
            certificate.map_err(|_| wrong(format!("damaged PEM in certificate {}", count + 1)))?;
        count += 1;
        roots.add(certificate.clone()).map_err(|e| wrong(unusable(count, &certificate, &e)))?;
    }
    if count == 0 { Err(wrong("no certificate".into())) } else { Ok(()) }
}

/// The number and the subject of a certificate that cannot be a trust anchor.
fn unusable(number: usize, der: &[u8], error: &Error) -> String {
    match X509Certificate::from_der(der) {
        Ok((_, certificate)) => {
            let subject = common_name(certificate.subject());
            format!("certificate {number} ({subject}) cannot be a trust anchor: {error}")
        }
        Err(_) => format!("certificate {number} is not an X.509 certificate"),
    }
}

/// The common name of a subject or issuer, or the whole name if it has none.
pub fn common_name(name: &X509Name<'_>) -> String {
    let common = name.iter_common_name().next().and_then(|cn| cn.as_str().ok());
    // Shown before anything of it is believed.
    printable(&common.map_or_else(|| name.to_string(), str::to_owned))
}

/// A client configuration (TLS 1.2 or 1.3, name and chain verified), and the recorder of the presented chain.
///
/// # Errors
/// Only if the roots are empty or the provider lacks the protocol versions: an internal error.
pub fn client_config(
    roots: Arc<RootCertStore>,
) -> Result<(Arc<ClientConfig>, Arc<CapturingVerifier>), Error> {
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider())
        .build()
        .map_err(|e| Error::General(e.to_string()))?;
    let captured = Arc::new(CapturingVerifier { verifier, presented: Mutex::default() });
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .dangerous() // required by rustls for any custom verifier; ours delegates to the rustls verifier
        .with_custom_certificate_verifier(captured.clone())
        .with_no_client_auth();
    // A resumed session would not show the certificate, and the configuration is not kept for another run.
    config.resumption = Resumption::disabled();
    Ok((Arc::new(config), captured))
}

/// rustls' own verifier, which also keeps the chain it was shown, so that a refused certificate is
/// evidence too.
#[derive(Debug)]
pub struct CapturingVerifier {
    verifier: Arc<WebPkiServerVerifier>,
    presented: Mutex<Vec<CertificateDer<'static>>>,
}

impl CapturingVerifier {
    /// The chain of the last handshake, leaf first; empty when none was shown.
    pub fn presented(&self) -> Vec<CertificateDer<'static>> {
        self.presented.lock().map(|chain| chain.clone()).unwrap_or_default()
    }
}

impl ServerCertVerifier for CapturingVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Ok(mut chain) = self.presented.lock() {
            *chain = std::iter::once(leaf).chain(intermediates).map(|c| c.clone().into_owned()).collect();
        }
        self.verifier.verify_server_cert(leaf, intermediates, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;

    fn refused(pem: &str) -> String {
        let error = web_roots(Some(&CaCertificate { pem: pem.into() })).unwrap_err();
        assert_eq!(error.field, "ca_certificate");
        error.found
    }

    fn certificate(name: &str) -> rcgen::Certificate {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap()
    }

    fn armor(der: &[u8]) -> String {
        use base64::Engine;
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
    }

    #[test]
    fn an_unusable_certificate_is_named() {
        assert_eq!(refused("hello"), "no certificate");
        let good = certificate("good").pem();
        assert_eq!(
            refused(&format!("{good}{}", armor(b"hello"))),
            "certificate 2 is not an X.509 certificate"
        );
        assert_eq!(
            refused(&format!("{good}{good}-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n")),
            "damaged PEM in certificate 3"
        );
        // A version that webpki does not read: version 4 (0x03) in place of version 3 (0x02).
        let mut der = certificate("Company CA").der().to_vec();
        let version = der.windows(5).position(|part| part == [0xa0, 3, 2, 1, 2]).unwrap();
        der[version + 4] = 3;
        let found = refused(&format!("{good}{}", armor(&der)));
        assert!(found.starts_with("certificate 2 (Company CA) cannot be a trust anchor: "), "{found}");
    }

    #[test]
    fn certificates_of_the_pipe_replace_the_built_in_roots() {
        use crate::config::tests::read;
        let role = "arn:aws:iam::123456789012:role/r";
        let base = ["--type", "rdsmysql", "--host", "a.b.eu-west-1.rds.amazonaws.com", "--iam-role", role];
        let roots = |more: &[&str]| {
            let target = read(&[&base[..], more].concat()).unwrap().targets.remove(0);
            database_roots(&target).unwrap().len()
        };
        assert!(roots(&[]) > 100);
        assert_eq!(roots(&["--ca-certificate", &certificate("Company CA").pem()]), 1);
    }
}
