//! Secured connections: who is trusted, who we are, and what is refused.
//!
//! The broker is the real one; what it would do about certificates is done by a proxy in front of it.

use std::{path::PathBuf, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rpc_runtime::{Context, RabbitOptions, Transport, TransportErrorKind};
use tests::{World, soon, unique};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
        server::WebPkiClientVerifier,
    },
};

use crate::adder::{AdderServer, Slow, adder};

/// An authority, and the files of those that it has certified.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
}

impl Authority {
    fn new() -> Self {
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

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Certifies a name. Returns certificate and key, as PEM.
    fn certify(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Secures the world's broker under a name. Returns the URL that leads there.
async fn secured(world: &World, authority: &Authority, name: &str, asks: bool) -> String {
    let (certificate, key) = authority.certify(name);
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM");
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM");
    let builder = ServerConfig::builder();
    let builder = if asks {
        let mut trusted = RootCertStore::empty();
        trusted.add(authority.issuer.der().clone()).expect("an authority");
        let verifier = WebPkiClientVerifier::builder(Arc::new(trusted)).build();
        builder.with_client_cert_verifier(verifier.expect("a verifier"))
    } else {
        builder.with_no_client_auth()
    };
    let config = builder.with_single_cert(vec![certificate], key).expect("they fit");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (login, broker, path) = parts(world);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (acceptor, broker) = (acceptor.clone(), broker.clone());
            tokio::spawn(async move {
                let Ok(mut client) = acceptor.accept(client).await else { return };
                let mut broker = TcpStream::connect(broker).await.expect("a broker");
                let _ = tokio::io::copy_bidirectional(&mut client, &mut broker).await;
            });
        }
    });
    format!("amqps://{login}@127.0.0.1:{port}{path}")
}

/// Splits a world's URL: login, address, path.
fn parts(world: &World) -> (String, String, String) {
    let rest = world.url().split("://").nth(1).expect("a URL");
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (login, address) = authority.rsplit_once('@').unwrap_or(("guest:guest", authority));
    (login.to_owned(), address.to_owned(), path.to_owned())
}

/// Serves and calls over a transport.
async fn works(world: &World, transport: Transport) {
    let _server = world.serve(&transport, "h", AdderServer::new(Slow::default())).await;
    let added = world.client::<adder::Api>(&transport).add(&Context::new(), 1, 2).await;
    assert_eq!(added.expect("an answer"), 3);
}

async fn connect(
    url: &str,
    options: RabbitOptions,
) -> Result<Transport, (TransportErrorKind, String)> {
    let connected = soon("an end", Transport::builder(url).rabbit(options).connect()).await;
    connected.map_err(|error| {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(error) = source {
            text += &format!(": {error}");
            source = error.source();
        }
        (error.kind(), text)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_of_a_trusted_authority_is_talked_to_in_secret() {
    let Some(world) = World::rabbit() else { return };
    let authority = Authority::new();
    let url = secured(&world, &authority, "127.0.0.1", false).await;
    let options = RabbitOptions::default().tls_authority(authority.file("ca.pem"));
    works(&world, connect(&url, options).await.expect("trusted")).await;
    // As the original's users write it.
    let file = authority.file("ca.pem");
    let plain = url.replacen("amqps://", "rabbit://", 1);
    let url = format!("{plain}?ssl=true&ssl_ca_file={}", file.display());
    works(&world, Transport::connect(&url).await.expect("trusted")).await;
}

// With `ssl` and without `ssl_ca_file` the original verifies nothing.
#[tokio::test(flavor = "multi_thread")]
async fn bug_27_a_broker_that_nobody_vouches_for_or_of_another_name_is_refused() {
    let Some(world) = World::rabbit() else { return };
    let (authority, other) = (Authority::new(), Authority::new());
    let url = secured(&world, &authority, "127.0.0.1", false).await;
    let options = RabbitOptions::default().tls_authority(other.file("ca.pem"));
    let (kind, text) = connect(&url, options).await.expect_err("nobody vouches for it");
    assert_eq!(kind, TransportErrorKind::Tls, "{text}");
    assert!(text.contains("certificate"), "{text}");
    // A machine need not trust anybody.
    let (_, text) = connect(&url, RabbitOptions::default()).await.expect_err("as above");
    assert!(text.contains("certificate") || text.contains("authority"), "{text}");
    let elsewhere = secured(&world, &authority, "broker.example.org", false).await;
    let options = RabbitOptions::default().tls_authority(authority.file("ca.pem"));
    let (_, text) = connect(&elsewhere, options).await.expect_err("it has another name");
    assert!(text.contains("certificate"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_asks_who_we_are_is_told() {
    let Some(world) = World::rabbit() else { return };
    let authority = Authority::new();
    let url = secured(&world, &authority, "127.0.0.1", true).await;
    let (certificate, key) = authority.certify("service");
    authority.write("service.pem", &certificate);
    authority.write("service.key", &key);
    let options = || RabbitOptions::default().tls_authority(authority.file("ca.pem"));
    assert!(connect(&url, options()).await.is_err(), "we said nothing");
    let options =
        options().tls_identity(authority.file("service.pem"), authority.file("service.key"));
    works(&world, connect(&url, options).await.expect("we said it")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_there_is_named() {
    let Some(world) = World::rabbit() else { return };
    let authority = Authority::new();
    let url = secured(&world, &authority, "127.0.0.1", false).await;
    let options = RabbitOptions::default().tls_authority("/nonesuch/ca.pem");
    let (kind, text) = connect(&url, options).await.expect_err("there is none");
    assert_eq!(kind, TransportErrorKind::Configuration);
    assert!(text.contains("/nonesuch/ca.pem"), "{text}");
}
