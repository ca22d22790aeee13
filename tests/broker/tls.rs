//! TLS: trusted authorities, client certificates, and refusals.
//!
//! The broker is real; a proxy in front of it handles the certificates.

use rpc_runtime::{Context, RabbitOptions, Transport, TransportErrorKind};
use tests::{
    World,
    authority::{Authority, Front, in_full},
    soon,
};

use crate::adder::{AdderServer, Slow, adder};

/// Adds TLS to the world's broker, with a certificate for `name`. Returns the URL.
async fn secured(world: &World, authority: &Authority, name: &str, asks: bool) -> String {
    let (login, broker, path) = parts(world);
    let asks = asks.then_some(authority);
    let front = Front::start(&broker, &authority.certify(name), asks).await;
    format!("amqps://{login}@{}{path}", front.address())
}

/// Splits a world's URL into login, address and path.
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
    connected.map_err(|error| (error.kind(), in_full(&error)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_of_a_trusted_authority_is_talked_to_in_secret() {
    let Some(world) = World::rabbit() else { return };
    let authority = Authority::new();
    let url = secured(&world, &authority, "127.0.0.1", false).await;
    let options = authority.options();
    works(&world, connect(&url, options).await.expect("trusted")).await;
    // The same in the original's spelling.
    let file = authority.file("ca.pem");
    let plain = url.replacen("amqps://", "rabbit://", 1);
    let url = format!("{plain}?ssl=true&ssl_ca_file={}", file.display());
    works(&world, Transport::connect(&url).await.expect("trusted")).await;
}

// With `ssl` and without `ssl_ca_file`, the original verifies nothing.
#[tokio::test(flavor = "multi_thread")]
async fn bug_27_an_untrusted_certificate_or_one_for_another_name_is_refused() {
    let Some(world) = World::rabbit() else { return };
    let (authority, other) = (Authority::new(), Authority::new());
    let url = secured(&world, &authority, "127.0.0.1", false).await;
    let options = other.options();
    let (kind, text) = connect(&url, options).await.expect_err("its authority is not trusted");
    assert_eq!(kind, TransportErrorKind::Tls, "{text}");
    assert!(text.contains("certificate"), "{text}");
    // The text depends on whether the machine trusts any authority.
    let (_, text) = connect(&url, RabbitOptions::default()).await.expect_err("as above");
    assert!(text.contains("certificate") || text.contains("authority"), "{text}");
    let elsewhere = secured(&world, &authority, "broker.example.org", false).await;
    let options = authority.options();
    let (_, text) = connect(&elsewhere, options).await.expect_err("it has another name");
    assert!(text.contains("certificate"), "{text}");
    let options = authority.options().tls_server_name("broker.example.org");
    works(&world, connect(&elsewhere, options).await.expect("the expected name")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_requires_a_client_certificate_gets_one() {
    let Some(world) = World::rabbit() else { return };
    let authority = Authority::new();
    let url = secured(&world, &authority, "127.0.0.1", true).await;
    authority.certify_service("service");
    assert!(connect(&url, authority.options()).await.is_err(), "the client has no certificate");
    let options = authority
        .options()
        .tls_identity(authority.file("service.pem"), authority.file("service.key"));
    works(&world, connect(&url, options).await.expect("the client has a certificate")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_there_is_named() {
    let Some(world) = World::rabbit() else { return };
    let authority = Authority::new();
    let url = secured(&world, &authority, "127.0.0.1", false).await;
    let options = RabbitOptions::default().tls_authority("/nonesuch/ca.pem");
    let (kind, text) = connect(&url, options).await.expect_err("there is no such file");
    assert_eq!(kind, TransportErrorKind::Configuration);
    assert!(text.contains("/nonesuch/ca.pem"), "{text}");
}
