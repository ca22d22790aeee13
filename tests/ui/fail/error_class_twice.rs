use rpc_runtime::RemoteError;

#[derive(Debug, thiserror::Error, RemoteError)]
#[remote(module = "m")]
enum Wrong {
    #[error("a")]
    Same,
    #[error("b")]
    #[remote(class = "Same")]
    Other,
}

fn main() {}
