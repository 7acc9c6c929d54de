//! TLS trust: one crypto provider, the trust anchors, and a verifier that records the certificates that
//! the server presents. Verification cannot be turned off.

use std::sync::{Arc, Mutex};

use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};

use crate::target::{CaCertificate, Invalid};

/// The RDS roots of the commercial Regions (`Amazon RDS <region> Root CA … G1`), one file of PEM.
const RDS_BUNDLE: &[u8] = include_bytes!("trust/rds-ca-bundle.pem");

/// The one crypto provider. ring starts in no time; aws-lc-rs gathers entropy for 50 ms in every process.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The public web roots, to which STS and RDS Proxy (certificates of AWS Certificate Manager) chain, and
/// what is added to them.
///
/// # Errors
/// If `added` contains no certificate, or an invalid one.
pub fn web_roots(added: Option<&CaCertificate>) -> Result<RootCertStore, Invalid> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(ca) = added {
        add(&mut roots, ca.pem.as_bytes())?;
    }
    Ok(roots)
}

/// Web roots, the embedded RDS roots, and what `ca_certificate` adds.
///
/// # Errors
/// If `ca_certificate` contains no certificate, or an invalid one.
pub fn database_roots(added: Option<&CaCertificate>) -> Result<RootCertStore, Invalid> {
    let mut roots = web_roots(added)?;
    add(&mut roots, RDS_BUNDLE)?;
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
        let certificate = certificate.map_err(|_| wrong(format!("damaged PEM after certificate {count}")))?;
        roots.add(certificate).map_err(|e| wrong(format!("certificate {}: {e}", count + 1)))?;
        count += 1;
    }
    if count == 0 { Err(wrong("no certificate".into())) } else { Ok(()) }
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
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .dangerous() // required by rustls for any custom verifier; ours delegates to the rustls verifier
        .with_custom_certificate_verifier(captured.clone())
        .with_no_client_auth();
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
    use super::*;

    #[test]
    fn every_embedded_rds_root_is_a_trust_anchor() {
        let added = database_roots(None).unwrap().len() - web_roots(None).unwrap().len();
        assert_eq!(added, RDS_BUNDLE.windows(27).filter(|w| w == b"-----BEGIN CERTIFICATE-----").count());
        assert_eq!(added, 86);
    }

    #[test]
    fn the_web_roots_carry_amazons() {
        let roots = web_roots(None).unwrap();
        let amazon =
            roots.roots.iter().filter(|a| a.subject.windows(14).any(|w| w == b"Amazon Root CA")).count();
        assert_eq!(amazon, 4, "RDS Proxy and STS chain to Amazon Root CA 1 to 4");
    }

    #[test]
    fn text_without_a_certificate_is_refused_by_name() {
        let error = database_roots(Some(&CaCertificate { pem: "hello".into() })).unwrap_err();
        assert_eq!((error.field.as_str(), error.found.as_str()), ("ca_certificate", "no certificate"));
    }
}
