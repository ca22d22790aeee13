//! The notebook of the examples: today's clients and servers with those of each committed contract.

use std::path::PathBuf;

use examples::notebook::{NotebookClient, NotebookServer, Page, Paper, notebook};
use rpc_runtime::{
    AnyHost, CallError, Context, Unchecked, Version,
    contract::{self, Contract, Form, compare},
};
use tests::{
    World, on_every_transport,
    overheard::{Overheard, Request},
};

/// The versions, oldest first. The last is today's.
const VERSIONS: [&str; 7] = ["1.0", "1.1", "1.2", "1.3", "1.4", "2.0", "2.1"];

fn file(version: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/contracts"))
        .join(format!("notebook-{version}.txt"))
}

fn committed(version: &str) -> Contract {
    let text =
        std::fs::read_to_string(file(version)).unwrap_or_else(|error| panic!("{version}: {error}"));
    text.parse().unwrap_or_else(|error| panic!("{version}: {error}"))
}

fn of(text: &str) -> Version {
    text.parse().expect("a version")
}

#[test]
fn the_notebook_is_what_its_newest_contract_says() {
    rpc_runtime::assert_contract!(
        examples::notebook::notebook::INTERFACE,
        "../examples/contracts/notebook-2.1.txt"
    );
}

#[test]
fn no_version_of_the_notebook_has_broken_a_peer() {
    for pair in VERSIONS.windows(2) {
        let changes = compare(&committed(pair[0]), &committed(pair[1]));
        assert!(!changes.is_empty(), "{pair:?} are the same");
        for change in changes {
            assert!(!change.breaks(), "{pair:?}: {change}");
        }
    }
}

#[test]
fn every_committed_version_is_understood_by_every_other() {
    let mut understood = 0;
    for client in VERSIONS {
        for server in VERSIONS {
            let (client, server) = (committed(client), committed(server));
            // A client is capped at the oldest server's version.
            let cap = client.version().min(server.version());
            for form in client.requests(cap) {
                server.takes(&form).unwrap_or_else(|why| {
                    panic!("{} to {}: {form:?}: {why}", client.version(), server.version())
                });
                understood += 1;
            }
        }
    }
    assert!(understood > 150, "{understood}");
}

/// Returns a value of a type that a contract names.
fn value(type_name: Option<&str>) -> serde_json::Value {
    match type_name {
        Some("String" | "Option<String>") => "text".into(),
        Some("u64" | "Option<u64>") => 3.into(),
        Some("Option<bool>") => true.into(),
        Some("Option<Page>") => serde_json::json!({"first": 0, "count": 2}),
        other => panic!("no value for {other:?}"),
    }
}

on_every_transport! {
    async fn a_server_of_today_serves_clients_of_every_committed_version(world: World) {
        let transport = world.transport().await;
        let _server = world.serve(&transport, "h", NotebookServer::new(Paper::default())).await;
        let client = world.client::<notebook::Api>(&transport);
        for version in VERSIONS {
            let contract = committed(version);
            for form in contract.requests(contract.version()) {
                // Sends what a client of that version would send, without its trait.
                let sender = client.unchecked(contract.version());
                let request = sender.request(form.method.clone().leak());
                let sent_as = (form.version.major(), form.version.minor());
                let request = form.arguments.iter().fold(request.sent_as(sent_as), |request, (name, type_name)| {
                    request.arg(name, value(type_name.as_deref()))
                });
                let answer = request.call::<serde_json::Value, false>(&Context::new()).await;
                answer.unwrap_or_else(|error| panic!("{version}: {form:?}: {error:?}"));
            }
        }
    }
}

/// Makes every call of a client: with all arguments that the cap allows, and without optional ones.
async fn call_everything(client: &NotebookClient<Unchecked, AnyHost>) {
    let (ctx, page) = (Context::new(), Some(Page { first: 1, count: 2 }));
    let ended = [
        client.add(&ctx, "milk").await.err(),
        client.add(&ctx, "milk").colour_or_drop("red").await.err(),
        client.search(&ctx, "milk").await.err(),
        client.list(&ctx, &page).await.err(),
        client.list(&ctx, &None).await.err(),
        client.count(&ctx).await.err(),
    ];
    for error in ended {
        // No server is bound: requests that are sent are returned.
        let is_fine =
            matches!(error, Some(CallError::Unroutable { .. } | CallError::VersionCap { .. }));
        assert!(is_fine, "{error:?}");
    }
}

/// Returns the form of a request, as a contract has it, but without types, which the compiler
/// checks.
fn form(request: &Request) -> Form {
    let arguments = request.args().as_object().expect("an object").keys();
    Form {
        method: request.method().to_owned(),
        version: of(request.version().expect("a version")),
        namespace: request.namespace().map(str::to_owned),
        arguments: arguments.map(|name| (name.clone(), None)).collect(),
    }
}

#[tokio::test]
async fn a_client_of_today_is_understood_by_servers_of_every_committed_version() {
    let world = World::memory();
    let transport = world.transport().await;
    let mut heard = Overheard::on(&transport);
    for version in VERSIONS {
        let server = committed(version);
        let client = NotebookClient::new(&transport).unchecked(of(version));
        call_everything(&client).await;
        let requests = heard.requests();
        assert!(requests.len() >= 3, "{version}: {requests:?}");
        for request in requests {
            server
                .takes(&form(&request))
                .unwrap_or_else(|why| panic!("{version}: {request:?}: {why}"));
        }
    }
    assert_eq!(contract::write(&notebook::INTERFACE), committed("2.1").to_string());
}
