//! Certificates like those of RDS: the name ends in `rds.amazonaws.com`, and a root of this lab signs it. They are created at
//! every start, so no certificate expires in the repository.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use crate::files;

/// A certificate authority that lives as long as its lab.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

/// What is wrong with a server's certificate, if anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// Valid. Every instance starts with it.
    Good,
    /// Expired yesterday.
    Expired,
    /// Not valid before tomorrow.
    NotYetValid,
    /// Self-signed.
    SelfSigned,
    /// Its name is only in the common name.
    NoSubjectAltName,
    /// Signed by an intermediate CA, whose certificate the server does not send.
    MissingIntermediate,
    /// Signed by an intermediate CA, whose certificate expired yesterday.
    ExpiredIntermediate,
    /// Self-signed and marked as a CA certificate, as `openssl req -x509` creates it.
    SelfSignedAuthority,
}

/// A server's certificate and key, as files.
#[derive(Clone, Debug)]
pub(crate) struct ServerFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl ServerFiles {
    /// The paths to which [`Authority::issue`] writes.
    pub(crate) fn within(folder: &Path) -> Self {
        Self { certificate: folder.join("server.pem"), key: folder.join("server.key") }
    }
}

impl Authority {
    pub(crate) fn new() -> io::Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "pipeprobe lab root");
        valid_for(&mut params, 10 * 365);
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let root = params.self_signed(&key).map_err(io::Error::other)?;
        Ok(Self { pem: root.pem(), issuer: Issuer::new(params, key) })
    }

    /// The trust root, PEM.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// Writes `server.pem` and `server.key` (mode 0600) for that DNS name into `folder`. Overwrites existing files.
    pub(crate) fn issue(&self, host: &str, kind: Certificate, folder: &Path) -> io::Result<ServerFiles> {
        let names = if kind == Certificate::NoSubjectAltName { vec![] } else { vec![host.to_owned()] };
        let mut params = CertificateParams::new(names).map_err(io::Error::other)?;
        params.distinguished_name.push(DnType::CommonName, host);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        valid_for(&mut params, 365);
        let day = Duration::from_hours(24);
        match kind {
            Certificate::Expired => {
                params.not_before = (SystemTime::now() - 2 * day).into();
                params.not_after = (SystemTime::now() - day).into();
            }
            Certificate::NotYetValid => params.not_before = (SystemTime::now() + day).into(),
            Certificate::SelfSignedAuthority => params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained),
            _ => {}
        }
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let pem = match kind {
            Certificate::SelfSigned | Certificate::SelfSignedAuthority => {
                params.self_signed(&key).map_err(io::Error::other)?.pem()
            }
            Certificate::MissingIntermediate | Certificate::ExpiredIntermediate => {
                let (issuer, above) = self.intermediate(kind)?;
                let leaf = params.signed_by(&key, &issuer).map_err(io::Error::other)?.pem();
                if kind == Certificate::MissingIntermediate { leaf } else { leaf + &above }
            }
            _ => {
                params.use_authority_key_identifier_extension = true;
                params.signed_by(&key, &self.issuer).map_err(io::Error::other)?.pem()
            }
        };

        let files = ServerFiles::within(folder);
        files::write(&files.certificate, &pem)?;
        files::write_private(&files.key, &key.serialize_pem())?;
        Ok(files)
    }
}

impl Authority {
    /// An intermediate CA, and its certificate.
    fn intermediate(&self, kind: Certificate) -> io::Result<(Issuer<'static, KeyPair>, String)> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "pipeprobe lab intermediate");
        valid_for(&mut params, 365);
        if kind == Certificate::ExpiredIntermediate {
            let day = Duration::from_hours(24);
            params.not_before = (SystemTime::now() - 2 * day).into();
            params.not_after = (SystemTime::now() - day).into();
        }
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(io::Error::other)?;
        Ok((Issuer::new(params, key), certificate.pem()))
    }
}

/// Starts one hour ago, for clients with a slow clock.
fn valid_for(params: &mut CertificateParams, days: u64) {
    let now = SystemTime::now();
    params.not_before = (now - Duration::from_hours(1)).into();
    params.not_after = (now + Duration::from_secs(days * 24 * 60 * 60)).into();
}
