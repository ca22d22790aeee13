use rpc_runtime::NotificationListener;

#[derive(serde::Deserialize)]
struct VolumeCreated;

fn listen(transport: &rpc_runtime::Transport) {
    let _ = NotificationListener::builder(transport).on(|_, _: VolumeCreated| async {});
}

fn main() {}
