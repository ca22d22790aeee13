//! This library's clients against servers with the signatures of Cinder's own managers: each
//! request has to fit, and has to equal that of the Python client.

use std::{collections::BTreeMap, process::Stdio, time::Duration};

use rpc_runtime::{AnyHost, Api, Client, Context, Transport, Version};
use serde::Deserialize;
use serde_json::Value;
use tests::{World, comparable::sorted, required, soon};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use crate::{
    compare::{Calls, Ended, caps},
    recording::{Outcome, Sent, Step, read},
};

/// The endpoint of a server: a topic and a host.
pub(crate) type Place = (&'static str, &'static str);

/// A method that a manager refuses under caps below a version, even from Python's client.
pub(crate) type Refusal = (&'static str, (u64, u64));

/// Makes every call of a file under every cap. Each request that is sent has to arrive once at the
/// right servers, with Python's arguments, and its reply has to be readable for this library's
/// client.
pub(crate) async fn assert_understood<C: Calls>(api: &str, places: &[Place], refused: &[Refusal]) {
    let Some(world) = World::rabbit().map(World::with_permitted_layout) else { return };
    let Some(world) = world.alone().await else { return };
    let Some(mut managers) = Managers::start(&world, api, places).await else { return };
    let transport = world.connect(|builder| builder.timeout(Duration::from_secs(20))).await;
    let recording = read(&format!("cinder-{api}.json"));
    let (mut made, mut wanted) = (Vec::new(), 0);
    for step in &recording.steps {
        for cap in caps::<C::Api>() {
            if call::<C>(&transport, step, cap).await == Ended::Left {
                let call = Made { step, cap };
                wanted += call.listeners(places);
                made.push(call);
            }
        }
    }
    let mut arrived: BTreeMap<_, Vec<Arrived>> = BTreeMap::new();
    for one in managers.arrived(wanted).await {
        arrived.entry(one.id.clone()).or_default().push(one);
    }
    for call in &made {
        let copies = arrived.remove(&id(call.step, call.cap)).unwrap_or_default();
        call.assert_arrived(&copies, places, refused);
    }
    assert!(arrived.is_empty(), "not sent: {arrived:?}");
    println!("{api}: {} calls, {wanted} arrivals", made.len());
}

/// Makes a call.
async fn call<C: Calls>(transport: &Transport, step: &Step, cap: Version) -> Ended {
    let client = Client::<C::Api, <C::Api as Api>::Latest, AnyHost>::new(transport).unchecked(cap);
    let ctx = Context::new().with("request_id", id(step, cap));
    let ctx = ctx.with("user_id", "alice").with("is_admin", false);
    C::call(&client, &ctx, &step.call, &step.inputs).await
}

/// Returns the request id of a call, which is unique.
fn id(step: &Step, cap: Version) -> String {
    format!("{} under {cap}", step.name)
}

/// A call whose request was sent.
struct Made<'a> {
    step: &'a Step,
    cap: Version,
}

impl Made<'_> {
    /// Returns the request that Python sends for this call, if any.
    fn theirs(&self) -> Option<&Sent> {
        match self.step.outcome(self.cap) {
            Outcome::Sent { sent } => sent.first(),
            Outcome::Refused { .. } => None,
        }
    }

    /// Returns how many servers receive the request.
    fn listeners(&self, places: &[Place]) -> usize {
        match self.theirs() {
            Some(sent) if sent.fanout => {
                places.iter().filter(|(topic, _)| *topic == sent.topic).count()
            }
            _ => 1,
        }
    }

    fn assert_arrived(&self, copies: &[Arrived], places: &[Place], refused: &[Refusal]) {
        let what = id(self.step, self.cap);
        assert_eq!(copies.len(), self.listeners(places), "how often {what} arrived: {copies:?}");
        let is_refused = refused.iter().any(|(call, (major, minor))| {
            *call == self.step.call && self.cap < Version::new(*major, *minor)
        });
        for one in copies {
            assert_eq!(one.refused.is_some(), is_refused, "{what}: {:?}", one.refused);
            assert_eq!(one.user.as_deref(), Some("alice"), "the user of {what}");
            // If Python sends nothing, there is nothing to compare with.
            let Some(theirs) = self.theirs() else { continue };
            assert_eq!(one.method, theirs.method, "the method of {what}");
            assert!(one.at.hears(theirs), "{what} arrived at {:?}", one.at);
            if let Some(args) = &one.args {
                assert_eq!(sorted(args), sorted(&theirs.args), "the arguments of {what}");
            }
        }
    }
}

/// A request that has arrived.
#[derive(Debug, Deserialize)]
struct Arrived {
    id: String,
    user: Option<String>,
    method: String,
    at: At,
    /// The arguments, if they fit the method's signature.
    args: Option<Value>,
    refused: Option<String>,
}

#[derive(Debug, Deserialize)]
struct At {
    topic: String,
    host: String,
}

impl At {
    /// Whether the server at this endpoint receives such a request.
    fn hears(&self, sent: &Sent) -> bool {
        let Self { topic, host } = self;
        let key = match &sent.server {
            Some(server) if !sent.fanout => format!("{}.{server}", sent.topic),
            _ => sent.topic.clone(),
        };
        *topic == key || !sent.fanout && format!("{topic}.{host}") == key
    }
}

/// The Python program with the servers. Dropping this kills it.
struct Managers {
    _process: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Managers {
    /// Starts the program, and waits until it is ready. Returns `None` without a Python that has
    /// Cinder.
    async fn start(world: &World, api: &str, places: &[Place]) -> Option<Self> {
        let python = required("RPC_TEST_CINDER_PYTHON")?;
        let mut process = Command::new(python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/recorded/managers.py"))
            // The only scheme that the original knows.
            .arg(world.url().replacen("amqp://", "rabbit://", 1))
            .arg(api)
            .args(places.iter().flat_map(|(topic, host)| [topic, host]))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONWARNINGS", "ignore")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("Python runs");
        let input = process.stdin.take().expect("a pipe");
        let output = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        let mut managers = Self { _process: process, input, output };
        assert_eq!(managers.line().await, "ready");
        Some(managers)
    }

    async fn line(&mut self) -> String {
        let line = soon("a line from Python", self.output.next_line()).await;
        line.expect("Python prints text").expect("Python still runs")
    }

    /// Waits until `count` requests have arrived, or for a limited time. Returns all of them.
    async fn arrived(&mut self, count: usize) -> Vec<Arrived> {
        self.input.write_all(format!("{count}\n").as_bytes()).await.expect("Python reads");
        serde_json::from_str(&self.line().await).expect("Python answers with JSON")
    }
}
