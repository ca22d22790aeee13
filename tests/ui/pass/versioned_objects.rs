//! Objects as arguments and results, under the strictest lints.

#![deny(missing_docs, warnings, clippy::pedantic)]

mod vendored {
    pub(crate) use ::rpc_runtime as rpc;
}

use rpc_runtime::{
    Context, Object, VersionedObject,
    objects::{Field, Received, leave_out_unset},
    rpc_api,
};
use serde::{Deserialize, Serialize};

/// A volume.
#[leave_out_unset(crate = crate::vendored::rpc)]
#[derive(Clone, Debug, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "cinder", version = "1.9.1", name = "Volume", crate = crate::vendored::rpc)]
pub struct Disk {
    /// Its id.
    pub id: String,
    /// A snapshot of it, somewhere.
    pub r#type: Option<Box<Object<Self>>>,
    /// Its size, which is what serde is told here already.
    #[serde(skip_serializing_if = "Field::is_unset")]
    pub size: Field<u64>,
    /// Its state.
    pub status: Field<Option<String>>,
}

/// Objects at every place.
#[rpc_api(topic = "volumes", version = "1.1")]
pub trait Volumes {
    /// Takes one, and some.
    async fn create(
        &self,
        ctx: Context,
        volume: Object<Disk>,
        others: Vec<Object<Disk>>,
        #[arg(since = "1.1")] source: Option<Received<Disk>>,
    ) -> Vec<Object<Disk>>;
}

fn main() {
    let _ = volumes::INTERFACE;
    let _ = (Disk::NAME, Disk::VERSION);
}
