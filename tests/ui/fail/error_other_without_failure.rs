use rpc_runtime::RemoteError;

#[derive(Debug, thiserror::Error, RemoteError)]
#[remote(module = "m")]
enum Wrong {
    #[error("a")]
    #[remote(other)]
    Other,
}

fn main() {}
