use rpc_runtime::RemoteError;

#[derive(Debug, RemoteError)]
#[remote(module = "notes.errors")]
pub enum Wrong {
    Full,
}

fn main() {}
