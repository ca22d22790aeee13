use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "notes", version = "2.4")]
pub trait Notes {
    async fn add(&self, ctx: Context, #[arg(with = written)] text: u32);
}

mod written {
    pub fn serialize<S: serde::Serializer>(text: &u32, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(text)
    }
}

fn main() {}
