use rpc_runtime::objects::{Field, leave_out_unset};
use serde::{Deserialize, Serialize};

#[leave_out_unset]
#[derive(Serialize, Deserialize)]
struct Volume(Field<u64>);

fn main() {}
