//! Brokers that a test may kill: nodes of the fault suite's own, which `cargo xtask test` prepares.

use std::{path::PathBuf, process::Stdio};

use tokio::{
    process::Command,
    sync::{RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use crate::{World, required, soon, unique};

/// Who uses the node: many who leave it alone, or one who does not.
static USE: RwLock<()> = RwLock::const_new(());
/// The same for the cluster.
static CLUSTER: RwLock<()> = RwLock::const_new(());

/// A node, by its control script.
#[derive(Clone, Debug)]
pub struct Node {
    script: PathBuf,
    url: String,
}

/// The node for tests that leave it alone, several at a time.
#[derive(Debug)]
pub struct Shared {
    /// The node.
    pub node: Node,
    _guard: RwLockReadGuard<'static, ()>,
}

/// The node for one test alone, which may do with it what it likes.
#[derive(Debug)]
pub struct Alone {
    /// The node.
    pub node: Node,
    _guard: RwLockWriteGuard<'static, ()>,
}

/// A cluster of three nodes, for one test alone.
#[derive(Debug)]
pub struct Cluster {
    /// Its nodes.
    pub nodes: [Node; 3],
    _guard: RwLockWriteGuard<'static, ()>,
}

impl Shared {
    /// Takes the node, and starts it if need be. `None` after saying so where there is none.
    ///
    /// # Panics
    /// If it does not start, or there is none and `RPC_TEST_REQUIRE_BROKER` asks for one.
    pub async fn take() -> Option<Self> {
        let script = required("RPC_TEST_NODE")?;
        let guard = USE.read().await;
        Some(Self { node: Node::running(script).await, _guard: guard })
    }
}

impl Alone {
    /// As [`Shared::take`], once nobody else uses it.
    ///
    /// # Panics
    /// As there.
    pub async fn take() -> Option<Self> {
        let script = required("RPC_TEST_NODE")?;
        let guard = USE.write().await;
        Some(Self { node: Node::running(script).await, _guard: guard })
    }
}

impl Node {
    /// Whoever had the node before may have left it stopped or paused.
    async fn running(script: impl Into<PathBuf>) -> Self {
        let mut node = Self { script: script.into(), url: String::new() };
        node.url = node.order(&["url"]).await.trim().to_owned();
        node.start().await;
        node.resume().await;
        node.wait().await;
        node
    }

    /// Where clients connect.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A place on this node, with a topic of its own.
    #[must_use]
    pub fn world(&self) -> World {
        World::at(&self.url)
    }

    /// Where clients connect with TLS, and the folder with the certificates for it: of the authority, `ca.pem`, and of a client
    /// whose user would be `service`, `service.pem` and `service.key`. The node that is alone has such a listener.
    ///
    /// # Panics
    /// If it has not.
    pub async fn secured(&self) -> (String, PathBuf) {
        let told = self.order(&["secured"]).await;
        let mut lines = told.lines().map(str::to_owned);
        let address = lines.next().expect("an address");
        (address, lines.next().expect("a folder").into())
    }

    async fn order(&self, order: &[&str]) -> String {
        let mut command = Command::new(&self.script);
        let output = command.args(order).stdin(Stdio::null()).output().await;
        let output = output.unwrap_or_else(|error| panic!("cannot run a control script: {error}"));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{order:?}: {text}{errors}");
        text
    }

    /// Starts it, unless it runs. Does not wait for it.
    pub async fn start(&self) {
        self.order(&["start"]).await;
    }

    /// Waits until clients can connect.
    pub async fn wait(&self) {
        self.order(&["wait"]).await;
    }

    /// Stops it in order.
    pub async fn stop(&self) {
        self.order(&["stop"]).await;
    }

    /// Kills it.
    pub async fn kill(&self) {
        self.order(&["kill"]).await;
    }

    /// Stops its clock: connections stay, and nothing is said on them.
    pub async fn pause(&self) {
        self.order(&["pause"]).await;
    }

    /// Lets it go on.
    pub async fn resume(&self) {
        self.order(&["resume"]).await;
    }

    /// Its name among nodes.
    pub async fn name(&self) -> String {
        self.order(&["name"]).await.trim().to_owned()
    }

    /// Runs `rabbitmqctl`, and returns what it says.
    pub async fn ctl(&self, args: &[&str]) -> String {
        self.order(&[&["ctl", "--quiet"], args].concat()).await
    }

    /// Makes a virtual host with a user's rights, and returns a place in it.
    pub async fn world_alone(&self) -> World {
        let name = unique("vhost");
        self.ctl(&["add_vhost", &name]).await;
        self.ctl(&["set_permissions", "--vhost", &name, "guest", ".*", ".*", ".*"]).await;
        World::at(&format!("{}{name}", self.url))
    }
}

impl Cluster {
    /// Takes the cluster, and makes one of its nodes if need be, which takes a while. `None` after saying so where there
    /// are none, as in the short form.
    ///
    /// # Panics
    /// If a node does not start or join.
    pub async fn take() -> Option<Self> {
        let Ok(scripts) = std::env::var("RPC_TEST_CLUSTER") else {
            eprintln!("SKIPPED: `cargo xtask test faults --long` has a cluster");
            return None;
        };
        let guard = CLUSTER.write().await;
        let running = scripts.split(':').map(Node::running);
        let nodes: [Node; 3] = futures_util::future::join_all(running)
            .await
            .try_into()
            .unwrap_or_else(|nodes| panic!("three nodes are a cluster, not {nodes:?}"));
        let names = futures_util::future::join_all(nodes.iter().map(Node::name)).await;
        for node in &nodes {
            // Whoever had it before may have left them apart.
            let order = format!(
                "[erlang:set_cookie(Node, erlang:get_cookie()) || Node <- ['{}']], ok.",
                names.join("','")
            );
            node.ctl(&["eval", &order]).await;
        }
        for node in &nodes[1..] {
            if !node.ctl(&["cluster_status"]).await.contains(&names[0]) {
                node.ctl(&["stop_app"]).await;
                node.ctl(&["join_cluster", &names[0]]).await;
                node.ctl(&["start_app"]).await;
            }
        }
        for node in &nodes {
            let running = async {
                while node.ctl(&["eval", "length(rabbit_nodes:all_running())."]).await.trim() != "3"
                {
                    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                }
            };
            soon("all nodes to see each other", running).await;
        }
        Some(Self { nodes, _guard: guard })
    }

    /// Makes a virtual host with a user's rights, and returns a place in it on all nodes.
    pub async fn world_alone(&self) -> World {
        let [one, ..] = &self.nodes;
        let alone = one.world_alone().await;
        let world = self.world();
        World::at(&format!("{}{}", world.url(), alone.virtual_host()))
    }

    /// A place on all nodes, with a topic of its own.
    #[must_use]
    pub fn world(&self) -> World {
        let hosts = self.nodes.each_ref().map(|node| {
            let rest = node.url.split_once("://").map_or("", |(_, rest)| rest);
            rest.trim_end_matches('/').to_owned()
        });
        World::at(&format!("amqp://{}/", hosts.join(",")))
    }
}
