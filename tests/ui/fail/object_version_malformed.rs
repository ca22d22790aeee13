use rpc_runtime::VersionedObject;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1")]
struct Volume {
    id: String,
}

fn main() {}
