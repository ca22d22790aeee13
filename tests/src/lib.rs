//! What the test binaries share: a place of one's own on each transport, and waiting for conditions.

pub mod authority;
pub mod bomb;
pub mod comparable;
pub mod expansions;
pub mod heard;
pub mod held;
pub mod node;
pub mod overheard;
pub mod poison;
pub mod proxy;
pub mod raw;

use std::{
    fmt::Debug,
    future::Future,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rpc_runtime::{
    AnyHost, Api, Client, Dispatch, Running, Server, ServerBuilder, Service, Transport,
    TransportBuilder,
};
use tokio::runtime::Runtime;
use uuid::Uuid;

/// How long anything may take that should happen soon. Generous: machines are shared.
pub const SOON: Duration = Duration::from_secs(30);

/// A broker, and a topic on it that no other test uses.
#[derive(Clone, Debug)]
pub struct World {
    url: String,
    topic: String,
}

impl World {
    /// An embedded broker of its own.
    #[must_use]
    pub fn memory() -> Self {
        Self::at(&format!("memory://{}", Uuid::new_v4()))
    }

    /// A topic of its own on the broker at `url`.
    #[must_use]
    pub fn at(url: &str) -> Self {
        Self { url: url.to_owned(), topic: unique("t") }
    }

    /// RabbitMQ, or `None` after saying so where none is given.
    ///
    /// # Panics
    /// If there is none, and `RPC_TEST_REQUIRE_BROKER` asks for one.
    #[must_use]
    pub fn rabbit() -> Option<Self> {
        let url = required("RPC_TEST_RABBIT_URL")?;
        Some(Self::at(&url))
    }

    /// Adds options to the URL, such as `rabbit_quorum_queue=true`.
    #[must_use]
    pub fn with_options(mut self, options: &str) -> Self {
        self.url.push(if self.url.contains('?') { '&' } else { '?' });
        self.url.push_str(options);
        self
    }

    /// Changes the layout to quorum queues throughout where the broker denies transient queues.
    /// There, the original's default options do not start. It reads the same URL.
    #[must_use]
    pub fn with_permitted_layout(self) -> Self {
        if !denies_transient() {
            return self;
        }
        self.with_options("rabbit_quorum_queue=true&rabbit_transient_quorum_queue=true")
    }

    /// The transport's URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Whether the broker is the embedded one.
    #[must_use]
    pub fn is_memory(&self) -> bool {
        self.url.starts_with("memory:")
    }

    /// Connects.
    pub async fn transport(&self) -> Transport {
        self.connect(|builder| builder).await
    }

    /// Connects with other options.
    ///
    /// # Panics
    /// If that fails.
    pub async fn connect(
        &self,
        change: impl FnOnce(TransportBuilder) -> TransportBuilder,
    ) -> Transport {
        let transport = change(Transport::builder(&self.url)).connect().await;
        transport.unwrap_or_else(|error| panic!("cannot connect: {error:?}"))
    }

    /// Starts a server on this world's topic.
    pub fn server(&self, transport: &Transport, host: &str) -> ServerBuilder {
        Server::builder(transport).topic(self.topic.as_str()).host(host)
    }

    /// Starts a server on this world's topic, and lets it run.
    ///
    /// # Panics
    /// If it cannot be bound.
    pub async fn serve<A: Api, S: Send + Sync + 'static>(
        &self,
        transport: &Transport,
        host: &str,
        service: Service<A, S>,
    ) -> Running
    where
        Service<A, S>: Dispatch<A>,
    {
        let bound = self.server(transport, host).serve(service).bind().await;
        bound.unwrap_or_else(|error| panic!("cannot bind: {error:?}")).run()
    }

    /// Makes a client of this world's topic.
    #[must_use]
    pub fn client<A: Api>(&self, transport: &Transport) -> A::Client<A::Latest, AnyHost> {
        let client = A::client(Client::<A, A::Latest, AnyHost>::new(transport));
        client.prepare().topic(self.topic.as_str()).client()
    }

    /// Moves to a virtual host of one's own, so that what is done to its connections is done to nobody else's. `None`
    /// after saying so where the broker cannot be controlled.
    pub async fn alone(mut self) -> Option<Self> {
        if !self.is_memory() {
            let virtual_host = unique("vhost");
            rabbitmqctl(&["add_vhost", &virtual_host]).await?;
            rabbitmqctl(&["set_permissions", "--vhost", &virtual_host, "guest", ".*", ".*", ".*"])
                .await?;
            let (place, options) = self.url.split_at(self.url.find('?').unwrap_or(self.url.len()));
            let end = place.rfind('/').filter(|end| !place[..*end].ends_with('/'));
            let server = &place[..end.unwrap_or(place.len())];
            self.url = format!("{server}/{virtual_host}{options}");
        }
        Some(self)
    }

    /// Returns the virtual host.
    #[must_use]
    pub fn virtual_host(&self) -> &str {
        let path = self
            .url
            .split("://")
            .nth(1)
            .and_then(|rest| rest.split_once('/'))
            .map_or("", |(_, path)| path.split_once('?').map_or(path, |(path, _)| path));
        if path.is_empty() { "/" } else { path }
    }

    /// Breaks every connection to the virtual host, and lets them come back. To be used [`alone`](Self::alone).
    ///
    /// # Panics
    /// If the broker's control program fails.
    pub async fn cut_connections(&self, transport: &Transport) {
        if let Some(broker) = transport.memory() {
            broker.disconnect();
            tokio::task::yield_now().await;
            broker.reconnect();
            return;
        }
        assert_ne!(self.virtual_host(), "/", "others have connections here, too");
        rabbitmqctl(&["close_all_connections", "--vhost", self.virtual_host(), "cut by a test"])
            .await;
    }
}

