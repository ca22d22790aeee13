use rpc_runtime::RemoteError;

#[derive(Debug, thiserror::Error, RemoteError)]
enum Wrong {
    #[error("no")]
    No,
}

fn main() {}
