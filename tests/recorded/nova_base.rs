//! `nova.baserpc.BaseAPI`.

use std::time::Duration;

use examples::nova::{
    base_rpcapi::{BaseClient, base},
    objects::Json,
};
use rpc_runtime::{AnyHost, Context, Unchecked};

use crate::{
    compare::{Calls, Ended, assert_equal, ended},
    recording::Inputs,
};

struct Base;

impl Calls for Base {
    type Api = base::Api;

    async fn call(
        client: &BaseClient<Unchecked, AnyHost>,
        ctx: &Context,
        call: &str,
        given: &Inputs,
    ) -> Ended {
        let client = client.prepare().topic("compute").client();
        match call {
            "ping" => {
                let arg = given.get::<Json>("arg");
                match given.get::<Option<u64>>("timeout").map(Duration::from_secs) {
                    Some(time) => ended(client.prepare().timeout(time).ping(ctx, arg).await),
                    None => ended(client.ping(ctx, arg).await),
                }
            }
            "get_backdoor_port" => {
                ended(client.get_backdoor_port(ctx, given.get::<String>("host")).await)
            }
            other => panic!("no such method: {other}"),
        }
    }
}

#[tokio::test]
async fn the_base_client_sends_what_novas_sends() {
    assert_equal::<Base>("nova-base.json", &[]).await;
}