/// Runs RabbitMQ's control program. `None` after saying so where none is given.
///
/// # Panics
/// If it fails.
pub async fn rabbitmqctl(args: &[&str]) -> Option<String> {
    let program = required("RPC_TEST_RABBITMQCTL")?;
    let output =
        tokio::process::Command::new(program).args(args).stdin(Stdio::null()).output().await;
    let output = output.unwrap_or_else(|error| panic!("cannot run rabbitmqctl: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "rabbitmqctl {args:?}: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(text)
}

/// Reads a setting that `cargo xtask test` makes. Without it a test skips, and says so.
///
/// # Panics
/// If it is missing, and `RPC_TEST_REQUIRE_BROKER` asks for everything.
#[must_use]
pub fn required(name: &str) -> Option<String> {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty());
    if value.is_none() {
        let given =
            name == "RPC_TEST_RABBITMQCTL" && std::env::var_os("RPC_TEST_GIVEN_BROKER").is_some();
        assert!(
            given || std::env::var_os("RPC_TEST_REQUIRE_BROKER").is_none(),
            "{name} is not set, and this run requires it"
        );
        eprintln!("SKIPPED: {name} is not set; `cargo xtask test` sets it");
    }
    value
}

/// How much there is of something: more with `RPC_TEST_LONG=1`, which `cargo xtask test faults --long` sets.
pub fn amount<T>(short: T, long: T) -> T {
    let is_long = std::env::var_os("RPC_TEST_LONG").is_some_and(|long| long == "1");
    if is_long { long } else { short }
}

/// A release of RabbitMQ: its major and minor version, so that releases compare.
pub type Release = (u32, u32);

/// Returns the release of the common broker, as `cargo xtask` found it: `(4, 3)` for 4.3.6. With
/// `cargo xtask test --rabbitmq`, the nodes and the cluster have it, too. Returns `None` if it is
/// unknown, as of a broker that is given without a program to ask by.
///
/// An expectation that depends on the release says `release() >= Some((4, 3))`. `None` is less than
/// every release.
#[must_use]
pub fn release() -> Option<Release> {
    release_of(&std::env::var("RPC_TEST_RABBIT_RELEASE").ok()?)
}

/// Whether the common broker refuses queues that are neither durable nor exclusive, as upstream's
/// 4.3 does. With `cargo xtask test --rabbitmq`, the nodes and the cluster do likewise.
#[must_use]
pub fn denies_transient() -> bool {
    std::env::var_os("RPC_TEST_DENY_TRANSIENT").is_some_and(|denies| denies == "1")
}

/// Reads the first two numbers of a version.
fn release_of(version: &str) -> Option<Release> {
    let (major, rest) = version.split_once('.')?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    Some((major.parse().ok()?, rest[..end].parse().ok()?))
}

/// Returns a name that nothing else has.
#[must_use]
pub fn unique(prefix: &str) -> String {
    format!("{prefix}-{}", Uuid::new_v4().simple())
}

/// Waits until `condition` holds.
///
/// # Panics
/// If it does not within [`SOON`].
pub async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let holds = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(SOON, holds).await.is_ok(), "not within {SOON:?}: {what}");
}

