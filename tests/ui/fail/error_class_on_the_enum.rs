use rpc_runtime::RemoteError;

#[derive(Debug, thiserror::Error, RemoteError)]
#[remote(module = "notes.errors", class = "Full")]
pub enum Wrong {
    #[error("full")]
    Full,
}

fn main() {}
