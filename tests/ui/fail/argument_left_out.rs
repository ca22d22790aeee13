use rpc_runtime::{Context, rpc_api};

#[rpc_api(topic = "cinder-scheduler", version = "3.12")]
trait Scheduler {
    async fn create_volume(&self, ctx: Context, name: String, #[arg(since = "3.10")] backup_id: Option<String>);
    #[rpc(since = "3.8")]
    async fn validate(&self, ctx: Context, backend: String) -> bool;
    #[rpc(host)]
    async fn forget(&self, ctx: Context);
    #[rpc(fanout)]
    async fn tell(&self, ctx: Context);
    async fn get_pools(&self, ctx: Context, filters: Option<u32>) -> u32;
}

fn calls(client: &SchedulerClient, ctx: &Context) {
    let _ = client.validate(ctx);
}

fn main() {}
