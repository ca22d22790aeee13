//! Section A: brokers with invalid certificates, and ports without TLS.

use std::{path::PathBuf, time::Duration};

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, date_time_ymd};
use rpc_runtime::{Login, RabbitOptions, Transport, TransportErrorKind};
use tests::{
    World,
    authority::{Authority, Front, Identity, in_full},
    eventually,
    node::Shared,
    proxy::Proxy,
};

use crate::{
    connecting::{AT_ONCE, fails},
    scene::{AdderServer, Slow, adder, good},
};

/// Listens with a certificate that `change` has edited. Returns the address.
async fn listen(
    broker: &str,
    authority: Option<&Authority>,
    name: &str,
    change: impl FnOnce(&mut CertificateParams),
) -> String {
    let identity = Identity::of(authority, name, change);
    Front::start(broker, &identity, None).await.address().to_owned()
}

fn address(shared: &Shared) -> String {
    let rest = shared.node.url().rsplit('@').next().unwrap_or_default();
    rest.trim_end_matches('/').to_owned()
}

/// Connects with TLS, and returns the error with its sources.
async fn refused(address: &str, options: RabbitOptions) -> String {
    let url = format!("amqps://guest:guest@{address}/");
    let begun = std::time::Instant::now();
    let connected = tests::soon("an end", Transport::builder(&url).rabbit(options).connect()).await;
    let error = connected.expect_err("the certificate is invalid");
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
    assert_eq!(error.kind(), TransportErrorKind::Tls, "{error:?}");
    in_full(&error)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_a11_a_certificate_that_is_not_in_order_is_refused_and_the_reason_said() {
    let Some(shared) = Shared::take().await else { return };
    let broker = address(&shared);
    let (ours, other) = (Authority::new(), Authority::new());
    let good = listen(&broker, Some(&ours), "127.0.0.1", |_| {}).await;
    let url = format!("amqps://guest:guest@{good}/");
    Transport::builder(&url).rabbit(ours.options()).connect().await.expect("it is valid");

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
    let error = connected.expect("in time").expect_err("the broker is silent");
    assert_eq!(error.kind(), TransportErrorKind::Unreachable, "{error:?}");
    eventually("no socket to be left", || proxy.present().is_empty()).await;
}

/// Serves and calls, with these options on all connections.
async fn works(world: &World, options: RabbitOptions) {
    let transport = Transport::builder(world.url()).rabbit(options).connect().await;
    let transport = transport.unwrap_or_else(|error| panic!("{error:?}"));
    let _server = world.serve(&transport, "h", AdderServer::new(Slow::default())).await;
    good(&world.client::<adder::Api>(&transport), 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_with_tls_is_talked_to_by_password_and_by_certificate() {
    let Some(shared) = Shared::take().await else { return };
    let node = &shared.node;
    let (address, folder) = node.secured().await;
    let file = |name: &str| folder.join(name);
    let trusting = || RabbitOptions::default().tls_authority(file("ca.pem"));
    works(&World::at(&format!("amqps://guest:guest@{address}/")), trusting()).await;

    let certified = || {
        let options = trusting().login(Login::External);
        options.tls_identity(file("service.pem"), file("service.key"))
    };
    let world = World::at(&format!("amqps://{address}/"));
    let connected = Transport::builder(world.url()).rabbit(certified()).connect().await;
    let error = connected.expect_err("the broker knows no such user");
    assert_eq!(error.kind(), TransportErrorKind::Refused, "{error:?}");
    node.ctl(&["add_user", "service", "never asked for"]).await;
    node.ctl(&["clear_password", "service"]).await;
    node.ctl(&["set_permissions", "service", ".*", ".*", ".*"]).await;
    works(&world, certified()).await;
    // The same in the original's spelling.
    let text = |name: &str| file(name).display().to_string();
    let query = [
        "ssl=true&rabbit_login_method=EXTERNAL".to_owned(),
        format!("ssl_ca_file={}", text("ca.pem")),
        format!("ssl_cert_file={}", text("service.pem")),
        format!("ssl_key_file={}", text("service.key")),
    ];
    let url = format!("rabbit://{address}/?{}", query.join("&"));
    works(&World::at(&url), RabbitOptions::default()).await;
    node.ctl(&["delete_user", "service"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn renewed_certificates_are_used_when_a_connection_is_made_again() {
    let Some(shared) = Shared::take().await else { return };
    let (old, new) = (Authority::new(), Authority::new());
    for authority in [&old, &new] {
        authority.certify_service("service");
    }
    let proxy = Proxy::start(&shared.node.world()).await;
    let front =
        Front::start(&proxy.address().to_string(), &old.certify("127.0.0.1"), Some(&old)).await;
    let world = World::at(&format!("amqps://guest:guest@{}/", front.address()));
    let file = |name: &str| -> PathBuf { old.file(name) };
    let options = old.options().tls_identity(file("service.pem"), file("service.key"));
    let transport = Transport::builder(world.url()).rabbit(options).connect().await;
    let transport = transport.unwrap_or_else(|error| panic!("{error:?}"));
    let _server = world.serve(&transport, "h", AdderServer::new(Slow::default())).await;
    let client = world.client::<adder::Api>(&transport);
    good(&client, 1).await;
    // The broker changes first: until the service has its new certificate, its connections fail.
    front.become_another(&new.certify("127.0.0.1"), Some(&new));
    good(&client, 2).await;
    let failed = transport.metrics().connects_failed;
    proxy.present().reset();
    eventually("attempts that fail", || transport.metrics().connects_failed > failed).await;
    old.replace_by(&new);
    good(&client, 3).await;
}
