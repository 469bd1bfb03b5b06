//! TLS: the certificates to trust, and messages about failed handshakes.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use rustls::{AlertDescription, CertificateError, RootCertStore};
use ureq::tls::{PemItem, RootCerts, parse_pem};

use crate::failure::{Failure, Kind};
use crate::token::shown_path;

/// All of Mozilla's certificates are a quarter of a MiB.
const LARGEST: u64 = 16 * 1024 * 1024;

/// The hint for a failure without a more specific one.
pub const IN_BETWEEN: &str = "check the network and the proxy variables: a firewall or a proxy may block TLS";

/// The certificates of a PEM file, which replace the built-in ones.
pub fn read_roots(path: &Path) -> Result<RootCerts, Failure> {
    let name = shown_path(path);
    let bad = |what: &str| Failure::new(Kind::BadSettings, format!("{name} {what}"));
    let wanted = "--cacert expects certificates of authorities in PEM form";
    let mut pem = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LARGEST).read_to_end(&mut pem));
    read.map_err(|error| Failure::new(Kind::InputUnreadable, format!("cannot read {name}")).because(error))?;
    if pem.len() as u64 == LARGEST {
        return Err(bad("is too large to be a certificate file").hint(wanted));
    }
    let pem = pem.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&pem);
    let mut certificates = Vec::new();
    for item in parse_pem(pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|_| bad("is not a PEM file").hint(wanted))? {
            // ureq would ignore certificates that it cannot use.
            RootCertStore::empty()
                .add(certificate.der().to_vec().into())
                .map_err(|_| bad("contains a certificate that cannot be read").hint(wanted))?;
            certificates.push(certificate);
        }
    }
    let contains = |text: &str| pem.windows(text.len()).any(|part| part == text.as_bytes());
    match () {
        () if !certificates.is_empty() => Ok(RootCerts::from(certificates)),
        () if contains("BEGIN TRUSTED CERTIFICATE") => Err(bad("contains only OpenSSL's TRUSTED CERTIFICATE form")
            .hint(format!("convert it: openssl x509 -in {name} -out ca.pem"))),
        () if pem.starts_with(&[0x30, 0x82]) => Err(bad("is in DER form, not in PEM form")
            .hint(format!("convert it: openssl x509 -inform der -in {name} -out ca.pem"))),
        () => Err(bad("contains no certificate").hint(wanted)),
    }
}

/// What went wrong with a handshake, and what to do about it.
pub fn describe(error: &rustls::Error) -> (String, &'static str) {
    const CLOCK: &str = "check the clock of this computer; if it is right, the server needs a new certificate";
    let (message, hint) = match error {
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            // BadSignature: an authority with the same name and another key.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => (
                "the server's certificate was not issued by a trusted authority",
                "--cacert FILE trusts the authority whose certificate is in FILE, such as a company's own; \
                 a certificate that the authority issued for the server is not enough",
            ),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
                "the server's certificate is for another name",
                "check the spelling of the host, and whether a proxy or a portal answers in its place",
            ),
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                ("the server's certificate has expired", CLOCK)
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                ("the server's certificate is not valid yet", CLOCK)
            }
            // webpki's own errors are texts.
            CertificateError::Other(other) if other.to_string() == "CaUsedAsEndEntity" => (
                "the server's certificate is a certificate authority's, which a server must not use",
                "give the server a certificate that is not marked as an authority's (basicConstraints=CA:FALSE)",
            ),
            _ => ("the server's certificate cannot be used", "the server needs another certificate"),
        },
        rustls::Error::PeerIncompatible(_)
        | rustls::Error::AlertReceived(
            AlertDescription::ProtocolVersion
            | AlertDescription::HandshakeFailure
            | AlertDescription::InsufficientSecurity,
        ) => (
            "the server and this program have no TLS version or cipher in common",
            "the server must support TLS 1.2 or 1.3",
        ),
        rustls::Error::InvalidMessage(_) => {
            ("the server does not speak TLS", "check the port; a server without TLS is called with http:")
        }
        other => return (other.to_string(), IN_BETWEEN),
    };
    (message.to_owned(), hint)
}
