//! What an instance needs of a host, and which host it gets.

use std::collections::BTreeMap;

use rpc_runtime::{
    Object, VersionedObject,
    objects::{Field, Fields, leave_out_unset},
};
use serde::{Deserialize, Serialize};

use super::{Flavor, Json};

/// What an instance needs of a host.
#[leave_out_unset]
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "nova", version = "1.15", prefix = "nova_object")]
pub struct RequestSpec {
    /// The image that it is made from.
    pub image: Field<Option<Object<ImageMeta>>>,
    /// Which memory and processors it is to have: an `InstanceNUMATopology`.
    pub numa_topology: Field<Option<Json>>,
    /// Which devices it is to have: an `InstancePCIRequests`.
    pub pci_requests: Field<Option<Json>>,
    /// The project that it belongs to.
    pub project_id: Field<Option<String>>,
    /// The user who asks for it.
    pub user_id: Field<Option<String>>,
    /// The availability zone that it is to be in.
    pub availability_zone: Field<Option<String>>,
    /// What size it is to have.
    pub flavor: Field<Object<Flavor>>,
    /// How many such instances are asked for.
    pub num_instances: Field<u64>,
    /// Hosts that it must not be on.
    pub ignore_hosts: Field<Option<Vec<String>>>,
    /// Hosts, one of which it has to be on.
    pub force_hosts: Field<Option<Vec<String>>>,
    /// Nodes, one of which it has to be on.
    pub force_nodes: Field<Option<Vec<String>>>,
    /// Where it is to go, if that passes the filters: a `Destination`.
    pub requested_destination: Field<Option<Json>>,
    /// Where it was tried already.
    pub retry: Field<Option<Object<SchedulerRetries>>>,
    /// What its host has to keep to.
    pub limits: Field<Option<Object<SchedulerLimits>>>,
    /// The instances that it is to be near to, or far from.
    pub instance_group: Field<Option<Object<InstanceGroup>>>,
    /// What its owner tells the filters.
    pub scheduler_hints: Field<Option<BTreeMap<String, Vec<String>>>>,
    /// It.
    pub instance_uuid: Field<String>,
}

/// An image.
#[leave_out_unset]
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "nova", version = "1.8", prefix = "nova_object")]
pub struct ImageMeta {
    /// Its id.
    pub id: Field<String>,
    /// Its name.
    pub name: Field<String>,
    /// What it asks of a host: an `ImageMetaProps`.
    pub properties: Field<Json>,
}

/// Where an instance was tried already.
#[leave_out_unset]
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "nova", version = "1.1", prefix = "nova_object")]
pub struct SchedulerRetries {
    /// How often.
    pub num_attempts: Field<u64>,
    /// On which hosts.
    pub hosts: Field<Object<ComputeNodeList>>,
}

/// A hypervisor's node.
#[leave_out_unset]
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "nova", version = "1.19", prefix = "nova_object")]
pub struct ComputeNode {
    /// The host that it is on.
    pub host: Field<Option<String>>,
    /// Its name.
    pub hypervisor_hostname: Field<String>,
}

/// Several [`ComputeNode`]s.
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "nova", version = "1.17", prefix = "nova_object")]
pub struct ComputeNodeList {
    /// They.
    pub objects: Vec<Object<ComputeNode>>,
}

/// What a host has to keep to when it takes an instance.
#[leave_out_unset]
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "nova", version = "1.0", prefix = "nova_object")]
pub struct SchedulerLimits {
    /// A `NUMATopologyLimits`.
    pub numa_topology: Field<Option<Json>>,
    /// Processors.
    pub vcpu: Field<Option<u64>>,
    /// Disk, in GiB.
    pub disk_gb: Field<Option<u64>>,
    /// Memory, in MiB.
    pub memory_mb: Field<Option<u64>>,
}

/// [`SchedulerLimits`] as compute services take them: a dictionary, without what has no limit.
pub type Limits = Fields<SchedulerLimits>;

/// Makes a dictionary of limits.
#[must_use]
pub fn limits(limits: &SchedulerLimits) -> Limits {
    fn limited<T: Clone>(limit: &Field<Option<T>>) -> Field<Option<T>> {
        match limit {
            Field::Set(Some(_)) => limit.clone(),
            _ => Field::Unset,
        }
    }
    Fields::new(SchedulerLimits {
        numa_topology: limited(&limits.numa_topology),
        vcpu: limited(&limits.vcpu),
        disk_gb: limited(&limits.disk_gb),
        memory_mb: limited(&limits.memory_mb),
    })
}

/// Instances that are to be near to each other, or far apart.
#[leave_out_unset]
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "nova", version = "1.11", prefix = "nova_object")]
pub struct InstanceGroup {
    /// Its id.
    pub uuid: Field<String>,
    /// Which of both, such as `affinity`.
    pub policy: Field<Option<String>>,
    /// They.
    pub members: Field<Option<Vec<String>>>,
    /// The hosts that they are on.
    pub hosts: Field<Option<Vec<String>>>,
}

/// A host that the scheduler has found.
#[leave_out_unset]
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "nova", version = "1.1", prefix = "nova_object")]
pub struct Selection {
    /// The node's id.
    pub compute_node_uuid: Field<String>,
    /// The host that its service runs on.
    pub service_host: Field<String>,
    /// The node's name.
    pub nodename: Field<String>,
    /// What it has to keep to.
    pub limits: Field<Option<Object<SchedulerLimits>>>,
}
