use rpc_runtime::RemoteError;

#[derive(RemoteError)]
#[remote(module = "notes.errors")]
pub enum Wrong {
    Full,
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("full")
    }
}

fn main() {}
