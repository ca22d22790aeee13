//! The files: what a Python client sent, call by call and cap by cap.

use std::{collections::BTreeMap, fs, path::Path};

use rpc_runtime::Version;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// What is in a file.
#[derive(Debug, Deserialize)]
pub(crate) struct Recording {
    /// The version that the client calls its own.
    pub(crate) newest: String,
    pub(crate) steps: Vec<Step>,
}

/// A call.
#[derive(Debug, Deserialize)]
pub(crate) struct Step {
    /// What tells it from the others.
    #[serde(rename = "step")]
    pub(crate) name: String,
    /// The method of the Python client.
    pub(crate) call: String,
    pub(crate) inputs: Inputs,
    /// What became of it, by the first cap for which that holds.
    caps: BTreeMap<String, Outcome>,
}

impl Step {
    /// Returns what it sent, under whatever cap.
    pub(crate) fn sent(&self) -> impl Iterator<Item = &Sent> {
        self.caps.values().flat_map(|outcome| match outcome {
            Outcome::Sent { sent } => sent.as_slice(),
            Outcome::Refused { .. } => &[],
        })
    }

    /// Returns what became of it under a cap.
    pub(crate) fn outcome(&self, cap: Version) -> &Outcome {
        let of = |key: &str| key.parse::<Version>().unwrap_or_else(|_| panic!("a version: {key}"));
        let held = self.caps.iter().filter(|(key, _)| of(key) <= cap);
        let held = held.max_by_key(|(key, _)| of(key));
        held.unwrap_or_else(|| panic!("{} under {cap}", self.name)).1
    }
}

/// What a call was given, by Python's names.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct Inputs(Map<String, Value>);

impl Inputs {
    /// Reads an input. One that was not given is read as `null`.
    pub(crate) fn get<T: DeserializeOwned>(&self, name: &str) -> T {
        let value = self.0.get(name).unwrap_or(&Value::Null);
        // By way of text, since raw values read nothing else.
        serde_json::from_str(&value.to_string())
            .unwrap_or_else(|error| panic!("{name}: {error} in {value}"))
    }

    /// Reads what is inside of an input: `text("volume/versioned_object.data/host")`.
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
    /// What left. Nothing, where Python found the answer by itself.
    #[serde(untagged)]
    Sent { sent: Vec<Sent> },
    /// The error that it was refused with.
    #[serde(untagged)]
    Refused { refused: Refused },
}

#[derive(Debug, Deserialize)]
pub(crate) struct Refused {
    pub(crate) class: String,
}

/// A request as the original's driver got it.
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
