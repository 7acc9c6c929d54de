//! One TLS handshake and its evidence.

use std::{fmt, net::IpAddr, sync::Arc};

use jiff::Timestamp;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, Error,
    pki_types::{CertificateDer, ServerName},
};
use serde::Serialize;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use x509_parser::{
    prelude::{FromDer, GeneralName, X509Certificate},
    public_key::PublicKey,
};

use super::{ConnectError, Stage};
use crate::{
    diagnostic::printable, local_failure::LocalFailure, secret::Redactor, target::Host, trust::common_name,
};

/// What a certificate says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CertificateSummary {
    pub subject: String,
    pub issuer: String,
    /// DNS names and IP addresses of the subjectAltName extension.
    pub names: Vec<String>,
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub not_before: Option<Timestamp>,
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub not_after: Option<Timestamp>,
    /// Kind and bits of its public key: `RSA 2048`, `EC 384`.
    pub key: String,
}

/// The TLS session, or the certificate alone where the handshake failed on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TlsEvidence {
    /// `TLSv1.3`; `None` where the handshake did not finish.
    pub version: Option<String>,
    pub cipher_suite: Option<String>,
    /// As presented, leaf first.
    #[serde(rename = "certificates")]
    pub chain: Vec<CertificateSummary>,
}

/// Why a handshake failed. The certificate presented, if any, is in [`TlsEvidence`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsFailure {
    /// The chain is good, but not for this name.
    WrongName,
    /// A certificate of the chain has expired, at this time.
    Expired(Option<Timestamp>),
    NotYetValid,
    /// The chain does not end in a trust anchor.
    UnknownIssuer,
    /// The type of a key or of a signature is not supported, such as SHA-1 or P-521.
    Unsupported,
    /// Something in the certificate is not as it may be, such as a server's that is marked as an authority's.
    Unacceptable(String),
    /// The server supports neither TLS 1.2 nor 1.3, or no common cipher suite.
    Incompatible(String),
    /// The server closed the connection during the handshake.
    Closed,
    /// The server's response is not TLS.
    NotTls(String),
    Other(String),
}

impl TlsFailure {
    pub(super) fn redacted(self, redactor: &Redactor) -> Self {
        let clean = |text: String| redactor.clean(&text).into_owned();
        match self {
            Self::Unacceptable(why) => Self::Unacceptable(clean(why)),
            Self::Incompatible(why) => Self::Incompatible(clean(why)),
            Self::NotTls(what) => Self::NotTls(clean(what)),
            Self::Other(what) => Self::Other(clean(what)),
            Self::WrongName
            | Self::Expired(_)
            | Self::NotYetValid
            | Self::UnknownIssuer
            | Self::Unsupported
            | Self::Closed => self,
        }
    }
}

impl fmt::Display for TlsFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongName => f.write_str("the certificate is for another name"),
            Self::Expired(_) => f.write_str("the certificate has expired"),
            Self::NotYetValid => f.write_str("the certificate is not yet valid"),
            Self::UnknownIssuer => f.write_str("the certificate's issuer is not trusted"),
            Self::Unsupported => {
                f.write_str("a key or a signature of the certificate chain is of an unsupported type")
            }
            Self::Unacceptable(why) => write!(f, "the certificate is not acceptable: {why}"),
            Self::Incompatible(why) => write!(f, "no TLS version or cipher suite in common ({why})"),
            Self::Closed => f.write_str("the server closed the connection during the TLS handshake"),
            Self::NotTls(what) => write!(f, "the server did not answer with TLS ({what})"),
            Self::Other(what) => f.write_str(what),
        }
    }
}

pub(super) async fn connect(
    stream: TcpStream,
    config: Arc<ClientConfig>,
    name: &Host,
) -> Result<TlsStream<TcpStream>, ConnectError> {
    let name = ServerName::try_from(name.as_str().to_owned())
        .map_err(|_| ConnectError::Tls(TlsFailure::Other(format!("`{name}` cannot be a TLS server name"))))?;
    TlsConnector::from(config).connect(name, stream).await.map_err(|e| match LocalFailure::of(&e) {
        Some(failure) => ConnectError::Local { stage: Stage::Tls, failure },
        None => ConnectError::Tls(classify(&e)),
    })
}

