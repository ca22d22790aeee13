//! The interface of Nova's conductor to its database, as `ConductorAPI` of `nova/conductor/rpcapi.py` calls it.
//!
//! Services that may not use the database ask the conductor to call a method of an object: by the object's name, with
//! the versions of objects that the caller knows.

use std::collections::BTreeMap;

use rpc_runtime::{Context, rpc_api};

use super::objects::{Dictionary, Json};

/// The version of each class that a caller knows.
pub type ObjectVersions = BTreeMap<String, String>;

/// Calls methods of objects for those who may not use the database.
#[rpc_api(
    topic = "conductor",
    version = "3.0",
    aliases(liberty = "3.0", mitaka = "3.0", newton = "3.0", ocata = "3.0")
)]
pub trait Conductor {
    /// Calls a method of a class. Returns what that returns, in versions that the caller knows.
    async fn object_class_action_versions(
        &self,
        ctx: Context,
        objname: String,
        objmethod: String,
        object_versions: ObjectVersions,
        args: Vec<Json>,
        kwargs: Dictionary,
    ) -> Json;

    /// Calls a method of an object. Returns what that changed of the object, and what it returns.
    async fn object_action(
        &self,
        ctx: Context,
        objinst: Json,
        objmethod: String,
        args: Vec<Json>,
        kwargs: Dictionary,
    ) -> (Dictionary, Json);

    /// Returns an object in the versions that the caller knows, who cannot read it as it is.
    async fn object_backport_versions(
        &self,
        ctx: Context,
        objinst: Json,
        object_versions: ObjectVersions,
    ) -> Json;
}
