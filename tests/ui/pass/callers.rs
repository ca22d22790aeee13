//! What callers may write.

use rpc_runtime::{Context, rpc_api};

#[derive(serde::Serialize, serde::Deserialize)]
pub struct Filters {
    name: String,
}

#[rpc_api(topic = "t", version = "1.2")]
pub trait Api {
    async fn list(&self, ctx: Context, filters: Option<Filters>, names: Vec<String>, text: String) -> Vec<String>;
    async fn grown(&self, ctx: Context, #[arg(since = "1.1")] a: Option<u8>, #[arg(since = "1.2", default = 5)] b: u8) -> u8;
    #[rpc(since = "1.2")]
    async fn newer(&self, ctx: Context) -> u8;
}

async fn calls(client: ApiClient, ctx: Context, filters: Filters) {
    let (names, text) = (vec![String::from("a")], String::from("b"));
    let _ = client.list(&ctx, None, &names, &text).await;
    let _ = client.list(&ctx, &filters, names.as_slice(), "b").await;
    let _ = client.list(&ctx, Some(filters), names, text).await;
    let _ = client.grown(&ctx).await;
    let _ = client.grown(&ctx).a(1).b(2).await;
    let _ = client.grown(&ctx).a(None).b_or_drop(2).await;
    let prepared = client.prepare().server("h").timeout(std::time::Duration::from_secs(1)).client();
    let _ = prepared.newer(&ctx).await;
    if let Some(client) = client.negotiated(rpc_runtime::Version::new(1, 2)).narrow::<api::V1_2>() {
        let _ = client.newer(&ctx).await;
    }
    let _ = tokio::spawn(client.newer(&ctx)).await;
}

fn everything_up_to<C: api::AtLeastV1_2>(client: &ApiClient<C>, ctx: &Context) {
    drop((client.newer(ctx), client.grown(ctx).a(1)));
}

fn main() {
    let _ = (calls, everything_up_to::<api::V1_2>);
}
