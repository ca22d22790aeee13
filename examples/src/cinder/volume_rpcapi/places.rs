//! The addresses of back ends, for requests and for volumes.

use rpc_runtime::{
    Address, Version,
    objects::{Field, leave_out_unset},
};
use serde::{Deserialize, Serialize};

use crate::cinder::objects::Dictionary;

/// The back end that a volume should move to.
#[leave_out_unset]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Destination {
    /// `host@backend#pool`.
    pub host: String,
    /// The cluster that it belongs to. Callers that do not know 3.5 do not send it.
    pub cluster_name: Field<Option<String>>,
    /// The driver's latest report.
    pub capabilities: Option<Dictionary>,
}

impl Destination {
    /// Returns its form from before clusters existed.
    pub(super) fn without_cluster(&self) -> Self {
        Self { cluster_name: Field::Unset, ..self.clone() }
    }
}

/// Returns the address of a back end or a cluster. Since 3.6 each has its own topic.
pub(super) fn backend(topic: &str, key: &str, cap: Version) -> Address {
    let (backend, _pool) = key.split_once('#').unwrap_or((key, ""));
    if cap < Version::new(3, 6) {
        return Address::host(topic, backend);
    }
    let (host, _backend) = backend.split_once('@').unwrap_or((backend, ""));
    Address::host(format!("{topic}.{backend}"), host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_back_end_is_a_host_before_it_is_a_topic() {
        for (key, older, newer) in [
            ("node-1", "v.node-1", "v.node-1.node-1"),
            ("node-1@ceph", "v.node-1@ceph", "v.node-1@ceph.node-1"),
            ("node-1@ceph#fast", "v.node-1@ceph", "v.node-1@ceph.node-1"),
            ("cluster-a@ceph#fast", "v.cluster-a@ceph", "v.cluster-a@ceph.cluster-a"),
        ] {
            assert_eq!(backend("v", key, Version::new(3, 5)).routing_key(), older);
            assert_eq!(backend("v", key, Version::new(3, 6)).routing_key(), newer);
        }
    }
}
