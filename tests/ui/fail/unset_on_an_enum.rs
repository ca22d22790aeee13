use rpc_runtime::objects::{Field, leave_out_unset};
use serde::{Deserialize, Serialize};

#[leave_out_unset]
#[derive(Serialize, Deserialize)]
enum Volume {
    Size(Field<u64>),
}

fn main() {}
