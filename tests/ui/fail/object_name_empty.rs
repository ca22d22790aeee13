use rpc_runtime::VersionedObject;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, VersionedObject)]
#[object(namespace = "", version = "1.9", name = "", prefix = "")]
struct Volume {
    id: String,
}

fn main() {}
