//! Caps that are known only at run time: from running services, from an operator, and after a
//! reload.

use std::{
    io,
    sync::{Arc, Mutex},
};

use rpc_runtime::{CallError, CapError, Context, SharedCap, Version};
use tests::on_every_transport;

use crate::{
    majors::compute,
    probe::{ProbeServer, Recorder, probe},
};

type Services = Arc<Mutex<io::Result<Vec<Version>>>>;

/// The versions of running services, as a database would store them.
fn services(versions: &[(u64, u64)]) -> Services {
    let versions = versions.iter().map(|&(major, minor)| Version::new(major, minor));
    Arc::new(Mutex::new(Ok(versions.collect())))
}

/// Queries that database.
async fn ask(services: Services) -> io::Result<Vec<Version>> {
    let services = services.lock().expect("whole");
    services
        .as_ref()
        .map(Vec::clone)
        .map_err(|error| io::Error::new(error.kind(), error.to_string()))
}

on_every_transport! {
    async fn a_client_follows_the_oldest_service(world: World) {
        let transport = world.transport().await;
        let _server = world.serve(&transport, "h", ProbeServer::new(Recorder::default())).await;
        let found = services(&[(1, 4), (1, 2)]);
        let asked = Arc::clone(&found);
        let cap = SharedCap::<probe::Api>::ask(move || ask(Arc::clone(&asked))).await.expect("a cap");
        let (all, ctx) = (world.client::<probe::Api>(&transport), Context::new());
        let (client, unchecked) = (all.capped_by(&cap), all.unchecked_by(&cap));
        assert_eq!(client.cap(), Version::new(1, 2));
        let newer = client.narrow::<probe::V1_2>().expect("1.2 is proven");
        assert_eq!(newer.newer(&ctx).await.expect("an answer"), 12);
        let grown = client.grown(&ctx, 1_u32).extra_or_drop(2_u32).await;
        assert_eq!(grown.expect("an answer without the later argument"), (1, None, 7));
        let error = unchecked.grown(&ctx, 1_u32).extra(2_u32).await.expect_err("beyond the cap");
        assert!(matches!(error, CallError::VersionCap { .. }), "{error:?}");

        // The old service has been upgraded, and the database says so.
        *found.lock().expect("whole") = Ok(vec![Version::new(1, 4)]);
        assert_eq!(client.cap(), Version::new(1, 2), "the cap has not been reloaded yet");
        assert_eq!(cap.reload().await.expect("a cap"), Version::new(1, 4));
        assert_eq!(client.grown(&ctx, 1_u32).extra_or_drop(2_u32).await.expect("all"), (1, Some(2), 7));
        assert_eq!(unchecked.grown(&ctx, 1_u32).extra(2_u32).await.expect("all"), (1, Some(2), 7));
        // A proven cap does not change.
        assert_eq!(newer.grown(&ctx, 1_u32).extra_or_drop(2_u32).await.expect("an answer without the later argument"), (1, None, 7));
    }
}

#[tokio::test]
async fn a_failed_reload_leaves_the_cap_as_it_was() {
    let found = services(&[(1, 3)]);
    let asked = Arc::clone(&found);
    let cap = SharedCap::<probe::Api>::ask(move || ask(Arc::clone(&asked))).await.expect("a cap");
    *found.lock().expect("whole") = Err(io::Error::other("the database sleeps"));
    let error = cap.reload().await.expect_err("the database fails");
    assert!(matches!(error, CapError::Source(_)), "{error:?}");
    *found.lock().expect("whole") = Ok(vec![Version::new(1, 4), Version::new(0, 9)]);
    let error = cap.reload().await.expect_err("the client has no version 0.9");
    let CapError::Unsupported { found: old, oldest, newest, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(
        (*old, *oldest, *newest),
        (Version::new(0, 9), Version::new(1, 0), Version::new(1, 4))
    );
    assert_eq!(cap.get(), Version::new(1, 3));
    // Without any service, no version is too old.
    *found.lock().expect("whole") = Ok(Vec::new());
    assert_eq!(cap.reload().await.expect("a cap"), Version::new(1, 4));
}

#[tokio::test]
async fn an_operator_pins_a_version_or_an_alias_or_leaves_it_to_the_services() {
    let cap = async |pin: Option<&str>| {
        let asked = services(&[(5, 13), (6, 2)]);
        SharedCap::<compute::Api>::configured(pin, move || ask(Arc::clone(&asked))).await
    };
    for (pin, wanted) in [
        (None, "6.3"),
        (Some(""), "6.3"),
        (Some("auto"), "5.13"),
        (Some("5.2"), "5.2"),
        (Some("victoria"), "5.12"),
        (Some("2023.1"), "6.2"),
    ] {
        let cap = cap(pin).await.unwrap_or_else(|error| panic!("{pin:?}: {error}"));
        assert_eq!(cap.get().to_string(), wanted, "{pin:?}");
    }
    let unknown = cap(Some("zebra")).await.expect_err("no such release");
    let CapError::Pin(unknown) = unknown else { panic!("{unknown:?}") };
    assert!(unknown.to_string().contains("victoria, wallaby, 2023.1"), "{unknown}");
    let foreign = cap(Some("4.0")).await.expect_err("an old major");
    assert!(matches!(foreign, CapError::Unsupported { .. }), "{foreign:?}");

    // The operator changes the pin.
    let cap = cap(Some("wallaby")).await.expect("a cap");
    cap.pin("auto").expect("known");
    assert_eq!(cap.get(), Version::new(6, 0), "until the services are asked");
    assert_eq!(cap.reload().await.expect("a cap"), Version::new(5, 13));
    cap.pin("6.9").expect("newer than this client, which is allowed");
    assert_eq!(cap.get(), Version::new(6, 9));
}
