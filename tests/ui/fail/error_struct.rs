use rpc_runtime::RemoteError;

#[derive(Debug, thiserror::Error, RemoteError)]
#[error("no")]
#[remote(module = "m")]
struct Wrong;

fn main() {}
