//! Section A: brokers whose certificates are not in order, and ports where nobody speaks TLS.

use std::{sync::Arc, time::Duration};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    date_time_ymd,
};
use rpc_runtime::{RabbitOptions, Transport, TransportErrorKind};
use tests::{eventually, node::Shared, proxy::Proxy, unique};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    },
};

use crate::connecting::{AT_ONCE, fails};

/// An authority, whose certificate is in a file.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    file: std::path::PathBuf,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        let file = std::env::temp_dir().join(unique("ca.pem"));
        std::fs::write(&file, issuer.pem()).expect("a file");
        Self { issuer, file }
    }

    fn options(&self) -> RabbitOptions {
        RabbitOptions::default().tls_authority(&self.file)
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}

/// Listens with a certificate as `change` makes it. Returns the address.
async fn listen(
    broker: &str,
    authority: Option<&Authority>,
    name: &str,
    change: impl FnOnce(&mut CertificateParams),
) -> String {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    change(&mut params);
    let certificate = match authority {
        Some(authority) => params.signed_by(&key, &authority.issuer),
        None => params.self_signed(&key),
    };
    let pem = certificate.expect("a certificate").pem();
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM");
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).expect("PEM");
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![certificate], key).expect("they fit");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let broker = broker.to_owned();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (acceptor, broker) = (acceptor.clone(), broker.clone());
            tokio::spawn(async move {
                let Ok(mut client) = acceptor.accept(client).await else { return };
                let Ok(mut broker) = TcpStream::connect(broker).await else { return };
                let _ = tokio::io::copy_bidirectional(&mut client, &mut broker).await;
            });
        }
    });
    address
}

fn address(shared: &Shared) -> String {
    let rest = shared.node.url().rsplit('@').next().unwrap_or_default();
    rest.trim_end_matches('/').to_owned()
}

/// Connects by TLS, and returns why not, with all that caused it.
async fn refused(address: &str, options: RabbitOptions) -> String {
    let url = format!("amqps://guest:guest@{address}/");
    let begun = std::time::Instant::now();
    let connected = tests::soon("an end", Transport::builder(&url).rabbit(options).connect()).await;
    let error = connected.expect_err("such a certificate is not in order");
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
    assert_eq!(error.kind(), TransportErrorKind::Tls, "{error:?}");
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(error) = source {
        text += &format!(": {error}");
        source = error.source();
    }
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_a11_a_certificate_that_is_not_in_order_is_refused_and_the_reason_said() {
    let Some(shared) = Shared::take().await else { return };
    let broker = address(&shared);
    let (ours, other) = (Authority::new(), Authority::new());
    let good = listen(&broker, Some(&ours), "127.0.0.1", |_| {}).await;
    let url = format!("amqps://guest:guest@{good}/");
    Transport::builder(&url).rabbit(ours.options()).connect().await.expect("all is in order");

    let expired = |params: &mut CertificateParams| params.not_after = date_time_ymd(2020, 1, 1);
    let to_come = |params: &mut CertificateParams| params.not_before = date_time_ymd(4000, 1, 1);
    let for_clients = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    };
    for (address, says) in [
        (listen(&broker, Some(&ours), "127.0.0.1", expired).await, "xpired"),
        (listen(&broker, Some(&ours), "127.0.0.1", to_come).await, "not valid yet"),
        (listen(&broker, Some(&ours), "broker.example.org", |_| {}).await, "not valid for"),
        (listen(&broker, Some(&other), "127.0.0.1", |_| {}).await, ""),
        (listen(&broker, None, "127.0.0.1", |_| {}).await, ""),
        (listen(&broker, Some(&ours), "127.0.0.1", for_clients).await, "sage"),
    ] {
        let text = refused(&address, ours.options()).await;
        assert!(text.contains("certificate") && text.contains(says), "{says}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_a12_tls_where_nobody_speaks_it_and_none_where_all_do_are_errors_at_once() {
    let Some(shared) = Shared::take().await else { return };
    let ours = Authority::new();
    refused(&address(&shared), ours.options()).await;
    let secured = listen(&address(&shared), Some(&ours), "127.0.0.1", |_| {}).await;
    let (error, took) = fails(&format!("amqp://guest:guest@{secured}/")).await;
    assert_eq!(error.kind(), TransportErrorKind::Unreachable, "{error:?}");
    assert!(took < AT_ONCE, "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_a13_a_handshake_that_never_ends_is_given_up_and_leaves_no_socket() {
    let Some(shared) = Shared::take().await else { return };
    let ours = Authority::new();
    let proxy = Proxy::start(&shared.node.world()).await;
    proxy.hang().await;
    let url = format!("amqps://guest:guest@{}/", proxy.address());
    let connecting = Transport::builder(&url).rabbit(ours.options()).connect();
    let connected = tokio::time::timeout(Duration::from_secs(20), connecting).await;
    let error = connected.expect("in time").expect_err("nobody speaks");
    assert_eq!(error.kind(), TransportErrorKind::Unreachable, "{error:?}");
    eventually("no socket is left", || proxy.present().is_empty()).await;
}
