use rpc_runtime::RemoteError;

#[derive(Debug, thiserror::Error, RemoteError)]
#[remote(modul = "m")]
enum Wrong {
    #[error("no")]
    #[remote(module = "m")]
    No,
}

fn main() {}
