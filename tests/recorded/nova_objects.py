"""Minimal objects of Nova."""

import datetime

from nova import objects

NOON = datetime.datetime(2026, 1, 2, 12, 0, 0, tzinfo=datetime.timezone.utc)
# The scheduler's data about an attempt, as a dictionary.
FOUND = {"retry": {"num_attempts": 1, "hosts": [["compute-2", "node-2"]]}, "limits": {}}


def uuid(number):
    return f"00000000-0000-4000-8000-{number:012}"


def unchanged(made, **changed):
    """Marks an object as unchanged, as the database returns it, then changes fields."""
    made.obj_reset_changes(recursive=True)
    for key, value in changed.items():
        setattr(made, key, value)
    return made


def instance(number=1, host="compute-1"):
    return unchanged(objects.Instance(uuid=uuid(number), host=host))


def whole_instance():
    made = objects.Instance(id=7, uuid=uuid(1), host="compute-1", node="node-1", user_id="alice", project_id="héron",
                            display_name="données", vm_state="active", task_state=None, created_at=NOON, deleted=False,
                            metadata={"a": "b"}, system_metadata={}, flavor=flavor())
    return unchanged(made, task_state="resize_prep")


def flavor():
    return unchanged(objects.Flavor(id=3, name="small", memory_mb=512, vcpus=1, root_gb=4, ephemeral_gb=0,
                                    extra_specs={"hw:mem_page_size": "small"}, projects=[]))


def image():
    properties = objects.ImageMetaProps(hw_disk_bus="virtio")
    return unchanged(objects.ImageMeta(id=uuid(30), name="données", min_ram=64, properties=properties))


def migration(**changed):
    made = objects.Migration(id=8, uuid=uuid(2), source_compute="compute-1", dest_compute="compute-2",
                             status="accepted")
    return unchanged(made, **changed)


def limits():
    return objects.SchedulerLimits(numa_topology=None, vcpu=16, disk_gb=None, memory_mb=2048)


def request_spec():
    return unchanged(objects.RequestSpec(instance_uuid=uuid(1), num_instances=1))


def whole_request_spec():
    """Returns a specification with all parts that differ in older forms."""
    tried = objects.ComputeNodeList(objects=[objects.ComputeNode(host="compute-3", hypervisor_hostname="node-3")])
    group = objects.InstanceGroup(uuid=uuid(60), policy="affinity", members=[uuid(1)], hosts=["compute-1"])
    return unchanged(objects.RequestSpec(
        instance_uuid=uuid(1), project_id="héron", user_id="alice", availability_zone="nova", num_instances=2,
        image=image(), flavor=flavor(), numa_topology=None, pci_requests=None, limits=limits(), instance_group=group,
        retry=objects.SchedulerRetries(num_attempts=1, hosts=tried), ignore_hosts=["compute-9"],
        force_hosts=["compute-2"], force_nodes=["node-2"], scheduler_hints={"hint": ["one"], "hints": ["a", "b"]},
        requested_destination=objects.Destination(host="compute-2", node=None),
    ))


def selection(number=2):
    return objects.Selection(compute_node_uuid=uuid(50 + number), service_host=f"compute-{number}",
                             nodename=f"node-{number}", limits=None)


def bdm():
    return unchanged(objects.BlockDeviceMapping(id=9, volume_id=uuid(41), source_type="volume"))


def bdms():
    return objects.BlockDeviceMappingList(objects=[bdm()])


def networks():
    request = objects.NetworkRequest(network_id=uuid(70), address="192.0.2.7", port_id=uuid(71), pci_request_id=None,
                                     tag="nic", arq_uuid=None, device_profile=None)
    return objects.NetworkRequestList(objects=[request])


def migrate_data():
    return objects.LibvirtLiveMigrateData(is_shared_block_storage=True, serial_listen_ports=[10000, 10001])


def share_mapping():
    return unchanged(objects.ShareMapping(id=4, uuid=uuid(80), instance_uuid=uuid(1), share_id=uuid(81), tag="share",
                                          status="attaching", share_proto="NFS"))


def event():
    return objects.InstanceExternalEvent(instance_uuid=uuid(1), name="network-vif-plugged", status="completed",
                                         tag=uuid(71), data={})


def build_request():
    return unchanged(objects.BuildRequest(id=5, instance_uuid=uuid(1), project_id="héron", instance=instance(1, None),
                                          block_device_mappings=bdms()))


def tags():
    return objects.TagList(objects=[objects.Tag(resource_id=uuid(1), tag="été")])


def aggregate():
    return unchanged(objects.Aggregate(id=6, uuid=uuid(90), name="fast", hosts=["compute-1"], metadata={"a": "b"}))


def keypair():
    return unchanged(objects.KeyPair(id=2, name="clé", user_id="alice", type="ssh"), name="clef")
