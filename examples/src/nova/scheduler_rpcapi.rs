//! The complete interface of Nova's scheduler, as `nova/scheduler/rpcapi.py` calls it.
//!
//! Its clients may be capped at 4.0 and later, like Nova's: pike is 4.4, mitaka to ocata are 4.3,
//! kilo and liberty are 4.2. Servers accept requests of clients of 4.3 and later.

use rpc_runtime::{Context, Object, Request, rpc_api};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use super::{
    SchedulerError,
    objects::{
        Aggregate, Dictionary, InstanceList, Json, LegacyFilterProperties, RequestSpec, Selection,
        legacy_request_spec,
    },
    options::{long_rpc_timeout, rpc_response_timeout},
};

/// The hosts for each requested instance.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Destinations {
    /// For each instance its host, followed by alternates.
    Selections(Vec<Vec<Object<Selection>>>),
    /// For each instance its host, for callers that do not ask for objects.
    Dictionaries(Vec<Dictionary>),
}

impl<'de> Deserialize<'de> for Destinations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Json::deserialize(deserializer)?;
        let selections = serde_json::from_str(text.get()).map(Self::Selections);
        let either =
            selections.or_else(|_| serde_json::from_str(text.get()).map(Self::Dictionaries));
        either.map_err(D::Error::custom)
    }
}

/// Finds hosts for instances, and tracks which instances are on which host.
#[rpc_api(
    topic = "scheduler",
    version = "4.5",
    aliases(
        kilo = "4.2",
        liberty = "4.2",
        mitaka = "4.3",
        newton = "4.3",
        ocata = "4.3",
        pike = "4.4"
    )
)]
pub trait Scheduler {
    /// Finds a host for each instance, and reserves its resources there. Before 4.3, two
    /// dictionaries replaced the request spec.
    #[rpc(
        timeout = long_rpc_timeout(),
        monitor = rpc_response_timeout(),
        before("4.3", rewrite = legacy_spec)
    )]
    async fn select_destinations(
        &self,
        ctx: Context,
        spec_obj: Object<RequestSpec>,
        #[arg(since = "4.4", or = "drop")] instance_uuids: Option<Vec<String>>,
        #[arg(since = "4.5", default)] return_objects: bool,
        #[arg(since = "4.5", default)] return_alternates: bool,
    ) -> Result<Destinations, SchedulerError>;

    /// Tells every scheduler the current state of aggregates.
    #[rpc(fanout, since = "4.1")]
    async fn update_aggregates(&self, ctx: Context, aggregates: Vec<Object<Aggregate>>);

    /// Tells every scheduler that an aggregate was deleted.
    #[rpc(fanout, since = "4.1")]
    async fn delete_aggregate(&self, ctx: Context, aggregate: Object<Aggregate>);

    /// Tells every scheduler the current state of a host's instances.
    #[rpc(fanout, since = "4.2")]
    async fn update_instance_info(
        &self,
        ctx: Context,
        host_name: String,
        instance_info: Object<InstanceList>,
    );

    /// Tells every scheduler that an instance has left a host.
    #[rpc(fanout, since = "4.2")]
    async fn delete_instance_info(&self, ctx: Context, host_name: String, instance_uuid: String);

    /// Tells every scheduler which instances a host has, so that schedulers with other data ask
    /// again.
    #[rpc(fanout, since = "4.2")]
    async fn sync_instance_info(
        &self,
        ctx: Context,
        host_name: String,
        instance_uuids: Vec<String>,
    );
}

/// Writes a request spec in its form before 4.3.
fn legacy_spec(request: Request, spec: &Object<RequestSpec>) -> Request {
    let request = request.arg("request_spec", legacy_request_spec(spec));
    request.arg("filter_properties", LegacyFilterProperties::of(spec))
}
