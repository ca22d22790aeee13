use rpc_runtime::notification;

#[notification(event_type = "volume.create.end", priority = "warning")]
struct VolumeCreated;

fn main() {}
