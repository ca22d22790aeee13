//! Shared code of the test binaries: a broker and topic for each test, and waiting for conditions.

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

/// How long a test waits for what should happen soon. Generous, because machines are shared.
pub const SOON: Duration = Duration::from_secs(30);

/// A broker, and a topic on it that no other test uses.
#[derive(Clone, Debug)]
pub struct World {
    url: String,
    topic: String,
}

impl World {
    /// Creates an embedded broker for one test.
    #[must_use]
    pub fn memory() -> Self {
        Self::at(&format!("memory://{}", Uuid::new_v4()))
    }

    /// Creates a topic on the broker at `url`.
    #[must_use]
    pub fn at(url: &str) -> Self {
        Self { url: url.to_owned(), topic: unique("t") }
    }

    /// Returns a topic on RabbitMQ. If no URL is set, reports the skip and returns `None`.
    ///
    /// # Panics
    /// If no URL is set, and `RPC_TEST_REQUIRE_BROKER` is.
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

    /// Uses quorum queues throughout where the broker denies transient queues. There, the original
    /// does not start with its default options. The original reads the same URL.
    #[must_use]
    pub fn with_permitted_layout(self) -> Self {
        if !denies_transient() {
            return self;
        }
        self.with_options("rabbit_quorum_queue=true&rabbit_transient_quorum_queue=true")
    }

    /// Returns the transport's URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Whether this is the embedded broker.
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

    /// Returns the builder of a server on this topic.
    pub fn server(&self, transport: &Transport, host: &str) -> ServerBuilder {
        Server::builder(transport).topic(self.topic.as_str()).host(host)
    }

    /// Binds a server to this topic, and runs it.
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

    /// Creates a client of this topic.
    #[must_use]
    pub fn client<A: Api>(&self, transport: &Transport) -> A::Client<A::Latest, AnyHost> {
        let client = A::client(Client::<A, A::Latest, AnyHost>::new(transport));
        client.prepare().topic(self.topic.as_str()).client()
    }

    /// Moves to a new virtual host, so that cutting its connections affects no other test. If the
    /// broker cannot be controlled, reports the skip and returns `None`.
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

    /// Cuts every connection to the virtual host; clients may reconnect. For a world that is
    /// [`alone`](Self::alone).
    ///
    /// # Panics
    /// If `rabbitmqctl` fails.
    pub async fn cut_connections(&self, transport: &Transport) {
        if let Some(broker) = transport.memory() {
            broker.disconnect();
            tokio::task::yield_now().await;
            broker.reconnect();
            return;
        }
        assert_ne!(self.virtual_host(), "/", "other tests have connections here, too");
        rabbitmqctl(&["close_all_connections", "--vhost", self.virtual_host(), "cut by a test"])
            .await;
    }
}

/// Runs `rabbitmqctl`. If its path is not set, reports the skip and returns `None`.
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

/// Reads a variable that `cargo xtask test` sets. If it is missing, reports the skip and returns
/// `None`.
///
/// # Panics
/// If it is missing, and `RPC_TEST_REQUIRE_BROKER` is set.
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

/// Chooses an amount: `long` with `RPC_TEST_LONG=1`, which `cargo xtask test faults --long` sets.
pub fn amount<T>(short: T, long: T) -> T {
    let is_long = std::env::var_os("RPC_TEST_LONG").is_some_and(|long| long == "1");
    if is_long { long } else { short }
}

/// A release of RabbitMQ: major and minor version.
pub type Release = (u32, u32);

/// Returns the release of the common broker, as determined by `cargo xtask`: `(4, 3)` for 4.3.6.
/// With `cargo xtask test --rabbitmq`, the nodes and the cluster run the same release. Returns
/// `None` if the release is unknown, for example because no `rabbitmqctl` is configured.
///
/// An expectation that depends on the release says `release() >= Some((4, 3))`. `None` is less than
/// every release.
#[must_use]
pub fn release() -> Option<Release> {
    release_of(&std::env::var("RPC_TEST_RABBIT_RELEASE").ok()?)
}

/// Whether the common broker denies queues that are neither durable nor exclusive, as RabbitMQ 4.3
/// does by default. With `cargo xtask test --rabbitmq`, the nodes and the cluster do the same.
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

/// Returns a unique name.
#[must_use]
pub fn unique(prefix: &str) -> String {
    format!("{prefix}-{}", Uuid::new_v4().simple())
}

/// Waits until `condition` holds.
///
/// # Panics
/// If it does not hold within [`SOON`].
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

/// A runtime that can end at any await, as a crashing process would.
#[derive(Debug)]
pub struct Doomed(Option<Runtime>);

impl Doomed {
    /// Starts the runtime.
    ///
    /// # Panics
    /// If the system denies its threads.
    #[must_use]
    pub fn start() -> Self {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).enable_all().build();
        Self(Some(runtime.unwrap_or_else(|error| panic!("no runtime: {error}"))))
    }

    /// Runs a future on this runtime, and returns its output.
    ///
    /// # Panics
    /// If the future panics, or takes longer than [`SOON`].
    pub async fn run<F>(&self, future: F) -> F::Output
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let Some(runtime) = &self.0 else { panic!("it has crashed") };
        match soon("the task on the doomed runtime", runtime.spawn(future)).await {
            Ok(output) => output,
            Err(error) => panic!("{error}"),
        }
    }

    /// Ends the runtime: each task stops at its next `await`.
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

/// Events of a test's servers, in order.
#[derive(Debug)]
pub struct Log<T>(Arc<Mutex<Vec<T>>>);

impl<T: Clone + Debug> Log<T> {
    /// Appends an event.
    pub fn push(&self, event: T) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }

    /// Returns the events so far.
    #[must_use]
    pub fn events(&self) -> Vec<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Removes and returns the events so far.
    #[must_use]
    pub fn take(&self) -> Vec<T> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the number of events so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether there is no event yet.
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

/// Turns each test into two: one on the embedded broker, one on RabbitMQ.
#[macro_export]
macro_rules! on_every_transport {
    ($($tests:tt)*) => {
        $crate::on_both! {
            memory rabbit (flavor = "multi_thread", worker_threads = 2) $($tests)*
        }
    };
}

/// Does the same as [`on_every_transport`], for tests that record the log lines of their thread.
#[macro_export]
macro_rules! on_every_transport_in_one_thread {
    ($($tests:tt)*) => {
        $crate::on_both! {
            memory_in_one_thread rabbit_in_one_thread (flavor = "current_thread") $($tests)*
        }
    };
}

/// Defines the tests in two modules, on the given kind of runtime.
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
