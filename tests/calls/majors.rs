//! Two major versions at once: a server of the new major accepts the old one, and a client capped
//! at the old major sends it.

use rpc_runtime::{CallError, Context, Version, rpc_api};
use tests::{World, on_every_transport, overheard::Overheard};

/// Runs instances: version 6.3, and 5.13 for older clients.
#[rpc_api(
    topic = "compute",
    version = "6.3",
    send = "6.0",
    previous(version = "5.13", send = "5.0"),
    aliases(victoria = "5.12", wallaby = "6.0", "2023.1" = "6.2")
)]
pub(crate) trait Compute {
    /// Has always existed.
    async fn start(&self, ctx: Context, instance: String) -> String;
    /// Lost one argument and renamed another in 6.0.
    #[rpc(before("6.0", send = "5.3"))]
    async fn resize(
        &self,
        ctx: Context,
        #[arg(before("6.0", name = "instance_type"))] flavor: String,
        #[arg(until = "6.0", value = None)] block_migration: Option<bool>,
        #[arg(since = "5.2")] request_spec: Option<String>,
        #[arg(since = "6.1")] target_state: Option<String>,
    ) -> String;
    /// Was added in a minor version of the old major.
    #[rpc(since = "5.5", send = "6.2")]
    async fn snapshot(&self, ctx: Context) -> u32;
}

struct New;

impl Compute for New {
    async fn start(&self, _: Context, instance: String) -> String {
        format!("new {instance}")
    }

    async fn resize(
        &self,
        _: Context,
        flavor: String,
        block_migration: Option<bool>,
        request_spec: Option<String>,
        target_state: Option<String>,
    ) -> String {
        format!("new {flavor} {block_migration:?} {request_spec:?} {target_state:?}")
    }

    async fn snapshot(&self, _: Context) -> u32 {
        6
    }
}

/// The same as a server of 5.4.
#[rpc_api(topic = "compute", version = "5.4")]
trait OldCompute {
    async fn start(&self, ctx: Context, instance: String) -> String;
    async fn resize(
        &self,
        ctx: Context,
        instance_type: String,
        block_migration: Option<bool>,
        #[arg(default)] request_spec: Option<String>,
    ) -> String;
}

struct Old;

impl OldCompute for Old {
    async fn start(&self, _: Context, instance: String) -> String {
        format!("old {instance}")
    }

    async fn resize(
        &self,
        _: Context,
        instance_type: String,
        block_migration: Option<bool>,
        request_spec: Option<String>,
    ) -> String {
        format!("old {instance_type} {block_migration:?} {request_spec:?}")
    }
}

on_every_transport! {
    async fn a_client_capped_at_the_major_before_is_served_by_both(world: World) {
        let transport = world.transport().await;
        let (client, ctx) = (world.client::<compute::Api>(&transport), Context::new());
        let capped = client.version_cap::<compute::V5_4>();
        let old = world.serve(&transport, "h", OldComputeServer::new(Old)).await;
        assert_eq!(capped.start(&ctx, "i").await.expect("an answer"), "old i");
        let resized = capped.resize(&ctx, "f").request_spec("s").target_state_or_drop("t").await;
        assert_eq!(resized.expect("an answer"), "old f None Some(\"s\")");
        match client.start(&ctx, "i").await {
            Err(CallError::UnsupportedVersion { needs, serves, .. }) => {
                assert_eq!((needs.major(), serves.map(|serves| serves.major())), (6, Some(5)));
            }
            other => panic!("6.0 is not 5.4: {other:?}"),
        }
        old.shutdown(tests::SOON).await.expect("nothing runs");

        let _new = world.serve(&transport, "h", ComputeServer::new(New)).await;
        assert_eq!(capped.start(&ctx, "i").await.expect("an answer"), "new i");
        let resized = capped.resize(&ctx, "f").request_spec("s").await;
        assert_eq!(resized.expect("old names are known"), "new f None Some(\"s\") None");
        let resized = client.resize(&ctx, "f").request_spec("s").target_state("t").await;
        assert_eq!(resized.expect("an answer"), "new f None Some(\"s\") Some(\"t\")");
        assert_eq!(client.snapshot(&ctx).await.expect("an answer"), 6);
    }

    async fn a_newer_major_proves_the_one_before(world: World) {
        let transport = world.transport().await;
        let _new = world.serve(&transport, "h", ComputeServer::new(New)).await;
        let (client, ctx) = (world.client::<compute::Api>(&transport), Context::new());
        let cap = |pin| compute::INTERFACE.pin(pin).expect("an alias");
        let wallaby = client.negotiated(cap("wallaby"));
        let narrow = wallaby.narrow::<compute::V5_13>().expect("6.0 has all of 5.13");
        assert_eq!(narrow.snapshot(&ctx).await.expect("an answer"), 6);
        assert!(wallaby.narrow::<compute::V6_1>().is_none());
        assert!(client.negotiated(cap("victoria")).narrow::<compute::V6_0>().is_none());
        assert!(!wallaby.can_send_version(Version::new(5, 3)), "6.0 takes no requests of 5.3");
        let foreign = client.unchecked(Version::new(7, 0)).start(&ctx, "i").await;
        assert!(matches!(foreign, Err(CallError::VersionCap { .. })), "{foreign:?}");
    }
}

