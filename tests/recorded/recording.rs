//! Recordings of what a Python client sent, by call and cap.

use std::{collections::BTreeMap, fs, path::Path};

use rpc_runtime::Version;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// The contents of a file.
#[derive(Debug, Deserialize)]
pub(crate) struct Recording {
    /// The client's own version.
    pub(crate) newest: String,
    pub(crate) steps: Vec<Step>,
}

/// A call and its outcomes.
#[derive(Debug, Deserialize)]
pub(crate) struct Step {
    /// The unique name of the call.
    #[serde(rename = "step")]
    pub(crate) name: String,
    /// The method of the Python client.
    pub(crate) call: String,
    pub(crate) inputs: Inputs,
    /// The outcomes, each by the first cap to which it applies.
    caps: BTreeMap<String, Outcome>,
}

impl Step {
    /// Returns what the call sent under any cap.
    pub(crate) fn sent(&self) -> impl Iterator<Item = &Sent> {
        self.caps.values().flat_map(|outcome| match outcome {
            Outcome::Sent { sent } => sent.as_slice(),
            Outcome::Refused { .. } => &[],
        })
    }

    /// Returns the outcome under a cap.
    pub(crate) fn outcome(&self, cap: Version) -> &Outcome {
        let of = |key: &str| key.parse::<Version>().unwrap_or_else(|_| panic!("a version: {key}"));
        let held = self.caps.iter().filter(|(key, _)| of(key) <= cap);
        let held = held.max_by_key(|(key, _)| of(key));
        held.unwrap_or_else(|| panic!("{} under {cap}", self.name)).1
    }
}

/// The inputs of a call, by their Python names.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct Inputs(Map<String, Value>);

impl Inputs {
    /// Reads an input. A missing one is read as `null`.
    pub(crate) fn get<T: DeserializeOwned>(&self, name: &str) -> T {
        let value = self.0.get(name).unwrap_or(&Value::Null);
        // Through text, because `RawValue` cannot be read from a `Value`.
        serde_json::from_str(&value.to_string())
            .unwrap_or_else(|error| panic!("{name}: {error} in {value}"))
    }

    /// Reads a value inside an input: `inside("volume/versioned_object.data/host")`.
    pub(crate) fn inside<T: DeserializeOwned>(&self, path: &str) -> T {
        let mut parts = path.split('/');
        let mut value = parts.next().and_then(|name| self.0.get(name)).unwrap_or(&Value::Null);
        for part in parts {
            value = value.get(part).unwrap_or(&Value::Null);
        }
        serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{path}: {error}"))
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    /// The requests; empty if Python found the answer without one.
    #[serde(untagged)]
    Sent { sent: Vec<Sent> },
    /// The error of a refused call.
    #[serde(untagged)]
    Refused { refused: Refused },
}

#[derive(Debug, Deserialize)]
pub(crate) struct Refused {
    pub(crate) class: String,
}

/// A request as the original's driver received it.
#[derive(Debug, Deserialize)]
pub(crate) struct Sent {
    pub(crate) kind: String,
    pub(crate) method: String,
    pub(crate) args: Value,
    pub(crate) version: Option<String>,
    pub(crate) namespace: Option<String>,
    pub(crate) topic: String,
    pub(crate) server: Option<String>,
    pub(crate) fanout: bool,
    /// In seconds.
    pub(crate) timeout: Option<u64>,
    /// In seconds.
    pub(crate) monitor: Option<u64>,
}

/// Reads a file of this folder.
pub(crate) fn read(name: &str) -> Recording {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("recorded").join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}
