use rpc_runtime::{VersionedObject, objects::Field};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, VersionedObject)]
#[object(version = "one", colour = "red")]
struct Volume<T> {
    #[serde(flatten)]
    rest: T,
    size: Field<u64>,
}

fn main() {}