/// The `send` of a method precedes that of an old form, which precedes the interface's, each within
/// its major.
#[tokio::test]
async fn requests_carry_versions_of_the_caps_major() {
    let world = World::memory();
    let transport = world.transport().await;
    let (client, ctx) = (world.client::<compute::Api>(&transport), Context::new());
    let mut heard = Overheard::on(&transport);
    let mut versions = Vec::new();
    for cap in ["5.1", "5.13", "6.0", "6.3"] {
        let capped = client.unchecked(cap.parse().expect("a version"));
        // No server is bound: all requests are published, and returned.
        capped.start(&ctx, "i").await.expect_err("unroutable");
        capped.resize(&ctx, "f").target_state(None).await.expect_err("unroutable");
        let _ = capped.snapshot(&ctx).await;
        for request in heard.requests() {
            let version = request.version().expect("a version").to_owned();
            versions.push(format!("{cap} {} {version}", request.method()));
        }
    }
    assert_eq!(
        versions,
        [
            "5.1 start 5.0",
            "5.1 resize 5.3",
            "5.13 start 5.0",
            "5.13 resize 5.3",
            "5.13 snapshot 5.0",
            "6.0 start 6.0",
            "6.0 resize 6.0",
            "6.0 snapshot 6.2",
            "6.3 start 6.0",
            "6.3 resize 6.0",
            "6.3 snapshot 6.2",
        ]
    );
}

/// Two majors, whose requests carry the lowest version that has what they use.
#[rpc_api(topic = "depot", version = "2.3", previous(version = "1.4"))]
trait Depot {
    async fn fetch(&self, ctx: Context, #[arg(since = "1.2")] shelf: Option<String>) -> u32;
    #[rpc(since = "2.1")]
    async fn count(&self, ctx: Context) -> u32;
}

#[tokio::test]
async fn where_no_version_is_fixed_requests_carry_the_lowest_of_the_caps_major() {
    let world = World::memory();
    let transport = world.transport().await;
    let (client, ctx) = (world.client::<depot::Api>(&transport), Context::new());
    let mut heard = Overheard::on(&transport);
    for (cap, plain, on_a_shelf, counted) in [
        ("1.4", "1.0", "1.2", None),
        ("2.0", "2.0", "2.0", None),
        ("2.3", "2.0", "2.0", Some("2.1")),
    ] {
        let capped = client.unchecked(cap.parse().expect("a version"));
        // No server is bound: all requests are published, and returned.
        capped.fetch(&ctx).await.expect_err("unroutable");
        capped.fetch(&ctx).shelf("a".to_owned()).await.expect_err("unroutable");
        capped.count(&ctx).await.expect_err("unroutable, or refused");
        let requests = heard.requests();
        let versions: Vec<_> =
            requests.iter().map(|request| request.version().expect("a version")).collect();
        let wanted: Vec<_> = [plain, on_a_shelf].into_iter().chain(counted).collect();
        assert_eq!(versions, wanted, "under {cap}");
    }
}
