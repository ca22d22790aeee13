//! Old forms of objects.

use rpc_runtime::Object;
use serde_json::{Value, json};

use super::*;

fn object(name: &str, version: &str, data: &Value) -> Value {
    json!({
        "nova_object.name": name, "nova_object.namespace": "nova",
        "nova_object.version": version, "nova_object.data": data,
    })
}

fn written<T: serde::Serialize>(value: &T) -> Value {
    let text = serde_json::to_string(value).expect("written");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn flat_objects_have_no_trace_of_objects_left() {
    let flavor = object("Flavor", "1.2", &json!({"id": 3, "updated_at": "2026-01-02T12:00:00Z"}));
    let list = object("FlavorList", "1.1", &json!({"objects": [flavor, null]}));
    let flat = json!([{"id": 3, "updated_at": "2026-01-02T12:00:00.000000"}, null]);
    assert_eq!(written(&Flat(&json!({"a": list}))), json!({"a": flat}));
}

#[test]
fn what_has_no_limit_is_in_no_dictionary_of_limits() {
    let limits = json!({"vcpu": 16, "disk_gb": null, "numa_topology": {"cells": []}});
    let limits = object("SchedulerLimits", "1.0", &limits).to_string();
    let limits: Object<SchedulerLimits> = serde_json::from_str(&limits).expect("limits");
    assert_eq!(
        written(&super::limits(&limits)),
        json!({"vcpu": 16, "numa_topology": {"cells": []}})
    );
}
