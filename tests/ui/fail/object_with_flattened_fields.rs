use rpc_runtime::VersionedObject;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.9")]
struct Volume {
    id: String,
    #[serde(flatten)]
    rest: std::collections::BTreeMap<String, String>,
}

fn main() {}
