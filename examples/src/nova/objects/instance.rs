//! Instances, and objects about them.

use rpc_runtime::{
    Object, VersionedObject,
    objects::{Field, leave_out_unset},
};
use serde::{Deserialize, Serialize, Serializer, ser::Error as _};

use super::{Flat, flat_dictionary};

/// A virtual machine.
#[leave_out_unset]
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "nova", version = "2.8", prefix = "nova_object")]
pub struct Instance {
    /// Its number in the database of its cell.
    pub id: Field<u64>,
    /// Its id.
    pub uuid: Field<String>,
    /// Its host, once it has one.
    pub host: Field<Option<String>>,
    /// The hypervisor's node that it is on.
    pub node: Field<Option<String>>,
    /// The user who made it.
    pub user_id: Field<Option<String>>,
    /// The project that it belongs to.
    pub project_id: Field<Option<String>>,
    /// The name that its owner gave it.
    pub display_name: Field<Option<String>>,
    /// Its state, such as `active`.
    pub vm_state: Field<Option<String>>,
    /// The action in progress.
    pub task_state: Field<Option<String>>,
    /// Its size.
    pub flavor: Field<Option<Object<Flavor>>>,
}

/// A list of [`Instance`] objects.
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "nova", version = "2.6", prefix = "nova_object")]
pub struct InstanceList {
    /// The objects in the list.
    pub objects: Vec<Object<Instance>>,
}

/// A size of instances.
#[leave_out_unset]
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "nova", version = "1.2", prefix = "nova_object")]
pub struct Flavor {
    /// Its number.
    pub id: Field<u64>,
    /// Its name.
    pub name: Field<Option<String>>,
    /// Memory, in MiB.
    pub memory_mb: Field<u64>,
    /// Processors.
    pub vcpus: Field<u64>,
    /// The root disk, in GiB.
    pub root_gb: Field<u64>,
    /// Further disks, in GiB.
    pub ephemeral_gb: Field<u64>,
}

/// The move of an instance from one host to another.
#[leave_out_unset]
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "nova", version = "1.8", prefix = "nova_object")]
pub struct Migration {
    /// Its number.
    pub id: Field<u64>,
    /// Its id.
    pub uuid: Field<String>,
    /// The host that it leaves.
    pub source_compute: Field<Option<String>>,
    /// The host that it moves to.
    pub dest_compute: Field<Option<String>>,
    /// Its progress, such as `accepted`.
    pub status: Field<Option<String>>,
}

/// Hosts with a common property.
#[leave_out_unset]
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "nova", version = "1.3", prefix = "nova_object")]
pub struct Aggregate {
    /// Its number.
    pub id: Field<u64>,
    /// Its id.
    pub uuid: Field<Option<String>>,
    /// Its name.
    pub name: Field<String>,
    /// Its hosts.
    pub hosts: Field<Option<Vec<String>>>,
}

/// A network that an instance should be in.
#[leave_out_unset]
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "nova", version = "1.3", prefix = "nova_object")]
pub struct NetworkRequest {
    /// The network.
    pub network_id: Field<Option<String>>,
    /// The instance's address there.
    pub address: Field<Option<String>>,
    /// The instance's port there.
    pub port_id: Field<Option<String>>,
    /// The instance's request for a device for this network.
    pub pci_request_id: Field<Option<String>>,
    /// The instance's request for an accelerator for this network.
    pub arq_uuid: Field<Option<String>>,
    /// The kind of accelerator for this network.
    pub device_profile: Field<Option<String>>,
}

/// A list of [`NetworkRequest`] objects.
#[derive(Clone, Debug, Default, Serialize, Deserialize, VersionedObject)]
#[object(namespace = "nova", version = "1.1", prefix = "nova_object")]
pub struct NetworkRequestList {
    /// The objects in the list.
    pub objects: Vec<Object<NetworkRequest>>,
}

/// A network, an address, a port, a request for a device, a request for an accelerator, and the
/// accelerator's kind.
pub type NetworkTuple<'a> = [Option<&'a String>; 6];

/// Returns networks in their form before they were objects.
#[must_use]
pub fn network_tuples(
    networks: &Option<Object<NetworkRequestList>>,
) -> Option<Vec<NetworkTuple<'_>>> {
    let tuples = networks.as_ref()?.objects.iter().map(|request| {
        [
            &request.network_id,
            &request.address,
            &request.port_id,
            &request.pci_request_id,
            &request.arq_uuid,
            &request.device_profile,
        ]
        .map(|field| field.get().and_then(Option::as_ref))
    });
    Some(tuples.collect())
}

/// Returns a flavor in its form before it was an object.
#[must_use]
pub fn flat_flavor(flavor: &Option<Object<Flavor>>) -> Flat<'_, Option<Object<Flavor>>> {
    Flat(flavor)
}

/// Returns an instance in its form before it was an object.
#[must_use]
pub fn flat_instance(instance: &Object<Instance>) -> FlatInstance<'_> {
    FlatInstance(instance)
}

/// An instance that is written as the dictionary of its fields, with its name at the driver.
#[derive(Clone, Copy, Debug)]
pub struct FlatInstance<'a>(&'a Object<Instance>);

impl Serialize for FlatInstance<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = flat_dictionary(self.0).map_err(S::Error::custom)?;
        // As the option `instance_name_template` has it by default.
        let name = self.0.id.get().map(|id| format!("instance-{id:08x}"));
        let name = name.as_ref().or(self.0.uuid.get());
        let name = serde_json::value::to_raw_value(&name).map_err(S::Error::custom)?;
        fields.insert("name".to_owned(), name);
        fields.serialize(serializer)
    }
}
