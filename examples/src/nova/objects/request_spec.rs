//! An instance's requirements for a host, and the host that it gets.

use std::collections::BTreeMap;

use rpc_runtime::{
    Object, VersionedObject,
    objects::{Field, Fields, leave_out_unset},
};
use serde::{Deserialize, Serialize};

use super::{Flavor, Json};

/// An instance's requirements for a host.
#[leave_out_unset]
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "nova", version = "1.15", prefix = "nova_object")]
pub struct RequestSpec {
    /// The image that it is created from.
    pub image: Field<Option<Object<ImageMeta>>>,
    /// Its memory and processors: an `InstanceNUMATopology`.
    pub numa_topology: Field<Option<Json>>,
    /// Its devices: an `InstancePCIRequests`.
    pub pci_requests: Field<Option<Json>>,
    /// The project that it belongs to.
    pub project_id: Field<Option<String>>,
    /// The user who asks for it.
    pub user_id: Field<Option<String>>,
    /// Its availability zone.
    pub availability_zone: Field<Option<String>>,
    /// Its size.
    pub flavor: Field<Object<Flavor>>,
    /// The number of such instances.
    pub num_instances: Field<u64>,
    /// Hosts that it must not be on.
    pub ignore_hosts: Field<Option<Vec<String>>>,
    /// Hosts, one of which it must be on.
    pub force_hosts: Field<Option<Vec<String>>>,
    /// Nodes, one of which it must be on.
    pub force_nodes: Field<Option<Vec<String>>>,
    /// Its wanted destination, if that passes the filters: a `Destination`.
    pub requested_destination: Field<Option<Json>>,
    /// Earlier attempts to place it.
    pub retry: Field<Option<Object<SchedulerRetries>>>,
    /// The limits of its host.
    pub limits: Field<Option<Object<SchedulerLimits>>>,
    /// The instances that it should be near to, or far from.
    pub instance_group: Field<Option<Object<InstanceGroup>>>,
    /// Its owner's hints for the filters.
    pub scheduler_hints: Field<Option<BTreeMap<String, Vec<String>>>>,
    /// The instance.
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
    /// Its requirements for a host: an `ImageMetaProps`.
    pub properties: Field<Json>,
}

/// Earlier attempts to place an instance.
#[leave_out_unset]
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "nova", version = "1.1", prefix = "nova_object")]
pub struct SchedulerRetries {
    /// The number of attempts.
    pub num_attempts: Field<u64>,
    /// The hosts.
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

/// A list of [`ComputeNode`] objects.
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "nova", version = "1.17", prefix = "nova_object")]
pub struct ComputeNodeList {
    /// The objects in the list.
    pub objects: Vec<Object<ComputeNode>>,
}

/// The limits within which a host may accept an instance.
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

/// [`SchedulerLimits`] in the form that compute services read: a dictionary without the entries
/// that have no limit.
pub type Limits = Fields<SchedulerLimits>;

/// Returns a dictionary of limits.
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

/// Instances that should be near to each other, or far apart.
#[leave_out_unset]
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "nova", version = "1.11", prefix = "nova_object")]
pub struct InstanceGroup {
    /// Its id.
    pub uuid: Field<String>,
    /// Its policy, such as `affinity`.
    pub policy: Field<Option<String>>,
    /// Its members.
    pub members: Field<Option<Vec<String>>>,
    /// Their hosts.
    pub hosts: Field<Option<Vec<String>>>,
}

/// A host that the scheduler has picked.
#[leave_out_unset]
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "nova", version = "1.1", prefix = "nova_object")]
pub struct Selection {
    /// The node's id.
    pub compute_node_uuid: Field<String>,
    /// The host of its service.
    pub service_host: Field<String>,
    /// The node's name.
    pub nodename: Field<String>,
    /// Its limits.
    pub limits: Field<Option<Object<SchedulerLimits>>>,
}
