//! A request spec in its form before it was an object: two dictionaries, the request and the
//! filters' properties.

use std::collections::{BTreeMap, BTreeSet};

use rpc_runtime::{Object, objects::Field};
use serde::Serialize;

use super::{
    ComputeNode, Flat, Flavor, ImageMeta, InstanceGroup, Json, Limits, RequestSpec, limits,
};

/// The request.
#[derive(Clone, Debug, Serialize)]
pub struct LegacyRequestSpec<'a> {
    num_instances: u64,
    image: Given<Flat<'a, Object<ImageMeta>>>,
    instance_properties: LegacyInstance<'a>,
    /// The flavor remained an object in this form.
    instance_type: Given<&'a Object<Flavor>>,
}

/// A value, or else an empty dictionary.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum Given<T> {
    Something(T),
    Nothing {},
}

impl<T> From<Option<T>> for Given<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Nothing {}, Self::Something)
    }
}

/// A request spec's properties of its instance.
#[derive(Clone, Debug, Serialize)]
pub struct LegacyInstance<'a> {
    #[serde(skip_serializing_if = "Field::is_unset")]
    numa_topology: &'a Field<Option<Json>>,
    #[serde(skip_serializing_if = "Field::is_unset")]
    pci_requests: &'a Field<Option<Json>>,
    #[serde(skip_serializing_if = "Field::is_unset")]
    project_id: &'a Field<Option<String>>,
    #[serde(skip_serializing_if = "Field::is_unset")]
    user_id: &'a Field<Option<String>>,
    #[serde(skip_serializing_if = "Field::is_unset")]
    availability_zone: &'a Field<Option<String>>,
    #[serde(skip_serializing_if = "Field::is_unset")]
    uuid: &'a Field<String>,
    #[serde(flatten)]
    size: Option<LegacySize<'a>>,
}

/// A flavor's properties of an instance.
#[derive(Clone, Debug, Serialize)]
struct LegacySize<'a> {
    #[serde(skip_serializing_if = "Field::is_unset")]
    root_gb: &'a Field<u64>,
    #[serde(skip_serializing_if = "Field::is_unset")]
    ephemeral_gb: &'a Field<u64>,
    #[serde(skip_serializing_if = "Field::is_unset")]
    memory_mb: &'a Field<u64>,
    #[serde(skip_serializing_if = "Field::is_unset")]
    vcpus: &'a Field<u64>,
}

/// Returns the first of the two dictionaries.
#[must_use]
pub fn legacy_request_spec(spec: &Object<RequestSpec>) -> LegacyRequestSpec<'_> {
    let size = spec.flavor.get().map(|flavor| LegacySize {
        root_gb: &flavor.root_gb,
        ephemeral_gb: &flavor.ephemeral_gb,
        memory_mb: &flavor.memory_mb,
        vcpus: &flavor.vcpus,
    });
    LegacyRequestSpec {
        num_instances: spec.num_instances.get().copied().unwrap_or(1),
        image: spec.image.value().map(Flat).into(),
        instance_properties: LegacyInstance {
            numa_topology: &spec.numa_topology,
            pci_requests: &spec.pci_requests,
            project_id: &spec.project_id,
            user_id: &spec.user_id,
            availability_zone: &spec.availability_zone,
            uuid: &spec.instance_uuid,
            size,
        },
        instance_type: spec.flavor.get().into(),
    }
}

/// The properties for the filters. Empty ones are omitted.
#[derive(Clone, Debug, Serialize)]
pub struct LegacyFilterProperties<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    ignore_hosts: Option<&'a Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    force_hosts: Option<&'a Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    force_nodes: Option<&'a Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry: Option<LegacyRetry<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limits: Option<Limits>,
    #[serde(flatten)]
    group: Option<LegacyGroup<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheduler_hints: Option<BTreeMap<&'a str, Hint<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    requested_destination: Option<&'a Json>,
}

/// Earlier attempts to place an instance.
#[derive(Clone, Debug, Serialize)]
pub struct LegacyRetry<'a> {
    num_attempts: Option<u64>,
    /// The host and node of each attempt.
    hosts: Vec<(Option<&'a String>, Option<&'a String>)>,
}

/// The properties of an instance's group.
#[derive(Clone, Debug, Serialize)]
struct LegacyGroup<'a> {
    group_updated: bool,
    group_hosts: BTreeSet<&'a String>,
    group_policies: BTreeSet<&'a String>,
    group_members: BTreeSet<&'a String>,
    group_uuid: Option<&'a String>,
}

/// A hint. A list with one item is written as the item.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum Hint<'a> {
    One(&'a String),
    Several(&'a [String]),
}

impl<'a> LegacyFilterProperties<'a> {
    /// Returns the second of the two dictionaries.
    #[must_use]
    pub fn of(spec: &'a Object<RequestSpec>) -> Self {
        let some =
            |list: &'a Field<Option<Vec<String>>>| list.value().filter(|list| !list.is_empty());
        let hints = spec.scheduler_hints.value().filter(|hints| !hints.is_empty());
        let retry = spec.retry.value().map(|retry| LegacyRetry {
            num_attempts: retry.num_attempts.get().copied(),
            hosts: retry
                .hosts
                .get()
                .into_iter()
                .flat_map(|hosts| &hosts.objects)
                .map(tried)
                .collect(),
        });
        Self {
            ignore_hosts: some(&spec.ignore_hosts),
            force_hosts: some(&spec.force_hosts),
            force_nodes: some(&spec.force_nodes),
            retry,
            limits: spec.limits.value().map(|object| limits(object)),
            group: spec.instance_group.value().map(|group| LegacyGroup::of(group)),
            scheduler_hints: hints.map(|hints| hints.iter().map(hint).collect()),
            requested_destination: spec.requested_destination.value(),
        }
    }
}

impl<'a> LegacyGroup<'a> {
    fn of(group: &'a InstanceGroup) -> Self {
        Self {
            group_updated: true,
            group_hosts: group.hosts.value().into_iter().flatten().collect(),
            group_policies: group.policy.value().into_iter().collect(),
            group_members: group.members.value().into_iter().flatten().collect(),
            group_uuid: group.uuid.get(),
        }
    }
}

fn tried(node: &Object<ComputeNode>) -> (Option<&String>, Option<&String>) {
    (node.host.value(), node.hypervisor_hostname.get())
}

fn hint<'a>((name, values): (&'a String, &'a Vec<String>)) -> (&'a str, Hint<'a>) {
    let hint = match values.as_slice() {
        [one] => Hint::One(one),
        several => Hint::Several(several),
    };
    (name, hint)
}
