//! Authorities of the tests' own, and what they issue: to servers, and to clients that have to show who they are.
//!
//! Deliberately absent: revocation, chains of more than one authority.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyIdMethod, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm, SigningKey,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use std::fmt::Write as _;
use std::sync::Arc;

/// A key on the curve P-256.
struct Key {
    pair: EcdsaKeyPair,
    pkcs8: Vec<u8>,
}

impl Key {
    fn new() -> Key {
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
        let pkcs8 = pkcs8.as_ref().to_vec();
        Key { pair: EcdsaKeyPair::from_pkcs8(algorithm, &pkcs8).unwrap(), pkcs8 }
    }
}

impl PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl SigningKey for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature = self.pair.sign(&SystemRandom::new(), message);
        signature.map(|bytes| bytes.as_ref().to_vec()).map_err(|_| rcgen::Error::RingUnspecified)
    }
}

pub struct Authority {
    issuer: Issuer<'static, Key>,
    certificate: CertificateDer<'static>,
}

impl Authority {
    pub fn new(name: &str) -> Authority {
        let (key, mut parameters) = (Key::new(), parameters(name, &[]));
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let certificate = parameters.self_signed(&key).unwrap().into();
        Authority { issuer: Issuer::new(parameters, key), certificate }
    }

    /// Its certificate, as a file of authorities holds it.
    pub fn pem(&self) -> String {
        pem("CERTIFICATE", &self.certificate)
    }

    /// For a server of these names.
    pub fn server(&self, names: &[&str]) -> Issued {
        let mut parameters = parameters("a server", names);
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(&parameters)
    }

    /// For a server of these names, at an end since long.
    pub fn expired(&self, names: &[&str]) -> Issued {
        let mut parameters = parameters("a server", names);
        parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2021, 1, 1);
        self.issue(&parameters)
    }

    pub fn client(&self) -> Issued {
        let mut parameters = parameters("a client", &[]);
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(&parameters)
    }

    fn issue(&self, parameters: &CertificateParams) -> Issued {
        let key = Key::new();
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap().into();
        Issued { certificate, pkcs8: key.pkcs8 }
    }
}

/// A server's own work, as many tools make it by default: it is its own authority, and says so.
pub fn self_signed(names: &[&str]) -> Issued {
    let (key, mut parameters) = (Key::new(), parameters("a server", names));
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = parameters.self_signed(&key).unwrap().into();
    Issued { certificate, pkcs8: key.pkcs8 }
}

fn parameters(name: &str, names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut parameters = CertificateParams::new(names).unwrap();
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.serial_number = Some(fastrand::u64(1..).into());
    parameters.key_identifier_method = KeyIdMethod::PreSpecified((0..20).map(|_| fastrand::u8(..)).collect());
    parameters
}

/// A certificate and its key.
pub struct Issued {
    certificate: CertificateDer<'static>,
    pkcs8: Vec<u8>,
}

impl Issued {
    pub fn certificate_pem(&self) -> String {
        pem("CERTIFICATE", &self.certificate)
    }

    pub fn key_pem(&self) -> String {
        pem("PRIVATE KEY", &self.pkcs8)
    }

    /// Both in one file.
    pub fn pem(&self) -> String {
        self.certificate_pem() + &self.key_pem()
    }

    /// How a server is to speak that shows this, and wants to be shown what `clients` issued, if anything.
    pub fn served(
        &self,
        clients: Option<&Authority>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Arc<ServerConfig> {
        let cryptography = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(cryptography.clone());
        let config = config.with_protocol_versions(versions).unwrap();
        let config = match clients {
            None => config.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.certificate.clone()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), cryptography);
                config.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.pkcs8.clone()));
        Arc::new(config.with_single_cert(vec![self.certificate.clone()], key).unwrap())
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        let _ = writeln!(out, "{}", str::from_utf8(line).unwrap());
    }
    out + &format!("-----END {label}-----\n")
}
