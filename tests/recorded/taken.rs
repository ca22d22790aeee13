//! Requests that the Python clients were recorded to send, checked against this library's servers:
//! names, arguments, versions, namespaces.

use std::collections::BTreeSet;

use examples::nova::{
    base_rpcapi::base, compute_rpcapi::compute, compute_task_rpcapi::compute_task,
    conductor_rpcapi::conductor, scheduler_rpcapi::scheduler,
};
use rpc_runtime::Api;

use crate::recording::{Sent, read};

/// Returns why a server of this library would refuse a request, if it would.
fn refused<A: Api>(sent: &Sent) -> Option<String> {
    let interface = A::INTERFACE;
    let Sent { method: name, version, args, .. } = sent;
    let version = version.as_deref().and_then(|text| text.parse().ok());
    if !version.is_some_and(|version| interface.serves(version)) {
        return Some(format!("{name}: another version"));
    }
    if !interface.takes_namespace(sent.namespace.as_deref()) {
        return Some(format!("{name}: another namespace"));
    }
    let Some(method) = interface.method(name) else { return Some(format!("{name}: unknown")) };
    let args = args.as_object().expect("arguments");
    if let Some(unknown) = args.keys().find(|name| method.parameter(name).is_none()) {
        return Some(format!("{name}: takes no `{unknown}`"));
    }
    let required = method.parameters.iter().filter(|parameter| parameter.required);
    let mut missing =
        required.filter(|parameter| !parameter.names().any(|name| args.contains_key(name)));
    missing.next().map(|missing| format!("{name}: needs `{}`", missing.name))
}

/// Returns why servers of an interface would refuse requests of a file.
fn refusals<A: Api>(file: &str) -> BTreeSet<String> {
    let recording = read(file);
    let sent = recording.steps.iter().flat_map(|step| step.sent());
    sent.filter_map(refused::<A>).collect()
}

#[test]
fn servers_take_what_novas_clients_send_under_every_cap() {
    let none = BTreeSet::new();
    assert_eq!(refusals::<compute::Api>("nova-compute.json"), none);
    assert_eq!(refusals::<compute_task::Api>("nova-compute-task.json"), none);
    assert_eq!(refusals::<conductor::Api>("nova-conductor.json"), none);
    assert_eq!(refusals::<base::Api>("nova-base.json"), none);
    // Two dictionaries instead of a request spec, which no client has sent since Mitaka.
    let split = BTreeSet::from(["select_destinations: takes no `filter_properties`".to_owned()]);
    assert_eq!(refusals::<scheduler::Api>("nova-scheduler.json"), split);
}
