//! Cinder's own processes, and what is asked of them.

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
    /// Where it runs: `host`, or `host@backend`.
    pub host: Field<Option<String>>,
    /// The program: `cinder-volume` and so on.
    pub binary: Field<Option<String>>,
    /// The cluster that it belongs to.
    pub cluster_name: Field<Option<String>>,
    /// See `cluster_name`.
    pub cluster: Field<Option<Box<Object<Cluster>>>>,
    /// Its topic.
    pub topic: Field<Option<String>>,
    /// How often it has reported that it is alive.
    pub report_count: Field<u64>,
    /// Whether it gets no new work.
    pub disabled: Field<Option<bool>>,
    /// The availability zone that it is in.
    pub availability_zone: Field<Option<String>>,
    /// Why it is disabled.
    pub disabled_reason: Field<Option<String>>,
    /// When somebody changed it.
    pub modified_at: Field<Option<String>>,
    /// The version of its interface.
    pub rpc_current_version: Field<Option<String>>,
    /// The version of the objects that it knows.
    pub object_current_version: Field<Option<String>>,
    /// How its replication is.
    pub replication_status: Field<Option<String>>,
    /// Whether nothing new may be made there.
    pub frozen: Field<bool>,
    /// The replica that it has failed over to.
    pub active_backend_id: Field<Option<String>>,
    /// Its other id, which is the same everywhere.
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
    /// Returns where requests to it, or to whoever shares its work, go: its cluster, or else its host.
    #[must_use]
    pub fn service_topic_queue(&self) -> Option<&str> {
        cluster_or_host(&self.cluster_name, &self.host)
    }
}

/// Several [`Service`]s.
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.1")]
pub struct ServiceList {
    /// They.
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
    /// Whether it gets no new work.
    pub disabled: Field<Option<bool>>,
    /// Why it is disabled.
    pub disabled_reason: Field<Option<String>>,
    /// How many services it has.
    pub num_hosts: Field<u64>,
    /// How many of them are down.
    pub num_down_hosts: Field<u64>,
    /// When one of them reported last.
    pub last_heartbeat: Field<Option<String>>,
    /// They.
    pub services: Field<Option<Object<ServiceList>>>,
    /// How its replication is.
    pub replication_status: Field<Option<String>>,
    /// Whether nothing new may be made there.
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

/// Several [`Cluster`]s.
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.0")]
pub struct ClusterList {
    /// They.
    pub objects: Vec<Object<Cluster>>,
}

/// Whose interrupted work is to be tidied up. What is unset or null matches everything.
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
    /// What it worked at.
    pub resource_id: Field<Option<String>>,
    /// What kind of thing that is: `Volume` or `Snapshot`.
    pub resource_type: Field<Option<String>>,
    /// Only what was begun before.
    pub until: Field<Option<String>>,
}

impl CleanupRequest {
    /// Returns whom it is for: its cluster, or else its host.
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
    /// What the loggers' names begin with.
    pub prefix: Field<Option<String>>,
    /// The level, such as `DEBUG`.
    pub level: Field<Option<String>>,
}

/// Several [`LogLevel`]s.
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.0")]
pub struct LogLevelList {
    /// They.
    pub objects: Vec<Object<LogLevel>>,
}
