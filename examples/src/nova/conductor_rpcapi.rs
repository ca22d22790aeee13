//! The interface of Nova's conductor for access to the database, as `ConductorAPI` of
//! `nova/conductor/rpcapi.py` calls it.
//!
//! Services without access to the database ask the conductor to call a method of an object. They
//! send the object's name, and the versions of objects that they know.

use std::collections::BTreeMap;

use rpc_runtime::{Context, rpc_api};

use super::objects::{Dictionary, Json};

/// The version of each class that a caller knows.
pub type ObjectVersions = BTreeMap<String, String>;

/// Calls methods of objects for services without access to the database.
#[rpc_api(
    topic = "conductor",
    version = "3.0",
    aliases(liberty = "3.0", mitaka = "3.0", newton = "3.0", ocata = "3.0")
)]
pub trait Conductor {
    /// Calls a method of a class. Returns its result, in versions that the caller knows.
    async fn object_class_action_versions(
        &self,
        ctx: Context,
        objname: String,
        objmethod: String,
        object_versions: ObjectVersions,
        args: Vec<Json>,
        kwargs: Dictionary,
    ) -> Json;

    /// Calls a method of an object. Returns the object's changes and the method's result.
    async fn object_action(
        &self,
        ctx: Context,
        objinst: Json,
        objmethod: String,
        args: Vec<Json>,
        kwargs: Dictionary,
    ) -> (Dictionary, Json);

    /// Returns an object in a version that the caller knows, for a caller that cannot read the
    /// current one.
    async fn object_backport_versions(
        &self,
        ctx: Context,
        objinst: Json,
        object_versions: ObjectVersions,
    ) -> Json;
}
