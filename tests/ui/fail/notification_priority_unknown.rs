use rpc_runtime::notification;

#[notification(event_type = "volume.create.end", priority = "urgent")]
struct VolumeCreated;

fn main() {}
