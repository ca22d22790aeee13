//! Where requests go whose interface computes that.

use std::sync::Arc;

use rpc_idl::Version;

/// A topic, and a host of it if the request is for one.
///
/// An interface with `#[rpc_api(address = path)]` names a function that makes it of the topic, of a key, and of the cap:
/// the oldest version that a server may have. The key is what a method's `host = "…"` says, or what a client has been
/// prepared with.
///
/// ```
/// use rpc_runtime::{Address, Version};
///
/// /// Cinder's back ends, `host@backend`, have topics of their own since 3.6.
/// fn backend(topic: &str, key: &str, cap: Version) -> Address {
///     match key.split_once('@') {
///         Some((host, _)) if cap >= Version::new(3, 6) => Address::host(format!("{topic}.{key}"), host),
///         _ => Address::host(topic, key),
///     }
/// }
///
/// assert_eq!(backend("cinder-volume", "node-1@ceph", Version::new(3, 6)).routing_key(), "cinder-volume.node-1@ceph.node-1");
/// assert_eq!(backend("cinder-volume", "node-1@ceph", Version::new(3, 5)).routing_key(), "cinder-volume.node-1@ceph");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub(crate) topic: Arc<str>,
    pub(crate) host: Option<Arc<str>>,
}

/// Makes an address of the topic, of a key, and of the client's cap.
pub type AddressFn = fn(topic: &str, key: &str, cap: Version) -> Address;

impl Address {
    /// Addresses any one server of a topic; with a fanout method, each of them.
    #[must_use]
    pub fn topic(topic: impl Into<Arc<str>>) -> Self {
        Self { topic: topic.into(), host: None }
    }

    /// Addresses the server on one host of a topic.
    #[must_use]
    pub fn host(topic: impl Into<Arc<str>>, host: impl Into<Arc<str>>) -> Self {
        Self { topic: topic.into(), host: Some(host.into()) }
    }

    /// Returns what a request to one server is routed by: the topic, or the topic, a dot and the host (wire: section 0).
    #[must_use]
    pub fn routing_key(&self) -> String {
        match &self.host {
            Some(host) => format!("{}.{host}", self.topic),
            None => self.topic.to_string(),
        }
    }
}
