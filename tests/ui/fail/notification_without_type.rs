use rpc_runtime::notification;

#[notification(priority = "info")]
struct VolumeCreated;

fn main() {}
