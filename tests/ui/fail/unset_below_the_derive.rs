use rpc_runtime::{
    VersionedObject,
    objects::{Field, leave_out_unset},
};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.9")]
#[leave_out_unset]
struct Volume {
    size: Field<u64>,
}

fn main() {}
