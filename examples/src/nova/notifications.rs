//! What Nova tells of, as that of 34.0.0 does: versioned notifications, whose payloads are objects of `nova/notifications/objects`,
//! on the topic `versioned_notifications`; and the older ones on `notifications`.
//!
//! | Type | Event | Payload |
//! |---|---|---|
//! | [`InstanceCreating`], [`InstanceCreated`] | `instance.create.start`, `instance.create.end` | [`InstanceCreatePayload`] |
//! | [`InstanceDeleted`] | `instance.delete.end` | [`InstanceActionPayload`] |
//! | [`InstanceNotRebooted`] | `instance.reboot.error`, of priority `error` | [`InstanceActionPayload`] with its `fault` |
//! | [`LegacyInstanceCreated`] | `compute.instance.create.end` | [`LegacyInstance`] |
//!
//! The payloads have the fields that an audit needs. Others stay with the [`Object`]. `tests/recorded` reads what Nova's own code
//! was recorded to send.

use std::{collections::BTreeMap, time::SystemTime};

use rpc_runtime::{Object, VersionedObject, notification, wire};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A virtual machine, when it is made.
#[derive(Clone, Debug, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "nova", version = "1.13", prefix = "nova_object")]
pub struct InstanceCreatePayload {
    /// Its id.
    pub uuid: Uuid,
    /// The project.
    pub tenant_id: Option<String>,
    /// The user who asked for it.
    pub user_id: Option<String>,
    /// The name that its owner gave it.
    pub display_name: Option<String>,
    /// The host that it is on.
    pub host: Option<String>,
    /// Its state.
    pub state: Option<String>,
    /// What size it has.
    pub flavor: Object<FlavorPayload>,
    /// When it was made.
    #[serde(with = "wire::datetime")]
    pub created_at: SystemTime,
    /// What its user notes.
    pub metadata: BTreeMap<String, String>,
    /// What it is called below.
    pub instance_name: Option<String>,
    /// Why it could not be.
    pub fault: Option<Object<ExceptionPayload>>,
}

/// A virtual machine, when something else is done with it.
#[derive(Clone, Debug, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "nova", version = "1.9", prefix = "nova_object")]
pub struct InstanceActionPayload {
    /// Its id.
    pub uuid: Uuid,
    /// The project.
    pub tenant_id: Option<String>,
    /// The user who asked for it.
    pub user_id: Option<String>,
    /// The name that its owner gave it.
    pub display_name: Option<String>,
    /// The host that it is on.
    pub host: Option<String>,
    /// Its state.
    pub state: Option<String>,
    /// What size it has.
    pub flavor: Object<FlavorPayload>,
    /// Why it could not be.
    pub fault: Option<Object<ExceptionPayload>>,
}

/// What size a virtual machine has.
#[derive(Clone, Debug, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "nova", version = "1.4", prefix = "nova_object")]
pub struct FlavorPayload {
    /// Its id.
    pub flavorid: String,
    /// Its name.
    pub name: Option<String>,
    /// In MiB.
    pub memory_mb: u64,
    /// How many processors it has.
    pub vcpus: u64,
    /// In GiB.
    pub root_gb: u64,
    /// In GiB.
    pub ephemeral_gb: u64,
}

/// Why something could not be done.
#[derive(Clone, Debug, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "nova", version = "1.1", prefix = "nova_object")]
pub struct ExceptionPayload {
    /// The module of the function below.
    pub module_name: String,
    /// Where it was raised.
    pub function_name: String,
    /// The class.
    pub exception: String,
    /// What it says.
    pub exception_message: String,
}

/// A virtual machine is about to be made.
#[notification(event_type = "instance.create.start")]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InstanceCreating(pub Object<InstanceCreatePayload>);

/// A virtual machine is there.
#[notification(event_type = "instance.create.end")]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InstanceCreated(pub Object<InstanceCreatePayload>);

/// A virtual machine is gone.
#[notification(event_type = "instance.delete.end")]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InstanceDeleted(pub Object<InstanceActionPayload>);

/// A virtual machine could not be started anew.
#[notification(event_type = "instance.reboot.error", priority = "error")]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InstanceNotRebooted(pub Object<InstanceActionPayload>);

/// A virtual machine, as `info_from_instance` tells of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LegacyInstance {
    /// Its id.
    pub instance_id: Uuid,
    /// The project.
    pub tenant_id: String,
    /// The user who asked for it.
    pub user_id: String,
    /// The name that its owner gave it.
    pub display_name: Option<String>,
    /// The name of its flavor.
    pub instance_type: String,
    /// In MiB.
    pub memory_mb: u64,
    /// In GiB.
    pub disk_gb: u64,
    /// How many processors it has.
    pub vcpus: u64,
    /// The host that it is on.
    pub host: Option<String>,
    /// Its state.
    pub state: String,
}

/// A virtual machine is there.
#[notification(event_type = "compute.instance.create.end")]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LegacyInstanceCreated(pub LegacyInstance);
