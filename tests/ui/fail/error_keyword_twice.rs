use rpc_runtime::RemoteError;

#[derive(Debug, thiserror::Error, RemoteError)]
#[remote(module = "notes.errors")]
pub enum Wrong {
    #[error("full {most}")]
    Full {
        most: u32,
        #[remote(name = "most")]
        least: u32,
    },
}

fn main() {}
