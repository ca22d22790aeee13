use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "1.4")]
pub trait Notes {
    async fn add(&self, ctx: Context, text: String, #[arg(constant = true)] urgent: bool);
}

async fn call(notes: NotesClient) {
    let _ = notes.add(&Context::new(), "text", true).await;
}

fn main() {}
