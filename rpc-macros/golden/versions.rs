/// Places volumes on back ends.
#[rpc_api(topic = "cinder-scheduler", version = "3.2", exchange = "cinder", namespace = "scheduling")]
pub(crate) trait Scheduler: Clone {
    /// Creates a volume.
    async fn create_volume(&self, ctx: Context, volume: Volume, #[arg(since = "3.2")] backup_id: Option<Uuid>);
    /// Lists the pools.
    #[rpc(since = "3.1", timeout = "5s", idempotent, ack = "late")]
    async fn get_pools(
        &self,
        context: Context,
        #[arg(name = "filters", default)] filter: Filters,
        #[arg(since = "3.2", default = 10)] limit: u32,
    ) -> Result<Vec<Pool>, SchedulerError>;
    /// Tells every scheduler.
    #[rpc(fanout, name = "update_service_capabilities")]
    async fn update_capabilities(&self, ctx: Context, r#type: String);
    /// One host only.
    #[rpc(host, cast)]
    #[cfg(feature = "forgetful")]
    #[deprecated]
    async fn forget(&self, ctx: Context) -> Result<(), SchedulerError>;
}
