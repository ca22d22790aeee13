//! Forms of arguments: written by a module, rewritten for older servers, without names, omitted.
//! Also methods that a user adds to the client.

use std::collections::BTreeMap;

use rpc_runtime::{CallError, CallResult, Context, Failure, RemoteError, Request, rpc_api, wire};
use tests::{Log, World, heard::Heard, on_every_transport, overheard::Overheard};

/// Picks hosts; version 4.5.
#[rpc_api(topic = "picker", version = "4.5")]
pub(crate) trait Picker {
    /// Took other arguments before 4.3, and different ones again before 4.1.
    #[rpc(before("4.3", rewrite = split), before("4.1", name = "pick_host", rewrite = joined))]
    async fn pick(
        &self,
        ctx: Context,
        spec: Spec,
        #[arg(since = "4.4")] instances: Option<Vec<String>>,
        #[arg(since = "4.5", or = "drop")] alternates: Option<u32>,
        #[arg(since = "4.5", or = "error", default)] objects: bool,
    ) -> String;
    /// Requires arguments that early versions did not have.
    async fn place(
        &self,
        ctx: Context,
        spec: Spec,
        #[arg(since = "4.2", required, or = "drop")] instances: Option<Vec<String>>,
        #[arg(since = "4.4", required, or = "error", default)] at_once: bool,
        #[arg(since = "4.5")] note: Option<String>,
    ) -> String;
    /// Takes bytes, which JSON does not have.
    async fn store(
        &self,
        ctx: Context,
        #[arg(with = wire::bytes)] data: Vec<u8>,
        #[arg(since = "4.2", with = "rpc_runtime::wire::bytes", default)] more: Vec<u8>,
        #[arg(constant = vec![66, 0], with = wire::bytes)] mark: Vec<u8>,
    ) -> Vec<u8>;
    /// Takes arguments of any name.
    async fn report(
        &self,
        ctx: Context,
        host: String,
        #[arg(rest)] states: BTreeMap<String, u32>,
    ) -> BTreeMap<String, u32>;
    /// Returns nothing, but its caller waits.
    #[rpc(call)]
    async fn settle(&self, ctx: Context);
    /// Fails with an expected error, or with another one.
    #[rpc(expected(Declined))]
    async fn refuse(&self, ctx: Context, how: String) -> Result<(), PickError>;

    /// Picks one host for each of several sizes.
    #[rpc(manual)]
    async fn pick_all(&self, ctx: &Context, sizes: &[u64]) -> CallResult<Vec<String>> {
        let mut hosts = Vec::new();
        for &size in sizes {
            let picked = self.prepare().pick(ctx, Spec { size, zone: None }).await;
            hosts.push(picked?);
        }
        Ok(hosts)
    }

    /// Picks a host, and one for each instance.
    #[rpc(manual, since = "4.4")]
    async fn pick_for<I: Into<String>>(
        &self,
        ctx: &Context,
        instances: Vec<I>,
    ) -> CallResult<String> {
        let instances: Vec<String> = instances.into_iter().map(Into::into).collect();
        self.pick(ctx, Spec { size: 1, zone: None }).instances(instances).await
    }
}

#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Spec {
    size: u64,
    zone: Option<String>,
}

/// Writes the arguments of 4.1 and later.
fn split(request: Request, spec: &Spec) -> Request {
    request.arg("size", spec.size).arg_since("zone", (4, 1), &spec.zone)
}

/// Writes the arguments of earlier versions.
fn joined(request: Request, spec: &Spec) -> Request {
    request.arg("spec", format!("{}@{}", spec.size, spec.zone.as_deref().unwrap_or("-")))
}

#[derive(Debug, thiserror::Error, RemoteError)]
#[remote(module = "picker.errors")]
pub(crate) enum PickError {
    #[error("declined")]
    Declined,
    #[error("lost")]
    Lost,
    #[error(transparent)]
    #[remote(other)]
    Other(Failure),
}

#[derive(Default)]
struct Server(Log<String>);

impl Picker for Server {
    async fn pick(
        &self,
        _: Context,
        spec: Spec,
        instances: Option<Vec<String>>,
        alternates: Option<u32>,
        objects: bool,
    ) -> String {
        format!("{} {:?} {instances:?} {alternates:?} {objects}", spec.size, spec.zone)
    }

    async fn place(
        &self,
        _: Context,
        spec: Spec,
        instances: Option<Vec<String>>,
        at_once: bool,
        note: Option<String>,
    ) -> String {
        format!("{} {instances:?} {at_once} {note:?}", spec.size)
    }

