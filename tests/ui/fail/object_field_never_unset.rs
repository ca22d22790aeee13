use rpc_runtime::{VersionedObject, objects::Field};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.9")]
struct Volume {
    id: String,
    size: Field<u64>,
    #[serde(default)]
    status: Field<Option<String>>,
}

fn main() {}
