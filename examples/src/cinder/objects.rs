//! What Cinder's interfaces carry besides plain values: its versioned objects, and dictionaries without a fixed form.
//!
//! Each is JSON text as it came: whoever needs a field reads it from there. The names say which object it is.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// A value that its API leaves open, as the text that came.
pub type Json = Box<RawValue>;

/// A dictionary whose keys depend on drivers, filters or back ends.
pub type Dictionary = BTreeMap<String, Json>;

/// The object `Volume`.
pub type Volume = Json;

/// The object `Snapshot`.
pub type Snapshot = Json;

/// The object `VolumeAttachment`: who uses a volume, and how.
pub type VolumeAttachment = Json;

/// The object `Backup`.
pub type Backup = Json;

/// The object `BackupDeviceInfo`: the volume or snapshot that a backup reads from. A caller that does not ask for
/// objects gets a dictionary with `backup_device`, `is_snapshot` and `secure_enabled` in its place.
pub type BackupDevice = Json;

/// The object `Group`: volumes that are kept together.
pub type Group = Json;

/// The object `GroupSnapshot`.
pub type GroupSnapshot = Json;

/// The object `RequestSpec`: what a volume needs of a back end.
pub type RequestSpec = Json;

/// A [`RequestSpec`] that the sender has flattened to a plain dictionary of its fields.
pub type FlatRequestSpec = Dictionary;

/// The object `CleanupRequest`: whose interrupted work is to be tidied up.
pub type CleanupRequest = Json;

/// The object `Service`: a process of Cinder on a host.
pub type Service = Json;

/// The object `LogLevel`: a logger's prefix and its level.
pub type LogLevel = Json;

/// The object `LogLevelList`.
pub type LogLevelList = Json;

/// The object `ManageableVolume`: one that a back end has and Cinder does not know. A caller that does not ask for
/// objects gets a dictionary in its place.
pub type ManageableVolume = Json;

/// The object `ManageableSnapshot`, or a dictionary, as with [`ManageableVolume`].
pub type ManageableSnapshot = Json;

/// What a back end calls something that it has: a dictionary, or text, as its driver likes.
pub type Reference = Json;
