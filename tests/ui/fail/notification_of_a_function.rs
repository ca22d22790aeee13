use rpc_runtime::notification;

#[notification(event_type = "volume.create.end")]
fn created() {}

fn main() {}
