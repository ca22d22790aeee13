//! `nova.scheduler.rpcapi.SchedulerAPI`.

use examples::nova::{
    objects::{Aggregate, InstanceList, RequestSpec},
    scheduler_rpcapi::{SchedulerClient, scheduler},
};
use rpc_runtime::{AnyHost, Context, Object, Unchecked};

use crate::{
    compare::{Calls, Ended, assert_equal, ended},
    recording::Inputs,
};

struct Scheduler;

impl Calls for Scheduler {
    type Api = scheduler::Api;

    async fn call(
        client: &SchedulerClient<Unchecked, AnyHost>,
        ctx: &Context,
        call: &str,
        given: &Inputs,
    ) -> Ended {
        let host = || given.get::<String>("host_name");
        match call {
            "select_destinations" => {
                let spec = given.get::<Object<RequestSpec>>("spec_obj");
                let instances = given.get::<Option<Vec<String>>>("instance_uuids");
                let is_set = |name| given.get::<Option<bool>>(name).unwrap_or_default();
                let request = client.select_destinations(ctx, spec).instance_uuids(instances);
                let request = request.return_objects(is_set("return_objects"));
                ended(request.return_alternates(is_set("return_alternates")).await)
            }
            "update_aggregates" => {
                let aggregates = given.get::<Vec<Object<Aggregate>>>("aggregates");
                ended(client.update_aggregates(ctx, aggregates).await)
            }
            "delete_aggregate" => {
                let aggregate = given.get::<Object<Aggregate>>("aggregate");
                ended(client.delete_aggregate(ctx, aggregate).await)
            }
            "update_instance_info" => {
                let info = given.get::<Object<InstanceList>>("instance_info");
                ended(client.update_instance_info(ctx, host(), info).await)
            }
            "delete_instance_info" => {
                let instance = given.get::<String>("instance_uuid");
                ended(client.delete_instance_info(ctx, host(), instance).await)
            }
            "sync_instance_info" => {
                let instances = given.get::<Vec<String>>("instance_uuids");
                ended(client.sync_instance_info(ctx, host(), instances).await)
            }
            other => panic!("no such method: {other}"),
        }
    }
}

#[tokio::test]
async fn the_scheduler_client_sends_what_novas_sends() {
    assert_equal::<Scheduler>("nova-scheduler.json", &[]).await;
}
