use rpc_runtime::VersionedObject;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.9")]
struct Volume<T> {
    id: T,
}

fn main() {}
