//! Cinder's own processes, and requests about them.

use rpc_runtime::{
    Object, VersionedObject,
    objects::{Field, leave_out_unset},
};
use serde::{Deserialize, Serialize};

use super::cluster_or_host;

/// A process of Cinder on a host.
#[leave_out_unset]
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.6")]
pub struct Service {
    /// Its id.
    pub id: u64,
    /// Its host: `host`, or `host@backend`.
    pub host: Field<Option<String>>,
    /// The program: `cinder-volume` and so on.
    pub binary: Field<Option<String>>,
    /// The cluster that it belongs to.
    pub cluster_name: Field<Option<String>>,
    /// See `cluster_name`.
    pub cluster: Field<Option<Box<Object<Cluster>>>>,
    /// Its topic.
    pub topic: Field<Option<String>>,
    /// The number of its reports that it is alive.
    pub report_count: Field<u64>,
    /// Whether it receives no new work.
    pub disabled: Field<Option<bool>>,
    /// The availability zone that it is in.
    pub availability_zone: Field<Option<String>>,
    /// The reason why it is disabled.
    pub disabled_reason: Field<Option<String>>,
    /// The time of its last modification.
    pub modified_at: Field<Option<String>>,
    /// The version of its interface.
    pub rpc_current_version: Field<Option<String>>,
    /// The version of the objects that it knows.
    pub object_current_version: Field<Option<String>>,
    /// The state of its replication.
    pub replication_status: Field<Option<String>>,
    /// Whether it rejects new resources.
    pub frozen: Field<bool>,
    /// The replica that it has failed over to.
    pub active_backend_id: Field<Option<String>>,
    /// Its globally unique id.
    pub uuid: Field<String>,
    /// When it was created.
    pub created_at: Field<Option<String>>,
    /// When it was changed last.
    pub updated_at: Field<Option<String>>,
    /// When it was deleted.
    pub deleted_at: Field<Option<String>>,
    /// Whether it is deleted.
    pub deleted: Field<Option<bool>>,
}

impl Service {
    /// Returns the target of requests to it, or to the services that share its work: its cluster,
    /// or else its host.
    #[must_use]
    pub fn service_topic_queue(&self) -> Option<&str> {
        cluster_or_host(&self.cluster_name, &self.host)
    }
}

/// A list of [`Service`] objects.
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.1")]
pub struct ServiceList {
    /// The objects in the list.
    pub objects: Vec<Object<Service>>,
}

/// Services that share the work of one back end.
#[leave_out_unset]
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.1")]
pub struct Cluster {
    /// Its id.
    pub id: u64,
    /// Its name.
    pub name: Field<String>,
    /// The program: `cinder-volume` and so on.
    pub binary: Field<String>,
    /// Whether it receives no new work.
    pub disabled: Field<Option<bool>>,
    /// The reason why it is disabled.
    pub disabled_reason: Field<Option<String>>,
    /// The number of its services.
    pub num_hosts: Field<u64>,
    /// The number of its services that are down.
    pub num_down_hosts: Field<u64>,
    /// The time of the latest report of a service.
    pub last_heartbeat: Field<Option<String>>,
    /// Its services.
    pub services: Field<Option<Object<ServiceList>>>,
    /// The state of its replication.
    pub replication_status: Field<Option<String>>,
    /// Whether it rejects new resources.
    pub frozen: Field<bool>,
    /// The replica that it has failed over to.
    pub active_backend_id: Field<Option<String>>,
    /// When it was created.
    pub created_at: Field<Option<String>>,
    /// When it was changed last.
    pub updated_at: Field<Option<String>>,
    /// When it was deleted.
    pub deleted_at: Field<Option<String>>,
    /// Whether it is deleted.
    pub deleted: Field<Option<bool>>,
}

/// A list of [`Cluster`] objects.
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.0")]
pub struct ClusterList {
    /// The objects in the list.
    pub objects: Vec<Object<Cluster>>,
}

/// The services whose interrupted work should be cleaned up. A field that is unset or null matches
/// everything.
#[leave_out_unset]
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.0")]
pub struct CleanupRequest {
    /// The service.
    pub service_id: Field<Option<u64>>,
    /// The cluster of the service.
    pub cluster_name: Field<Option<String>>,
    /// The host of the service.
    pub host: Field<Option<String>>,
    /// The program: `cinder-volume` and so on.
    pub binary: Field<Option<String>>,
    /// Whether the service is up.
    pub is_up: Field<Option<bool>>,
    /// Whether the service is disabled.
    pub disabled: Field<Option<bool>>,
    /// The resource that it was working on.
    pub resource_id: Field<Option<String>>,
    /// The kind of resource: `Volume` or `Snapshot`.
    pub resource_type: Field<Option<String>>,
    /// Limits the cleanup to work that began before this time.
    pub until: Field<Option<String>>,
}

impl CleanupRequest {
    /// Returns its target: its cluster, or else its host.
    #[must_use]
    pub fn service_topic_queue(&self) -> Option<&str> {
        cluster_or_host(&self.cluster_name, &self.host)
    }
}

/// A logger's prefix and its level.
#[leave_out_unset]
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.0")]
pub struct LogLevel {
    /// The prefix of the loggers' names.
    pub prefix: Field<Option<String>>,
    /// The level, such as `DEBUG`.
    pub level: Field<Option<String>>,
}

/// A list of [`LogLevel`] objects.
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.0")]
pub struct LogLevelList {
    /// The objects in the list.
    pub objects: Vec<Object<LogLevel>>,
}
