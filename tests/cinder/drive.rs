//! The Python program: what it says of the calls that it has made.

use std::{collections::BTreeMap, process::Stdio, time::Duration};

use serde::Deserialize;
use serde_json::Value;
use tests::{World, required};
use tokio::process::Command;

/// How long all calls may take. Each ends after 20 s at the latest.
const LIMIT: Duration = Duration::from_secs(180);

/// A call that Cinder's API was asked for.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Step {
    /// The version of the oldest service that the API knows of.
    pub(crate) cap: String,
    /// What tells this call from all others under that cap. The two are its request's id.
    pub(crate) step: String,
    /// The method of the API.
    pub(crate) call: String,
    /// What has to arrive: nothing where the API refuses the call.
    pub(crate) sent: Option<Sent>,
    /// What the API returned.
    pub(crate) answer: Option<Returned>,
    /// What it raised.
    pub(crate) error: Option<Raised>,
}

/// A request that has to arrive.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Sent {
    pub(crate) method: String,
    pub(crate) args: BTreeMap<String, Value>,
    /// Its routing key: a topic, or a topic and a host.
    pub(crate) to: String,
    pub(crate) fanout: bool,
    /// Whether it is a call.
    pub(crate) awaited: bool,
    /// Whether the API makes something else of the reply.
    pub(crate) converted: bool,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Returned {
    /// The name of its type in Python.
    pub(crate) kind: String,
    pub(crate) value: Value,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Raised {
    pub(crate) class: String,
    pub(crate) text: String,
}

/// What the API has.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct End {
    /// The version that it calls its own.
    pub(crate) newest: String,
    pub(crate) methods: Vec<String>,
    /// How often a call wrote to the table of what is to be cleaned up.
    pub(crate) workers: usize,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Step(Step),
    End { end: End },
}

/// Calls every method of `api` for each of `caps`. `None` where there is no Python that has Cinder.
pub(crate) async fn drive(world: &World, api: &str, caps: &[String]) -> Option<(Vec<Step>, End)> {
    let python = required("RPC_TEST_CINDER_PYTHON")?;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/cinder");
    let mut command = Command::new(python);
    command
        .arg(format!("{folder}/drive.py"))
        // The one spelling of the scheme that the original knows.
        .arg(world.url().replacen("amqp://", "rabbit://", 1))
        .arg(api)
        .args(caps)
        .current_dir(folder)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONWARNINGS", "ignore")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(LIMIT, command.output()).await;
    let output = output.expect("the calls come to an end").expect("Python runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", output.status);
    let (mut steps, mut ends) = (Vec::new(), Vec::new());
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        match serde_json::from_str(line) {
            Ok(Line::Step(step)) => steps.push(step),
            Ok(Line::End { end }) => ends.push(end),
            Err(error) => panic!("{line}: {error}"),
        }
    }
    Some((steps, ends.pop().expect("the API's methods at the end")))
}
