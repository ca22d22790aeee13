use rpc_runtime::RemoteError;

#[derive(Debug, thiserror::Error, RemoteError)]
#[remote(module = "m")]
enum Wrong<T> {
    #[error("a")]
    No(T),
}

fn main() {}
