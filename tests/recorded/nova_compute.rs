//! `nova.compute.rpcapi.ComputeAPI`, with its methods by subject.

mod consoles;
mod devices;
mod hosts;
mod instances;
mod migrations;
mod resizes;

use examples::nova::{
    compute_rpcapi::compute,
    objects::{Instance, Limits, Migration, RequestSpec, SchedulerLimits, limits},
};
use rpc_runtime::{Context, Object, objects::ObjectOr};
use serde::de::DeserializeOwned;

use crate::{
    compare::{Calls, Capped, Difference, Ended, What, assert_equal},
    recording::Inputs,
};

/// A client that has every method, and checks its cap with each call.
type Client = Capped<compute::Api>;

struct Compute;

impl Calls for Compute {
    type Api = compute::Api;

    async fn call(client: &Client, ctx: &Context, call: &str, given: &Inputs) -> Ended {
        let given = Given(given);
        if let Some(ended) = instances::call(client, ctx, call, &given).await {
            return ended;
        }
        if let Some(ended) = instances::make(client, ctx, call, &given).await {
            return ended;
        }
        if let Some(ended) = devices::call(client, ctx, call, &given).await {
            return ended;
        }
        if let Some(ended) = consoles::call(client, ctx, call, &given).await {
            return ended;
        }
        if let Some(ended) = migrations::call(client, ctx, call, &given).await {
            return ended;
        }
        if let Some(ended) = resizes::call(client, ctx, call, &given).await {
            return ended;
        }
        if let Some(ended) = resizes::across_cells(client, ctx, call, &given).await {
            return ended;
        }
        let ended = hosts::call(client, ctx, call, &given).await;
        ended.unwrap_or_else(|| panic!("no such method: {call}"))
    }
}

/// The inputs of a call, with helpers for common ones.
struct Given<'a>(&'a Inputs);

impl Given<'_> {
    fn get<T: DeserializeOwned>(&self, name: &str) -> T {
        self.0.get(name)
    }

    /// Reads a flag. Without one, returns the default of Python's client.
    fn is_set(&self, name: &str, default: bool) -> bool {
        self.get::<Option<bool>>(name).unwrap_or(default)
    }

    fn text(&self, name: &str) -> String {
        self.get(name)
    }

    fn instance(&self) -> Object<Instance> {
        self.get("instance")
    }

    fn migration(&self) -> Object<Migration> {
        self.get("migration")
    }

    fn request_spec(&self) -> Option<Object<RequestSpec>> {
        self.get("request_spec")
    }

    fn host(&self) -> Option<String> {
        self.get("host")
    }

    fn accelerators(&self) -> Option<Vec<String>> {
        self.get("accel_uuids")
    }

    /// Reads limits in the form that compute services accept.
    fn limits(&self) -> Option<Limits> {
        let given: Option<ObjectOr<SchedulerLimits, Limits>> = self.get("limits");
        given.map(|given| match given {
            ObjectOr::Object(object) => limits(&object),
            ObjectOr::Plain(plain) => plain,
        })
    }
}

const DIFFERENCES: &[Difference] = &[
    // Python's client checks whether there is an accelerator, this library's whether the argument
    // was given, even as `None`.
    Difference {
        step: "shelve_instance, with no accelerators",
        caps: ("5.0", "5.12"),
        what: What::OnlyTheirs,
    },
    // Python's client sends the request to any host, even one that does not have the instance.
    Difference {
        step: "finish_revert_resize, nowhere",
        caps: ("5.0", "6.5"),
        what: What::OnlyTheirs,
    },
];

#[tokio::test]
async fn the_compute_client_sends_what_novas_sends() {
    assert_equal::<Compute>("nova-compute.json", DIFFERENCES).await;
}
