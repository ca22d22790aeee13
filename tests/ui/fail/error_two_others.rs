use rpc_runtime::RemoteError;

#[derive(Debug, thiserror::Error, RemoteError)]
#[remote(module = "m")]
enum Wrong {
    #[error("a")]
    #[remote(other)]
    One(rpc_runtime::Failure),
    #[error("b")]
    #[remote(other)]
    Two(rpc_runtime::Failure),
}

fn main() {}
