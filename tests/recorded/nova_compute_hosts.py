"""Calls of `nova.compute.rpcapi.ComputeAPI` that create an instance, or concern a host."""

from nova_objects import FOUND, bdms, event, image, instance, limits, migration, networks, request_spec, selection, uuid
from recording import step


def steps():
    for family in builds, rebuilds, unshelving, events, hosts:
        yield from family()


def builds():
    given = {"instance": instance(host=None), "host": "compute-2", "image": {"id": uuid(30)},
             "request_spec": request_spec(), "filter_properties": FOUND}
    more = {"admin_password": "secret", "injected_files": [["/etc/motd", "aGVsbG8="]], "requested_networks": networks(),
            "security_groups": ["default"], "block_device_mapping": bdms(), "node": "node-2"}
    yield step("build_and_run_instance", **given, **more, limits=limits(), host_list=[selection(3)],
               accel_uuids=[uuid(91)])
    yield step("build_and_run_instance", "with limits in a dictionary", **given, limits={"memory_mb": 2048})
    yield step("build_and_run_instance", "only it", **given)


def rebuilds():
    given = {"instance": instance(), "new_pass": "secret", "injected_files": [], "image_ref": uuid(30),
             "orig_image_ref": uuid(31), "orig_sys_metadata": {"image_base_image_ref": uuid(31)}, "bdms": bdms(),
             "recreate": False, "on_shared_storage": None, "preserve_ephemeral": False, "migration": migration(),
             "node": "node-2", "request_spec": request_spec()}
    early = given | {"limits": limits(), "host": "compute-2", "accel_uuids": [uuid(91)]}
    plain = {"reimage_boot_volume": False, "target_state": None}
    yield step("rebuild_instance", **early, **plain)
    yield step("rebuild_instance", "with its boot volume", **early | plain | {"reimage_boot_volume": True})
    yield step("rebuild_instance", "to be stopped", **early | plain | {"target_state": "stopped"})
    early |= {"limits": {"memory_mb": 2048}, "host": None, "accel_uuids": []}
    yield step("rebuild_instance", "at its host", **early, **plain)


def unshelving():
    given = {"instance": instance(host=None), "host": "compute-2", "request_spec": request_spec()}
    yield step("unshelve_instance", **given, image=image(), filter_properties=FOUND, node="node-2",
               accel_uuids=[uuid(91)])
    yield step("unshelve_instance", "only it", **given)


def events():
    yield step("external_instance_event", instances=[instance()], events=[event()])
    two = [instance(), instance(11, "compute-3")]
    yield step("external_instance_event", "at the host of the first", instances=two, events=[event(), event()])
    yield step("external_instance_event", "at a host", instances=two, events=[event()], host="compute-2")


def hosts():
    yield step("host_maintenance_mode", host="compute-1", host_param="compute-2", mode="on_maintenance")
    yield step("host_power_action", host="compute-1", action="reboot")
    yield step("get_host_uptime", host="compute-1")
    yield step("set_host_enabled", host="compute-1", enabled=True)
    yield step("cache_images", host="compute-1", image_ids=[uuid(30), uuid(31)])
