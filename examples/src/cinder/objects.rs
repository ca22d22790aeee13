//! The structured values of Cinder's interfaces: versioned objects, and dictionaries without a
//! fixed form.
//!
//! The objects are those of Cinder 29.0.0, with all their fields. Each struct holds the fields of
//! an object; on the wire it is an `Object<Volume>` and so on. An id is always present, and any
//! other field that a sender has not loaded is unset. Times are text, such as
//! `2026-11-21T01:02:03Z`.

mod backup;
mod group;
mod manageable;
mod request_spec;
mod service;
mod snapshot;
mod volume;

use std::collections::BTreeMap;

use rpc_runtime::objects::Field;
use serde_json::value::RawValue;

pub use self::{
    backup::{
        Backup, BackupDevice, BackupDeviceInfo, BackupList, PlainBackupDevice, VolumeOrSnapshot,
    },
    group::{
        CGSnapshot, CGSnapshotList, ConsistencyGroup, ConsistencyGroupList, Group, GroupList,
        GroupSnapshot, GroupSnapshotList, GroupType, GroupTypeList,
    },
    manageable::{
        ManageableSnapshot, ManageableSnapshotList, ManageableVolume, ManageableVolumeList,
    },
    request_spec::{FlatRequestSpec, PlainRequestSpec, RequestSpec, VolumeProperties},
    service::{CleanupRequest, Cluster, ClusterList, LogLevel, LogLevelList, Service, ServiceList},
    snapshot::{Snapshot, SnapshotList},
    volume::{
        QualityOfServiceSpecs, QualityOfServiceSpecsList, Volume, VolumeAttachment,
        VolumeAttachmentList, VolumeList, VolumeType, VolumeTypeList,
    },
};

/// A value whose form the API does not define, as the text that was received.
pub type Json = Box<RawValue>;

/// A dictionary whose keys depend on drivers, filters or back ends.
pub type Dictionary = BTreeMap<String, Json>;

/// A back end's name for a resource that it has: a dictionary or text, depending on the driver.
pub type Reference = Json;

/// Returns a cluster, or else a host.
fn cluster_or_host<'f>(
    cluster_name: &'f Field<Option<String>>,
    host: &'f Field<Option<String>>,
) -> Option<&'f str> {
    let cluster = cluster_name.value().filter(|name| !name.is_empty());
    cluster.or_else(|| host.value()).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use rpc_runtime::Object;

    use super::*;

    #[test]
    fn a_cluster_counts_more_than_the_host_in_it() {
        let volume = |cluster: Option<&str>, host: Option<&str>| Volume {
            cluster_name: cluster.map(str::to_owned).into(),
            host: host.map(str::to_owned).into(),
            ..Volume::default()
        };
        let of = |volume: &Volume| volume.service_topic_queue().map(str::to_owned);
        assert_eq!(of(&volume(Some("c@ceph"), Some("h@ceph"))).as_deref(), Some("c@ceph"));
        assert_eq!(of(&volume(Some(""), Some("h@ceph"))).as_deref(), Some("h@ceph"));
        assert_eq!(of(&volume(None, Some("h@ceph"))).as_deref(), Some("h@ceph"));
        assert_eq!(of(&Volume::default()), None);
        let inside = Some(Box::new(Object::new(volume(None, Some("h@ceph")))));
        let snapshot = Snapshot { volume: inside.into(), ..Snapshot::default() };
        assert_eq!(snapshot.service_topic_queue(), Some("h@ceph"));
        assert_eq!(GroupSnapshot::default().service_topic_queue(), None);
    }

    fn read_backups_of_backups(count: usize) -> Result<usize, serde_json::Error> {
        let open = concat!(
            r#"{"versioned_object.name":"Backup","versioned_object.namespace":"cinder","#,
            r#""versioned_object.version":"1.7","versioned_object.data":{"id":"b","parent":"#
        );
        let text = open.repeat(count) + "null" + &"}}".repeat(count);
        let backup: Object<Backup> = serde_json::from_str(&text)?;
        Ok(serde_json::to_string(&backup)?.len() - text.len())
    }

    #[test]
    fn the_deepest_objects_take_half_of_a_stack() {
        let half = thread::Builder::new().stack_size(1 << 20);
        let read = || (read_backups_of_backups(32).ok(), read_backups_of_backups(33).is_err());
        let ended = half.spawn(read).expect("a thread").join().expect("it ends");
        assert_eq!(ended, (Some(0), true));
    }
}
