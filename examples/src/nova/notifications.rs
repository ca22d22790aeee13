//! The notifications of Nova 34.0.0: versioned ones, whose payloads are objects of
//! `nova/notifications/objects`, on the topic `versioned_notifications`; and the older ones on
//! `notifications`.
//!
//! - [`InstanceCreating`] and [`InstanceCreated`]: the events `instance.create.start` and
//!   `instance.create.end`, with an [`InstanceCreatePayload`]
//! - [`InstanceDeleted`]: `instance.delete.end`, with an [`InstanceActionPayload`]
//! - [`InstanceNotRebooted`]: `instance.reboot.error` of priority `error`, with an
//!   [`InstanceActionPayload`] and its `fault`
//! - [`LegacyInstanceCreated`]: `compute.instance.create.end`, with a [`LegacyInstance`]
//!
//! The payloads have the fields that an audit requires. The [`Object`] keeps the others.
//! `tests/recorded` reads notifications that were recorded from Nova's own code.

use std::{collections::BTreeMap, time::SystemTime};

use rpc_runtime::{Object, VersionedObject, notification, wire};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A virtual machine that is created.
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
    /// Its size.
    pub flavor: Object<FlavorPayload>,
    /// When it was made.
    #[serde(with = "wire::datetime")]
    pub created_at: SystemTime,
    /// The metadata that its user has set.
    pub metadata: BTreeMap<String, String>,
    /// Its name at the hypervisor.
    pub instance_name: Option<String>,
    /// The reason for a failure.
    pub fault: Option<Object<ExceptionPayload>>,
}

/// A virtual machine that is the subject of another action.
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
    /// Its size.
    pub flavor: Object<FlavorPayload>,
    /// The reason for a failure.
    pub fault: Option<Object<ExceptionPayload>>,
}

/// The size of a virtual machine.
#[derive(Clone, Debug, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "nova", version = "1.4", prefix = "nova_object")]
pub struct FlavorPayload {
    /// Its id.
    pub flavorid: String,
    /// Its name.
    pub name: Option<String>,
    /// In MiB.
    pub memory_mb: u64,
    /// Its number of processors.
    pub vcpus: u64,
    /// In GiB.
    pub root_gb: u64,
    /// In GiB.
    pub ephemeral_gb: u64,
}

/// The reason why an action failed.
#[derive(Clone, Debug, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "nova", version = "1.1", prefix = "nova_object")]
pub struct ExceptionPayload {
    /// The module of the function below.
    pub module_name: String,
    /// The function that raised it.
    pub function_name: String,
    /// The class.
    pub exception: String,
    /// Its message.
    pub exception_message: String,
}

/// The creation of a virtual machine begins.
#[notification(event_type = "instance.create.start")]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InstanceCreating(pub Object<InstanceCreatePayload>);

/// A virtual machine was created.
#[notification(event_type = "instance.create.end")]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InstanceCreated(pub Object<InstanceCreatePayload>);

/// A virtual machine was deleted.
#[notification(event_type = "instance.delete.end")]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InstanceDeleted(pub Object<InstanceActionPayload>);

/// A virtual machine could not be restarted.
#[notification(event_type = "instance.reboot.error", priority = "error")]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InstanceNotRebooted(pub Object<InstanceActionPayload>);

/// A virtual machine, as `info_from_instance` describes it.
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
    /// Its number of processors.
    pub vcpus: u64,
    /// The host that it is on.
    pub host: Option<String>,
    /// Its state.
    pub state: String,
}

/// A virtual machine was created.
#[notification(event_type = "compute.instance.create.end")]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LegacyInstanceCreated(pub LegacyInstance);