    async fn store(&self, _: Context, mut data: Vec<u8>, more: Vec<u8>, mark: Vec<u8>) -> Vec<u8> {
        data.extend(more);
        data.extend(mark);
        data
    }

    async fn report(
        &self,
        _: Context,
        host: String,
        mut states: BTreeMap<String, u32>,
    ) -> BTreeMap<String, u32> {
        states.insert(host, 0);
        states
    }

    async fn settle(&self, _: Context) {
        self.0.push("settled".to_owned());
    }

    async fn refuse(&self, _: Context, how: String) -> Result<(), PickError> {
        match how.as_str() {
            "declined" => Err(PickError::Declined),
            "lost" => Err(PickError::Lost),
            _ => Err(PickError::Other(Failure::of("otherwise", "picker.errors", "Strange"))),
        }
    }
}

mod old {
    use rpc_runtime::{Context, rpc_api};

    #[rpc_api(topic = "picker", version = "4.2")]
    pub(super) trait Split {
        async fn pick(&self, ctx: Context, size: u64, zone: Option<String>) -> String;
    }

    #[rpc_api(topic = "picker", version = "4.0")]
    pub(super) trait Joined {
        async fn pick_host(&self, ctx: Context, spec: String) -> String;
    }

    pub(super) struct Old;

    impl Split for Old {
        async fn pick(&self, _: Context, size: u64, zone: Option<String>) -> String {
            format!("split {size} {zone:?}")
        }
    }

    impl Joined for Old {
        async fn pick_host(&self, _: Context, spec: String) -> String {
            format!("joined {spec}")
        }
    }
}

