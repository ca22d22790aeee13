use rpc_runtime::rpc_api;

#[rpc_api(topic = "notes", version = "2.4")]
pub trait Notes {
    #[rpc(manual, cast)]
    fn add_all(&self) {}
}

fn main() {}
