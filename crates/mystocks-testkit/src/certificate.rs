//! Certificates of a TLS server that nobody but its own test trusts.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// The files of one certificate authority and the server certificate it signed.
#[derive(Debug)]
pub(crate) struct Certificates {
    pub(crate) authority: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Certificates {
    /// Makes an authority and a certificate for `localhost` and `127.0.0.1` and writes them as PEM files into `folder`.
    pub(crate) fn write(folder: &Path) -> Self {
        let authority_key = KeyPair::generate().expect("authority key");
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        authority.distinguished_name.push(DnType::CommonName, "mystocks test authority");
        let authority_pem = authority.self_signed(&authority_key).expect("authority certificate").pem();
        let issuer = Issuer::new(authority, authority_key);

        let key = KeyPair::generate().expect("server key");
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let certificate = CertificateParams::new(names)
            .expect("server names")
            .signed_by(&key, &issuer)
            .expect("server certificate");

        let write = |name: &str, text: String| {
            let path = folder.join(name);
            fs::write(&path, text).expect("certificate file");
            path
        };
        Self {
            authority: write("ca.pem", authority_pem),
            certificate: write("server.pem", certificate.pem()),
            key: write("server.key", key.serialize_pem()),
        }
    }
}
