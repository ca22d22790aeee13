//! Live tests with the original library: its clients against this library's servers, and the
//! reverse.
//!
//! Each test runs with the current release, and with two older ones that are still deployed: 14.9.3
//! and 12.7.3.

mod from_python;
mod notifications;
mod one_file;
mod to_python;

use std::process::Stdio;

use tests::{World, required, soon};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

/// The variable that names a Python with some release of the library.
#[derive(Clone, Copy, PartialEq)]
struct Release(&'static str);

const CURRENT: Release = Release("RPC_TEST_PYTHON");
const RELEASE_14: Release = Release("RPC_TEST_PYTHON_14");
const RELEASE_12: Release = Release("RPC_TEST_PYTHON_12");

impl Release {
    /// Returns a topic on the broker, with a layout in which this release can serve and call. If
    /// there is none, reports the skip and returns `None`. Such a layout has a durable control
    /// exchange. If that is not the default one, the topic is in a virtual host of its own.
    async fn world(self) -> Option<World> {
        if tests::denies_transient() && self == RELEASE_12 {
            eprintln!(
                "SKIPPED: the reply and fanout queues of release 12 are transient in every layout, \
                 and this broker denies them"
            );
            return None;
        }
        permitted(World::rabbit()?, World::with_permitted_layout).await
    }

    /// Does the same as [`world`](Self::world) for notifications only, whose queues release 12 can
    /// make durable.
    async fn world_of_notifications(self) -> Option<World> {
        if self == RELEASE_12 {
            let durable = |world: World| world.with_options("amqp_durable_queues=true");
            return permitted(World::rabbit()?, durable).await;
        }
        self.world().await
    }
}

/// Changes the layout in a virtual host of its own, if the broker denies the default one.
async fn permitted(world: World, change: impl FnOnce(World) -> World) -> Option<World> {
    if tests::denies_transient() { change(world).alone().await } else { Some(world) }
}

/// Turns each test into three: one for each release.
macro_rules! with_every_release {
    ($(async fn $name:ident($release:ident: Release) $body:block)*) => {
        $(async fn $name($release: $crate::Release) $body)*

        mod current {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name($crate::CURRENT).await;
            })*
        }

        mod release_14 {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name($crate::RELEASE_14).await;
            })*
        }

        mod release_12 {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name($crate::RELEASE_12).await;
            })*
        }
    };
}
use with_every_release;

/// Returns a world's URL with the only scheme that the original knows.
fn rabbit_url(world: &World) -> String {
    world.url().replacen("amqp://", "rabbit://", 1)
}

/// A running Python program of this folder, which answers each line with a line. Dropping this
/// kills it.
struct Peer {
    _process: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    /// Starts a program, and waits until it is ready. Returns `None` without a Python for it.
    async fn start(release: Release, program: &str, world: &World, args: &[&str]) -> Option<Self> {
        let url = rabbit_url(world);
        Self::spawn(release, program, &[&[&*url, world.topic()], args].concat(), "server.conf")
            .await
    }

    /// Starts a program whose options and transport URL are in a configuration file.
    async fn configured(
        release: Release,
        program: &str,
        world: &World,
        file: &str,
        args: &[&str],
    ) -> Option<Self> {
        Self::spawn(release, program, &[&["-", world.topic()], args].concat(), file).await
    }

    async fn spawn(release: Release, program: &str, args: &[&str], file: &str) -> Option<Self> {
        let python = required(release.0)?;
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/interop");
        let mut process = Command::new(python)
            .arg(format!("{folder}/{program}"))
            .args(args)
            .env("PEER_CONFIG", file)
            .current_dir(folder)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONWARNINGS", "ignore")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // The original's queue manager needs the leader of its process group to exist.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .expect("Python runs");
        let input = process.stdin.take().expect("a pipe");
        let output = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        let mut peer = Self { _process: process, input, output };
        assert_eq!(peer.line().await, "ready");
        Some(peer)
    }

    async fn line(&mut self) -> String {
        let line = soon("a line from Python", self.output.next_line()).await;
        line.expect("Python prints text").expect("Python still runs")
    }

    /// Sends a command, and returns the answer.
    async fn ask(&mut self, command: serde_json::Value) -> serde_json::Value {
        let line = format!("{command}\n");
        self.input.write_all(line.as_bytes()).await.expect("Python reads");
        serde_json::from_str(&self.line().await).expect("Python answers with JSON")
    }
}
