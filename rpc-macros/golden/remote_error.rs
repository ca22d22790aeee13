#[derive(RemoteError)]
#[remote(module = "cinder.exception")]
pub enum SchedulerError {
    NoValidBackend {
        reason: String,
        #[remote(name = "type", default)]
        kind: Option<String>,
    },
    NotReady,
    #[remote(class = "ValueError", module = "builtins")]
    BadValue(String, u32),
    #[remote(other)]
    Other(::rpc_runtime::Failure),
}
