use rpc_runtime::objects::{Field, leave_out_unset};
use serde::{Deserialize, Serialize};

#[leave_out_unset(crates = ::rpc_runtime)]
#[derive(Serialize, Deserialize)]
struct Volume {
    size: Field<u64>,
}

fn main() {}