on_every_transport! {
    async fn a_function_rewrites_what_older_servers_take_otherwise(world: World) {
        use old::{JoinedServer, Old, SplitServer};
        let transport = world.transport().await;
        let (client, ctx) = (world.client::<picker::Api>(&transport), Context::new());
        let spec = Spec { size: 4, zone: Some("z".to_owned()) };
        let server = world.serve(&transport, "h", JoinedServer::new(Old)).await;
        let oldest = client.version_cap::<picker::V4_0>();
        assert_eq!(oldest.pick(&ctx, &spec).await.expect("an answer"), "joined 4@z");
        server.shutdown(tests::SOON).await.expect("nothing runs");
        let server = world.serve(&transport, "h", SplitServer::new(Old)).await;
        let older = client.version_cap::<picker::V4_2>();
        let picked = older.pick(&ctx, &spec).instances_or_drop(None).await;
        assert_eq!(picked.expect("an answer"), "split 4 Some(\"z\")");
        server.shutdown(tests::SOON).await.expect("nothing runs");
        let _server = world.serve(&transport, "h", PickerServer::new(Server::default())).await;
        let picked = client.pick(&ctx, spec).instances(vec!["i".to_owned()]).objects(true).await;
        assert_eq!(picked.expect("an answer"), "4 Some(\"z\") Some([\"i\"]) None true");
    }

    async fn an_unproven_cap_drops_or_refuses_what_the_argument_says(world: World) {
        let transport = world.transport().await;
        let _server = world.serve(&transport, "h", PickerServer::new(Server::default())).await;
        let (client, ctx) = (world.client::<picker::Api>(&transport), Context::new());
        let unchecked = client.unchecked("4.4".parse().expect("a version"));
        let spec = Spec { size: 1, zone: None };
        let picked = unchecked.pick(&ctx, &spec).alternates(3_u32).instances(None).await;
        assert_eq!(picked.expect("without arguments that may be dropped"), "1 None None None false");
        let error = unchecked.pick(&ctx, &spec).objects(true).await.expect_err("an argument that must not be dropped");
        assert!(matches!(&error, CallError::VersionCap { what, .. } if what == "`objects` of `pick`"), "{error:?}");
        // Values that older servers assume anyway may be dropped without loss.
        let older = client.unchecked("4.3".parse().expect("a version"));
        let picked = older.pick(&ctx, &spec).instances(None).objects(false).await;
        assert_eq!(picked.expect("nothing was set"), "1 None None None false");
    }

    async fn a_later_argument_that_servers_require_is_a_parameter(world: World) {
        let transport = world.transport().await;
        let _server = world.serve(&transport, "h", PickerServer::new(Server::default())).await;
        let (client, ctx) = (world.client::<picker::Api>(&transport), Context::new());
        let (spec, instances) = (Spec { size: 1, zone: None }, vec!["i".to_owned()]);
        let placed = client.place(&ctx, &spec, &instances, true).note("n").await;
        assert_eq!(placed.expect("an answer"), "1 Some([\"i\"]) true Some(\"n\")");
        let oldest = client.version_cap::<picker::V4_1>();
        let placed = oldest.place(&ctx, &spec, &instances, false).await;
        assert_eq!(placed.expect("without arguments that may be omitted"), "1 None false None");
        let error = oldest.place(&ctx, &spec, &instances, true).await.expect_err("an argument that must not be omitted");
        assert!(matches!(&error, CallError::VersionCap { what, .. } if what == "`at_once` of `place`"), "{error:?}");
    }

    async fn a_module_writes_and_reads_an_argument(world: World) {
        let transport = world.transport().await;
        let _server = world.serve(&transport, "h", PickerServer::new(Server::default())).await;
        let (client, ctx) = (world.client::<picker::Api>(&transport), Context::new());
        assert_eq!(client.store(&ctx, vec![1, 100]).await.expect("an answer"), [1, 100, 66, 0]);
        let stored = client.store(&ctx, vec![7]).more(vec![8]).await;
        assert_eq!(stored.expect("an answer"), [7, 8, 66, 0]);
    }

    async fn what_has_no_name_arrives_as_a_map(world: World) {
        let transport = world.transport().await;
        let _server = world.serve(&transport, "h", PickerServer::new(Server::default())).await;
        let (client, ctx) = (world.client::<picker::Api>(&transport), Context::new());
        let states = BTreeMap::from([("up".to_owned(), 3), ("down".to_owned(), 1)]);
        let reported = client.report(&ctx, "h", &states).await.expect("an answer");
        assert_eq!(reported, BTreeMap::from([("down".into(), 1), ("h".into(), 0), ("up".into(), 3)]));
        for taken in ["host", "self", "ctxt"] {
            let states = BTreeMap::from([(taken.to_owned(), 3)]);
            let error = client.report(&ctx, "h", states).await.expect_err("the name is taken");
            assert!(matches!(error, CallError::Encode(_)) && !error.may_have_run(), "{error:?}");
        }
    }

    async fn methods_that_users_write_belong_to_the_client(world: World) {
        let transport = world.transport().await;
        let log = Log::default();
        let _server = world.serve(&transport, "h", PickerServer::new(Server(log.clone()))).await;
        let (client, ctx) = (world.client::<picker::Api>(&transport), Context::new());
        let picked = client.version_cap::<picker::V4_3>().pick_all(&ctx, &[1, 2]).await;
        assert_eq!(picked.expect("two answers"), ["1 None None None false", "2 None None None false"]);
        let picked = client.pick_for(&ctx, vec!["i"]).await.expect("an answer");
        assert_eq!(picked, "1 None Some([\"i\"]) None false");
        client.settle(&ctx).await.expect("the method has run");
        assert_eq!(log.events(), ["settled"], "a call waits for its end");
    }
}

/// On the wire, arguments without names look like all others.
#[tokio::test]
async fn a_map_of_arguments_is_written_entry_by_entry() {
    let world = World::memory();
    let transport = world.transport().await;
    let (client, ctx) = (world.client::<picker::Api>(&transport), Context::new());
    let mut heard = Overheard::on(&transport);
    let states = BTreeMap::from([("é\"".to_owned(), 3)]);
    client.report(&ctx, "h", states).await.expect_err("no server is bound");
    assert_eq!(*heard.request().args(), serde_json::json!({"host": "h", "é\"": 3}));
}

/// An unexpected error is logged for operators. An expected one is for the caller only.
#[tokio::test]
async fn errors_that_are_not_expected_are_logged_as_errors() {
    let heard = Heard::default();
    let _guard = heard.listen();
    let world = World::memory();
    let transport = world.transport().await;
    let _server = world.serve(&transport, "h", PickerServer::new(Server::default())).await;
    let (client, ctx) = (world.client::<picker::Api>(&transport), Context::new());
    for how in ["declined", "lost", "strange"] {
        client.refuse(&ctx, how).await.expect_err("as asked");
    }
    let _ = client
        .request("refuse")
        .arg("no", 1)
        .call::<(), false>(&ctx)
        .await
        .expect_err("no such argument");
    let lines = heard.lines();
    let loud: Vec<_> = lines.iter().filter(|line| line.starts_with("ERROR")).collect();
    assert!(
        loud.len() == 2 && loud[0].contains("Lost") && loud[1].contains("Strange"),
        "{lines:#?}"
    );
}
