use rpc_runtime::RemoteError;

#[derive(Debug, thiserror::Error, RemoteError)]
#[remote(module = "notes.errors")]
pub enum Wrong {
    #[error("full {most}")]
    Full {
        #[remote(name = "self")]
        most: u32,
    },
}

fn main() {}
