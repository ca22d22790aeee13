/// A volume is there.
#[derive(Deserialize, Serialize)]
struct VolumeCreated<T: Clone> {
    volume: T,
}
#[automatically_derived]
impl<T: Clone> ::rpc_runtime::Notification for VolumeCreated<T> {
    const EVENT_TYPE: &'static str = "volume.create.end";
    const PRIORITY: ::rpc_runtime::notify::Priority = ::rpc_runtime::notify::Priority::Error;
}
