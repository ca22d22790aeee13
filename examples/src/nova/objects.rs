//! What Nova's interfaces carry besides plain values: its versioned objects, and dictionaries without a fixed form.
//!
//! The objects are those of Nova 34.0.0. Those that say where a request goes, or that older servers take in another
//! form, are structs with the fields that this needs; their other fields are kept, and go on with them. Those that only
//! pass through are [`Json`], the text that came. On the wire an instance is an `Object<Instance>`, and so on. What a
//! sender has not loaded is unset. Times are text, such as `2026-11-21T01:02:03Z`.

mod flat;
mod instance;
mod legacy;
mod request_spec;

use std::collections::BTreeMap;

use serde_json::value::RawValue;

pub use self::{
    flat::{Flat, as_flat, flat_dictionary},
    instance::{
        Aggregate, FlatInstance, Flavor, Instance, InstanceList, Migration, NetworkRequest,
        NetworkRequestList, NetworkTuple, flat_flavor, flat_instance, network_tuples,
    },
    legacy::{
        LegacyFilterProperties, LegacyInstance, LegacyRequestSpec, LegacyRetry, legacy_request_spec,
    },
    request_spec::{
        ComputeNode, ComputeNodeList, ImageMeta, InstanceGroup, Limits, RequestSpec,
        SchedulerLimits, SchedulerRetries, Selection, limits,
    },
};

/// A value that its API leaves open, or an object that only passes through, as the text that came.
pub type Json = Box<RawValue>;

/// A dictionary whose keys depend on drivers, filters or services.
pub type Dictionary = BTreeMap<String, Json>;

/// What an image is like: the fields of an `ImageMeta`, flattened.
pub type Image = Dictionary;

/// A `BlockDeviceMapping`: how an instance has a volume or an image as a device.
pub type BlockDeviceMapping = Json;

/// A `BlockDeviceMappingList`: the devices of an instance.
pub type BlockDeviceMappingList = Json;

/// A `LiveMigrateData`, of the class that the driver has: `LibvirtLiveMigrateData` and so on.
pub type LiveMigrateData = Json;

/// A `ShareMapping`: how an instance has a share of files.
pub type ShareMapping = Json;

/// An `InstanceExternalEvent`: what another service has done for an instance.
pub type ExternalEvent = Json;

/// A `MigrationContext`: what a resize changes of an instance.
pub type MigrationContext = Json;

/// A `Diagnostics`: how an instance does, as all drivers tell it.
pub type Diagnostics = Json;

/// A `BuildRequest`: an instance that has no cell yet.
pub type BuildRequest = Json;

/// A `TagList`: what the owner of an instance calls it by.
pub type TagList = Json;

/// A file to write into an instance: its path, and what is in it.
pub type InjectedFile = (String, String);

#[cfg(test)]
mod tests;
