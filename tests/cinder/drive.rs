//! The Python program that calls Cinder's API, and its report of each call.

use std::{collections::BTreeMap, process::Stdio, time::Duration};

use serde::Deserialize;
use serde_json::Value;
use tests::{World, required};
use tokio::process::Command;

/// The limit for all calls. Each ends within 20 s.
const LIMIT: Duration = Duration::from_secs(180);

/// A call of Cinder's API.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Step {
    /// The version of the oldest service that the API knows.
    pub(crate) cap: String,
    /// The name of this call, unique for its cap. Together they are the request's id.
    pub(crate) step: String,
    /// The API's method.
    pub(crate) call: String,
    /// The request that has to arrive. `None` if the API refuses the call.
    pub(crate) sent: Option<Sent>,
    /// The value that the API returned.
    pub(crate) answer: Option<Returned>,
    /// The exception that it raised.
    pub(crate) error: Option<Raised>,
}

/// A request that has to arrive.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Sent {
    pub(crate) method: String,
    pub(crate) args: BTreeMap<String, Value>,
    /// The routing key: a topic, or a topic and a host.
    pub(crate) to: String,
    pub(crate) fanout: bool,
    /// Whether it is a call.
    pub(crate) awaited: bool,
    /// Whether the API converts the reply.
    pub(crate) converted: bool,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Returned {
    /// The name of the Python type.
    pub(crate) kind: String,
    pub(crate) value: Value,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Raised {
    pub(crate) class: String,
    pub(crate) text: String,
}

/// The API's version, methods and cleanups.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct End {
    /// The API's own version.
    pub(crate) newest: String,
    pub(crate) methods: Vec<String>,
    /// How often a call wrote to the table of cleanups.
    pub(crate) workers: usize,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Step(Step),
    End { end: End },
}

/// Calls every method of `api` for each of `caps`. Returns `None` without a Python that has Cinder.
pub(crate) async fn drive(world: &World, api: &str, caps: &[String]) -> Option<(Vec<Step>, End)> {
    let python = required("RPC_TEST_CINDER_PYTHON")?;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/cinder");
    let mut command = Command::new(python);
    command
        .arg(format!("{folder}/drive.py"))
        // The only scheme that the original knows.
        .arg(world.url().replacen("amqp://", "rabbit://", 1))
        .arg(api)
        .args(caps)
        .current_dir(folder)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONWARNINGS", "ignore")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(LIMIT, command.output()).await;
    let output = output.expect("the calls end in time").expect("Python runs");
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
