//! Certificates, made anew for each test so that none expires.

use std::sync::Arc;

use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A certificate authority of one test.
pub struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub fn new() -> Authority {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "a test's authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        Authority { certificate, issuer: Issuer::new(params, key) }
    }

    /// The PEM text for `--cacert`.
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// The TLS configuration of a server with this name.
    pub fn server(&self, name: &str) -> Arc<ServerConfig> {
        self.sign(CertificateParams::new([name.to_owned()]).expect("a name"))
    }

    /// The same, with a certificate that expired in 2020.
    pub fn expired_server(&self, name: &str) -> Arc<ServerConfig> {
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
        self.sign(params)
    }

    /// The same, with a certificate that is not valid before 2200.
    pub fn early_server(&self, name: &str) -> Arc<ServerConfig> {
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        params.not_before = date_time_ymd(2200, 1, 1);
        params.not_after = date_time_ymd(2201, 1, 1);
        self.sign(params)
    }

    /// The same, and the PEM text of the certificate.
    pub fn server_with_pem(&self, name: &str) -> (Arc<ServerConfig>, String) {
        self.sign_with_pem(CertificateParams::new([name.to_owned()]).expect("a name"))
    }

    fn sign(&self, params: CertificateParams) -> Arc<ServerConfig> {
        self.sign_with_pem(params).0
    }

    fn sign_with_pem(&self, params: CertificateParams) -> (Arc<ServerConfig>, String) {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (config(&certificate, &key), certificate.pem())
    }
}

/// The TLS configuration of a server with a self-signed certificate, and the PEM text of the certificate.
pub fn self_signed(name: &str, is_ca: IsCa) -> (Arc<ServerConfig>, String) {
    let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
    params.is_ca = is_ca;
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate");
    (config(&certificate, &key), certificate.pem())
}

fn config(certificate: &Certificate, key: &KeyPair) -> Arc<ServerConfig> {
    let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a certificate and its key");
    Arc::new(config)
}
