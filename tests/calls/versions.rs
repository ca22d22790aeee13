//! Versions: a client sends what its peer accepts, and refuses the rest before it sends anything.

use rpc_runtime::{CallError, Context, Kind, Version};
use tests::{World, on_every_transport, overheard::Overheard};

use crate::probe::{ProbeServer, Recorder, probe};

on_every_transport! {
    async fn later_arguments_are_sent_when_they_are_set(world: World) {
        let transport = world.transport().await;
        let _server = world.serve(&transport, "h", ProbeServer::new(Recorder::default())).await;
        let (client, ctx) = (world.client::<probe::Api>(&transport), Context::new());
        assert_eq!(client.grown(&ctx, 1_u32).await.expect("an answer"), (1, None, 7));
        assert_eq!(client.grown(&ctx, 1_u32).extra(2_u32).more(3_u32).await.expect("an answer"), (1, Some(2), 3));
        let old = client.version_cap::<probe::V1_3>();
        assert_eq!(old.grown(&ctx, 1_u32).extra(None).more_or_drop(3_u32).await.expect("an answer"), (1, None, 7));
        assert_eq!(client.newer(&ctx).await.expect("an answer"), 12);
    }

    async fn an_unchecked_cap_refuses_before_anything_leaves(world: World) {
        let transport = world.transport().await;
        let (client, ctx) = (world.client::<probe::Api>(&transport), Context::new());
        let old = client.unchecked(Version::new(1, 1));
        // No server is bound: a request that was sent would be unroutable.
        match old.newer(&ctx).await {
            Err(error @ CallError::VersionCap { .. }) => {
                assert!(!error.may_have_run());
                assert_eq!(error.to_string(), "`newer` needs version 1.2 of the RPC API, but this client is capped at 1.1");
            }
            other => panic!("expected the cap, not {other:?}"),
        }
        match old.grown(&ctx, 1_u32).extra(5_u32).await {
            Err(error) => assert_eq!(
                error.to_string(),
                "`extra` of `grown` needs version 1.3 of the RPC API, but this client is capped at 1.1"
            ),
            other => panic!("expected the cap, not {other:?}"),
        }
        let older = client.unchecked(Version::new(0, 9));
        assert!(matches!(older.echo(&ctx, "x").await, Err(CallError::VersionCap { .. })));
    }

    async fn a_negotiated_cap_opens_what_it_proves(world: World) {
        let transport = world.transport().await;
        let _server = world.serve(&transport, "h", ProbeServer::new(Recorder::default())).await;
        let (client, ctx) = (world.client::<probe::Api>(&transport), Context::new());
        let old = client.negotiated("1.1".parse().expect("a version"));
        assert!(old.narrow::<probe::V1_2>().is_none() && old.can_send_version(Version::new(1, 1)));
        assert_eq!(old.echo(&ctx, "x").await.expect("an answer"), "x");
        let new = client.negotiated(Version::new(1, 3)).narrow::<probe::V1_2>().expect("1.3 has 1.2");
        assert_eq!(new.newer(&ctx).await.expect("an answer"), 12);
        // The client keeps its real cap, even if the proof was for a lower version.
        assert_eq!(new.grown(&ctx, 1_u32).extra_or_drop(4_u32).await.expect("an answer"), (1, Some(4), 7));
    }
}

#[tokio::test]
async fn requests_carry_the_lowest_version_that_has_what_they_use() {
    let world = World::memory();
    let transport = world.transport().await;
    let _server = world.serve(&transport, "h", ProbeServer::new(Recorder::default())).await;
    let mut heard = Overheard::on(&transport);
    let (client, ctx) = (world.client::<probe::Api>(&transport), Context::new());
    client.echo(&ctx, "x").await.expect("an answer");
    client.newer(&ctx).await.expect("an answer");
    client.grown(&ctx, 1_u32).extra(2_u32).await.expect("an answer");
    client.grown(&ctx, 1_u32).await.expect("an answer");
    client.prepare().unversioned().echo(&ctx, "x").await.expect("an answer");
    let versions = heard.requests().into_iter();
    let versions: Vec<_> =
        versions.map(|request| request.version().unwrap_or("-").to_owned()).collect();
    assert_eq!(versions, ["1.0", "1.2", "1.3", "1.0", "-"]);
}

#[test]
fn the_interface_is_there_as_data() {
    let interface = &probe::INTERFACE;
    assert_eq!(
        (interface.name, interface.topic, interface.version.to_string()),
        ("Probe", Some("probe"), "1.4".to_owned())
    );
    let grown = interface.method("grown").expect("the method exists");
    assert_eq!(
        (grown.kind, grown.since, grown.reply),
        (Kind::Call, Version::new(1, 0), "(u32, Option<u32>, u32)")
    );
    let parameters: Vec<_> =
        grown.parameters.iter().map(|p| (p.name, p.type_name, p.since, p.required)).collect();
    assert_eq!(
        parameters,
        [
            ("base", "u32", None, true),
            ("extra", "Option<u32>", Some(Version::new(1, 3)), false),
            ("more", "u32", Some(Version::new(1, 4)), false)
        ]
    );
    assert_eq!(interface.method("note_everywhere").map(|method| method.kind), Some(Kind::Fanout));
    assert!(interface.method("nonesuch").is_none());
}

#[test]
fn an_interface_is_data_with_all_that_its_trait_says() {
    use crate::{forms::picker, majors::compute, places::backends};
    let version = |text: &str| text.parse::<Version>().expect("a version");
    let compute = compute::INTERFACE;
    assert_eq!((compute.previous, compute.oldest), (Some(version("5.13")), version("5.0")));
    assert_eq!(compute.send, [version("6.0"), version("5.0")]);
    assert_eq!(compute.aliases[2], ("2023.1", version("6.2")));
    let resize = compute.method("resize").expect("a method");
    let migration = resize.parameter("block_migration").expect("an argument");
    assert_eq!((migration.until, migration.constant), (Some(version("6.0")), "None"));
    assert_eq!(resize.parameter("instance_type").map(|flavor| flavor.name), Some("flavor"));

    let backends = backends::INTERFACE;
    assert!(backends.has_address && backends.method("freeze").is_some_and(|method| method.host));
    let delete = backends.method("delete").expect("a method");
    assert_eq!((delete.host_from, delete.topic), ("volume.host", None));
    let finish = backends.method("finish").expect("a method");
    assert_eq!(finish.topic, Some(("backends-alt", version("3.7"))));

    let picker = picker::INTERFACE;
    let pick = picker.method("pick_host").expect("by its old name");
    assert_eq!((pick.name, pick.before.len(), pick.before[0].is_rewritten), ("pick", 2, true));
    assert_eq!(picker.method("refuse").map(|method| method.expected), Some(&["Declined"][..]));
    let store = picker.method("store").expect("a method");
    assert_eq!(store.parameter("data").map(|data| data.with), Some("wire::bytes"));
    let report = picker.method("report").expect("a method");
    assert!(report.parameters[1].is_rest && !report.parameters[0].is_rest);
    assert!(picker.method("pick_all").is_none(), "a manual method is not a request");
    let history: Vec<_> = compute.history().iter().map(ToString::to_string).collect();
    assert!(
        history.contains(
            &"6.0: `resize` has an argument `flavor` that was `instance_type`".to_owned()
        )
    );
    assert!(history.contains(&"5.5: `snapshot` is new".to_owned()), "{history:?}");
}
