//! Nodes of the fault suite, which a test may kill. `cargo xtask test` prepares them.

use std::{path::PathBuf, process::Stdio};

use tokio::{
    process::Command,
    sync::{RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use crate::{World, required, soon, unique};

/// Access to the node: many tests that leave it running, or one that may stop it.
static USE: RwLock<()> = RwLock::const_new(());
/// Access to the cluster, likewise.
static CLUSTER: RwLock<()> = RwLock::const_new(());

/// A node, controlled through its script.
#[derive(Clone, Debug)]
pub struct Node {
    script: PathBuf,
    url: String,
}

/// The node, shared by tests that leave it running.
#[derive(Debug)]
pub struct Shared {
    /// The node.
    pub node: Node,
    _guard: RwLockReadGuard<'static, ()>,
}

/// The node, for a single test that may stop or reconfigure it.
#[derive(Debug)]
pub struct Alone {
    /// The node.
    pub node: Node,
    _guard: RwLockWriteGuard<'static, ()>,
}

/// A cluster of three nodes, for a single test.
#[derive(Debug)]
pub struct Cluster {
    /// Its nodes.
    pub nodes: [Node; 3],
    _guard: RwLockWriteGuard<'static, ()>,
}

impl Shared {
    /// Acquires the node, and starts it if necessary. If no node is prepared, reports the skip and
    /// returns `None`.
    ///
    /// # Panics
    /// If the node does not start, or if none is prepared and `RPC_TEST_REQUIRE_BROKER` is set.
    pub async fn take() -> Option<Self> {
        let script = required("RPC_TEST_NODE")?;
        let guard = USE.read().await;
        Some(Self { node: Node::running(script).await, _guard: guard })
    }
}

impl Alone {
    /// Does the same as [`Shared::take`], once no other test uses the node.
    ///
    /// # Panics
    /// As [`Shared::take`].
    pub async fn take() -> Option<Self> {
        let script = required("RPC_TEST_NODE")?;
        let guard = USE.write().await;
        Some(Self { node: Node::running(script).await, _guard: guard })
    }
}

impl Node {
    /// Starts the node if an earlier test left it stopped, and resumes it if left paused.
    async fn running(script: impl Into<PathBuf>) -> Self {
        let mut node = Self { script: script.into(), url: String::new() };
        node.url = node.order(&["url"]).await.trim().to_owned();
        node.start().await;
        node.resume().await;
        node.wait().await;
        node
    }

    /// Returns the node's URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns a new topic on this node.
    #[must_use]
    pub fn world(&self) -> World {
        World::at(&self.url)
    }

    /// Returns the address of the TLS listener, and the folder with its certificates: `ca.pem` of
    /// the authority, and `service.pem` and `service.key` of a client whose user is `service`. Only
    /// the node that is [`Alone`] has such a listener.
    ///
    /// # Panics
    /// If the node has no TLS listener.
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

    /// Starts the node unless it runs, without waiting for it.
    pub async fn start(&self) {
        self.order(&["start"]).await;
    }

    /// Waits until the node accepts clients.
    pub async fn wait(&self) {
        self.order(&["wait"]).await;
    }

    /// Shuts the node down.
    pub async fn stop(&self) {
        self.order(&["stop"]).await;
    }

    /// Kills the node.
    pub async fn kill(&self) {
        self.order(&["kill"]).await;
    }

    /// Stops the node's process: its connections stay open, and silent.
    pub async fn pause(&self) {
        self.order(&["pause"]).await;
    }

    /// Lets the node's process continue.
    pub async fn resume(&self) {
        self.order(&["resume"]).await;
    }

    /// Returns the node's Erlang name.
    pub async fn name(&self) -> String {
        self.order(&["name"]).await.trim().to_owned()
    }

    /// Runs `rabbitmqctl` for this node, and returns its output.
    pub async fn ctl(&self, args: &[&str]) -> String {
        self.order(&[&["ctl", "--quiet"], args].concat()).await
    }

    /// Creates a virtual host, and returns a topic in it.
    pub async fn world_alone(&self) -> World {
        let name = unique("vhost");
        self.ctl(&["add_vhost", &name]).await;
        self.ctl(&["set_permissions", "--vhost", &name, "guest", ".*", ".*", ".*"]).await;
        World::at(&format!("{}{name}", self.url))
    }
}

impl Cluster {
    /// Acquires the cluster, and joins its nodes if necessary, which takes a while. If no cluster
    /// is prepared, as without `--long`, reports the skip and returns `None`.
    ///
    /// # Panics
    /// If a node does not start or join.
    pub async fn take() -> Option<Self> {
        let Ok(scripts) = std::env::var("RPC_TEST_CLUSTER") else {
            eprintln!("SKIPPED: only `cargo xtask test faults --long` prepares a cluster");
            return None;
        };
        let guard = CLUSTER.write().await;
        let running = scripts.split(':').map(Node::running);
        let nodes: [Node; 3] = futures_util::future::join_all(running)
            .await
            .try_into()
            .unwrap_or_else(|nodes| panic!("a cluster has three nodes, not {nodes:?}"));
        let names = futures_util::future::join_all(nodes.iter().map(Node::name)).await;
        for node in &nodes {
            // The previous test may have left the nodes partitioned.
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
            soon("all nodes to be connected", running).await;
        }
        Some(Self { nodes, _guard: guard })
    }

    /// Returns a new topic in a new virtual host, with a URL that names all nodes.
    pub async fn world_alone(&self) -> World {
        let [one, ..] = &self.nodes;
        let alone = one.world_alone().await;
        let world = self.world();
        World::at(&format!("{}{}", world.url(), alone.virtual_host()))
    }

    /// Returns a new topic, with a URL that names all nodes.
    #[must_use]
    pub fn world(&self) -> World {
        let hosts = self.nodes.each_ref().map(|node| {
            let rest = node.url.split_once("://").map_or("", |(_, rest)| rest);
            rest.trim_end_matches('/').to_owned()
        });
        World::at(&format!("amqp://{}/", hosts.join(",")))
    }
}
