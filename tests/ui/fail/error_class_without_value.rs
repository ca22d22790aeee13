use rpc_runtime::RemoteError;

#[derive(Debug, thiserror::Error, RemoteError)]
#[remote(module = "notes.errors")]
pub enum Wrong {
    #[error("full")]
    #[remote(class)]
    Full,
}

fn main() {}
