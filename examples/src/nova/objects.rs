//! The structured values of Nova's interfaces: versioned objects, and dictionaries without a fixed
//! form.
//!
//! The objects are those of Nova 34.0.0. Objects that determine a request's host, or that older
//! servers read in another form, are structs with the required fields; they keep and pass on their
//! other fields. Objects that only pass through are [`Json`], the text that was received. On the
//! wire an instance is an `Object<Instance>`, and so on. A field that a sender has not loaded is
//! unset. Times are text, such as `2026-11-21T01:02:03Z`.

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

/// A value whose form the API does not define, or an object that only passes through, as the text
/// that was received.
pub type Json = Box<RawValue>;

/// A dictionary whose keys depend on drivers, filters or services.
pub type Dictionary = BTreeMap<String, Json>;

/// The properties of an image: the fields of an `ImageMeta`, flattened.
pub type Image = Dictionary;

/// A `BlockDeviceMapping`: the device that an instance has for a volume or an image.
pub type BlockDeviceMapping = Json;

/// A `BlockDeviceMappingList`: the devices of an instance.
pub type BlockDeviceMappingList = Json;

/// A `LiveMigrateData` in the driver's class: `LibvirtLiveMigrateData` and so on.
pub type LiveMigrateData = Json;

/// A `ShareMapping`: an instance's access to a file share.
pub type ShareMapping = Json;

/// An `InstanceExternalEvent`: an event of another service about an instance.
pub type ExternalEvent = Json;

/// A `MigrationContext`: the changes of a resize to an instance.
pub type MigrationContext = Json;

/// A `Diagnostics`: an instance's condition, in the form that all drivers share.
pub type Diagnostics = Json;

/// A `BuildRequest`: an instance without a cell.
pub type BuildRequest = Json;

/// A `TagList`: the tags that its owner gave an instance.
pub type TagList = Json;

/// A file to write into an instance: its path and its contents.
pub type InjectedFile = (String, String);

#[cfg(test)]
mod tests;
