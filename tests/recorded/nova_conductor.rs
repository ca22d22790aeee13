//! `nova.conductor.rpcapi.ConductorAPI`.

use examples::nova::{
    conductor_rpcapi::{ConductorClient, ObjectVersions, conductor},
    objects::{Dictionary, Json},
};
use rpc_runtime::{AnyHost, Context, Unchecked};

use crate::{
    compare::{Calls, Ended, assert_equal, ended},
    recording::Inputs,
};

struct Conductor;

impl Calls for Conductor {
    type Api = conductor::Api;

    async fn call(
        client: &ConductorClient<Unchecked, AnyHost>,
        ctx: &Context,
        call: &str,
        given: &Inputs,
    ) -> Ended {
        let object = || given.get::<Json>("objinst");
        let method = || given.get::<String>("objmethod");
        let args = || given.get::<Vec<Json>>("args");
        let kwargs = || given.get::<Dictionary>("kwargs");
        match call {
            "object_class_action" | "object_class_action_versions" => {
                let class = given.get::<String>("objname");
                let versions = given.get::<Option<ObjectVersions>>("object_versions");
                // If the caller gives no versions, Python's client looks up those that it knows.
                let known = || [(class.clone(), given.get::<String>("objver"))].into();
                let versions = versions.unwrap_or_else(known);
                let request = client.object_class_action_versions(
                    ctx,
                    class,
                    method(),
                    versions,
                    args(),
                    kwargs(),
                );
                ended(request.await)
            }
            "object_action" => {
                ended(client.object_action(ctx, object(), method(), args(), kwargs()).await)
            }
            "object_backport_versions" => {
                let versions = given.get::<ObjectVersions>("object_versions");
                ended(client.object_backport_versions(ctx, object(), versions).await)
            }
            other => panic!("no such method: {other}"),
        }
    }
}

#[tokio::test]
async fn the_conductor_client_sends_what_novas_sends() {
    assert_equal::<Conductor>("nova-conductor.json", &[]).await;
}
