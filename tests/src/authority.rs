//! Certificate authorities, the certificates they issue, and a TLS relay in front of a broker.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rpc_runtime::{RabbitOptions, TransportError};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
        server::WebPkiClientVerifier,
    },
};

use crate::unique;

/// A certificate authority, with a folder for its certificate, `ca.pem`, and for what it issues.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
}

/// A certificate and its key, as PEM.
#[derive(Debug)]
pub struct Identity {
    certificate: String,
    key: String,
}

impl Authority {
    /// Creates an authority that no other client trusts.
    ///
    /// # Panics
    /// If its folder cannot be written.
    #[must_use]
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        let folder = std::env::temp_dir().join(unique("tls"));
        std::fs::create_dir(&folder).expect("a folder");
        let authority = Self { issuer, folder };
        authority.write("ca.pem", &authority.issuer.pem());
        authority
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.file(name), text).expect("a file");
    }

    /// Returns the path of a file in this authority's folder.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Returns options that trust this authority only.
    #[must_use]
    pub fn options(&self) -> RabbitOptions {
        RabbitOptions::default().tls_authority(self.file("ca.pem"))
    }

    /// Issues a certificate for a name.
    #[must_use]
    pub fn certify(&self, name: &str) -> Identity {
        Identity::of(Some(self), name, |_| {})
    }

    /// Issues a certificate for a name, and writes `service.pem` and `service.key`.
    pub fn certify_service(&self, name: &str) {
        let Identity { certificate, key } = self.certify(name);
        self.write("service.pem", &certificate);
        self.write("service.key", &key);
    }

    /// Replaces this authority's files by another's.
    ///
    /// # Panics
    /// If the other authority has no `service.pem`.
    pub fn replace_by(&self, other: &Self) {
        for name in ["ca.pem", "service.pem", "service.key"] {
            std::fs::copy(other.file(name), self.file(name)).expect("a file");
        }
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Identity {
    /// Issues a certificate for a name, after `change` has edited its parameters. Without an
    /// authority, the certificate signs itself.
    ///
    /// # Panics
    /// If `name` is not a valid subject name.
    pub fn of(
        authority: Option<&Authority>,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        change(&mut params);
        let certificate = match authority {
            Some(authority) => params.signed_by(&key, &authority.issuer),
            None => params.self_signed(&key),
        };
        Self { certificate: certificate.expect("a certificate").pem(), key: key.serialize_pem() }
    }

    /// Builds a server's TLS configuration. With `asks`, clients need a certificate of that
    /// authority.
    fn server(&self, asks: Option<&Authority>) -> Arc<ServerConfig> {
        let certificate = CertificateDer::from_pem_slice(self.certificate.as_bytes()).expect("PEM");
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("PEM");
        let builder = ServerConfig::builder();
        let builder = match asks {
            Some(authority) => {
                let mut trusted = RootCertStore::empty();
                trusted.add(authority.issuer.der().clone()).expect("an authority");
                let verifier = WebPkiClientVerifier::builder(Arc::new(trusted)).build();
                builder.with_client_cert_verifier(verifier.expect("a verifier"))
            }
            None => builder.with_no_client_auth(),
        };
        Arc::new(builder.with_single_cert(vec![certificate], key).expect("they fit"))
    }
}

/// A relay that adds TLS to a broker.
#[derive(Debug)]
pub struct Front {
    address: String,
    config: Arc<Mutex<Arc<ServerConfig>>>,
}

impl Front {
    /// Listens on a free port, and relays each connection to the broker at `broker`.
    ///
    /// # Panics
    /// If no port is free.
    pub async fn start(broker: &str, identity: &Identity, asks: Option<&Authority>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let config = Arc::new(Mutex::new(identity.server(asks)));
        let (front, broker) = (Self { address, config: Arc::clone(&config) }, broker.to_owned());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let config = config.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let broker = broker.clone();
                tokio::spawn(async move {
                    let Ok(mut client) = TlsAcceptor::from(config).accept(client).await else {
                        return;
                    };
                    let Ok(mut broker) = TcpStream::connect(broker).await else { return };
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut broker).await;
                });
            }
        });
        front
    }

    /// Presents another certificate on connections accepted from now on.
    pub fn become_another(&self, identity: &Identity, asks: Option<&Authority>) {
        *self.config.lock().unwrap_or_else(PoisonError::into_inner) = identity.server(asks);
    }

    /// Returns the relay's address.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }
}

/// Formats an error with all its sources.
#[must_use]
pub fn in_full(error: &TransportError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text += &format!(": {error}");
        source = error.source();
    }
    text
}
