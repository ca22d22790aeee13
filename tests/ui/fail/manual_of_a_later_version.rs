use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "2.4")]
pub trait Notes {
    async fn list(&self, ctx: Context) -> u32;
    #[rpc(manual, since = "2.3")]
    fn twice(&self) -> u32 {
        2
    }
}

fn main() {}

fn with(client: &NotesClient<notes::V2_2>) -> u32 {
    client.twice()
}