/// Waits for `future`.
///
/// # Panics
/// If it takes longer than [`SOON`].
pub async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(SOON, future).await {
        Ok(output) => output,
        Err(_) => panic!("not within {SOON:?}: {what}"),
    }
}

/// A runtime of its own, which may end in the middle of anything, as a process would that crashes.
#[derive(Debug)]
pub struct Doomed(Option<Runtime>);

impl Doomed {
    /// Starts it.
    ///
    /// # Panics
    /// If there are no threads for it.
    #[must_use]
    pub fn start() -> Self {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).enable_all().build();
        Self(Some(runtime.unwrap_or_else(|error| panic!("no runtime: {error}"))))
    }

    /// Runs something on it, to its end.
    ///
    /// # Panics
    /// If that panics, or does not end soon.
    pub async fn run<F>(&self, future: F) -> F::Output
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let Some(runtime) = &self.0 else { panic!("it has crashed") };
        match soon("what runs on the doomed runtime", runtime.spawn(future)).await {
            Ok(output) => output,
            Err(error) => panic!("{error}"),
        }
    }

    /// Ends it: nothing that runs on it gets any further than its next `await`.
    pub fn crash(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Doomed {
    fn drop(&mut self) {
        self.end();
    }
}

/// What servers of a test have done, in order.
#[derive(Debug)]
pub struct Log<T>(Arc<Mutex<Vec<T>>>);

impl<T: Clone + Debug> Log<T> {
    /// Notes an event.
    pub fn push(&self, event: T) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }

    /// Returns what was noted so far.
    #[must_use]
    pub fn events(&self) -> Vec<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes out what was noted so far.
    #[must_use]
    pub fn take(&self) -> Vec<T> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns how much was noted so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether nothing was noted yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Default for Log<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> Clone for Log<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Makes of each test two: one on the embedded broker, one on RabbitMQ.
#[macro_export]
macro_rules! on_every_transport {
    ($($tests:tt)*) => {
        $crate::on_both! {
            memory rabbit (flavor = "multi_thread", worker_threads = 2) $($tests)*
        }
    };
}

/// As [`on_every_transport`], for tests that listen to the log lines of their own thread.
#[macro_export]
macro_rules! on_every_transport_in_one_thread {
    ($($tests:tt)*) => {
        $crate::on_both! {
            memory_in_one_thread rabbit_in_one_thread (flavor = "current_thread") $($tests)*
        }
    };
}

/// Makes tests in two modules, on a runtime of this kind.
#[doc(hidden)]
#[macro_export]
macro_rules! on_both {
    ($memory:ident $rabbit:ident $runtime:tt
     $($(#[$attribute:meta])* async fn $name:ident($world:ident: World) $body:block)*) => {
        $($(#[$attribute])* async fn $name($world: $crate::World) $body)*

        mod $memory {
            $(#[tokio::test $runtime]
            async fn $name() {
                super::$name($crate::World::memory()).await;
            })*
        }

        mod $rabbit {
            $(#[tokio::test $runtime]
            async fn $name() {
                if let Some(world) = $crate::World::rabbit() {
                    super::$name(world).await;
                }
            })*
        }
    };
}

#[cfg(test)]
mod tests {
    use super::{World, release_of};

    #[tokio::test]
    async fn options_of_a_url_are_no_part_of_its_virtual_host() {
        let world = World::at("amqp://localhost:5672/own").with_options("a=1").with_options("b=/");
        assert_eq!(world.url(), "amqp://localhost:5672/own?a=1&b=/");
        assert_eq!(world.virtual_host(), "own");
        assert_eq!(World::at("amqp://localhost").with_options("a=1").virtual_host(), "/");
    }

    #[test]
    fn a_release_is_the_first_two_numbers_of_a_version() {
        assert_eq!(release_of("3.10.8"), Some((3, 10)));
        assert_eq!(release_of("4.3"), Some((4, 3)));
        assert_eq!(release_of("4.10.0-rc.1"), Some((4, 10)));
        for version in ["", "4", "4.", "four.three"] {
            assert_eq!(release_of(version), None, "{version}");
        }
        assert!(release_of("3.13.7") < Some((4, 0)) && None < release_of("3.10.8"));
    }
}
