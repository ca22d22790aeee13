use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "2.4", previous(version = "1.9"))]
pub trait Notes {
    async fn add(&self, ctx: Context, #[arg(since = "2.1")] colour: Option<String>);
}

fn main() {}

fn with(client: &NotesClient<notes::V1_9>) {
    let _ = client.add(&Context::new()).colour("red");
}