fn classify(error: &std::io::Error) -> TlsFailure {
    let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return match error.kind() {
            std::io::ErrorKind::UnexpectedEof
            | std::io::ErrorKind::ConnectionReset
            | std::io::ErrorKind::BrokenPipe => TlsFailure::Closed,
            _ => TlsFailure::Other(error.to_string()),
        };
    };
    match error {
        Error::InvalidCertificate(why) => match why {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                TlsFailure::WrongName
            }
            CertificateError::Expired => TlsFailure::Expired(None),
            CertificateError::ExpiredContext { not_after, .. } => {
                let seconds = i64::try_from(not_after.as_secs()).ok();
                TlsFailure::Expired(seconds.and_then(|seconds| Timestamp::from_second(seconds).ok()))
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                TlsFailure::NotYetValid
            }
            CertificateError::UnknownIssuer => TlsFailure::UnknownIssuer,
            CertificateError::UnsupportedSignatureAlgorithmContext { .. } => TlsFailure::Unsupported,
            // Its own text is the bytes of the algorithms. It can be a forgery, so this is not called an unsupported key.
            CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => TlsFailure::Unacceptable(
                "its signature does not fit the key of its issuer: another CA has the name of the issuer, or the key of the \
                 issuer is of an unsupported type"
                    .into(),
            ),
            // A self-signed leaf with the CA flag is refused for that before its issuer is looked up.
            other => TlsFailure::Unacceptable(other.to_string()),
        },
        Error::PeerIncompatible(why) => TlsFailure::Incompatible(format!("{why:?}")),
        Error::AlertReceived(
            alert @ (AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure),
        ) => TlsFailure::Incompatible(format!("alert {alert:?}")),
        Error::InvalidMessage(what) => TlsFailure::NotTls(format!("{what:?}")),
        other => TlsFailure::Other(other.to_string()),
    }
}

/// The evidence: the finished session, or the rejected chain.
pub(super) fn seen(
    stream: Option<&TlsStream<TcpStream>>,
    presented: &[CertificateDer<'_>],
) -> Option<TlsEvidence> {
    let session = stream.map(|s| s.get_ref().1);
    if session.is_none() && presented.is_empty() {
        return None;
    }
    Some(TlsEvidence {
        version: session
            .and_then(|s| s.protocol_version())
            .and_then(|v| v.as_str())
            .map(|v| v.replace('_', ".")),
        cipher_suite: session
            .and_then(|s| s.negotiated_cipher_suite())
            .and_then(|c| c.suite().as_str())
            .map(|name| name.replacen("TLS13_", "TLS_", 1)),
        chain: presented.iter().filter_map(|der| summary(der)).collect(),
    })
}

/// Contents of a certificate, if it can be parsed.
pub(super) fn summary(der: &[u8]) -> Option<CertificateSummary> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let time = |t: x509_parser::time::ASN1Time| Timestamp::from_second(t.timestamp()).ok();
    Some(CertificateSummary {
        subject: common_name(certificate.subject()),
        issuer: common_name(certificate.issuer()),
        names: certificate
            .subject_alternative_name()
            .ok()
            .flatten()
            .map(|san| san.value.general_names.iter().filter_map(general_name).collect())
            .unwrap_or_default(),
        not_before: time(certificate.validity().not_before),
        not_after: time(certificate.validity().not_after),
        key: key(&certificate),
    })
}

fn key(certificate: &X509Certificate<'_>) -> String {
    match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => format!("RSA {}", key.key_size()),
        Ok(PublicKey::EC(point)) => format!("EC {}", point.key_size()),
        _ => format!("algorithm {}", certificate.public_key().algorithm.algorithm),
    }
}

fn general_name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(printable(name)),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|b| IpAddr::from(b).to_string()),
            16 => <[u8; 16]>::try_from(*bytes).ok().map(|b| IpAddr::from(b).to_string()),
            _ => None,
        },
        _ => None,
    }
}
