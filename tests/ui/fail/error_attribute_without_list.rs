use rpc_runtime::RemoteError;

#[derive(Debug, thiserror::Error, RemoteError)]
#[remote(module = "notes.errors")]
pub enum Wrong {
    #[error("other")]
    #[remote]
    Other(rpc_runtime::Failure),
}

fn main() {}
