use rpc_runtime::VersionedObject;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, VersionedObject)]
struct Volume {
    id: String,
}

fn main() {}
