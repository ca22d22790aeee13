"""Calls of `nova.scheduler.rpcapi.SchedulerAPI`, and of `nova.baserpc.BaseAPI`."""

from nova import objects

from nova_objects import NOON, aggregate, image, instance, request_spec, uuid, whole_request_spec
from recording import step


def steps():
    given = {"spec_obj": whole_request_spec(), "instance_uuids": [uuid(1), uuid(11)]}
    yield step("select_destinations", **given)
    yield step("select_destinations", "as objects", **given, return_objects=True)
    yield step("select_destinations", "as objects, with alternates", **given, return_objects=True,
               return_alternates=True)
    yield step("select_destinations", "with alternates", **given, return_alternates=True)
    yield step("select_destinations", "small", spec_obj=request_spec(), instance_uuids=None)
    yield step("select_destinations", "of an image only", spec_obj=objects.RequestSpec(image=image()),
               instance_uuids=[uuid(1)])

    yield step("update_aggregates", aggregates=[aggregate()])
    yield step("delete_aggregate", aggregate=aggregate())
    yield step("update_instance_info", host_name="compute-1", instance_info=objects.InstanceList(objects=[instance()]))
    yield step("delete_instance_info", host_name="compute-1", instance_uuid=uuid(1))
    yield step("sync_instance_info", host_name="compute-1", instance_uuids=[uuid(1), uuid(11)])


def base_steps():
    yield step("ping", arg="héron")
    yield step("ping", "within a time", arg={"at": NOON, "to": ("a", None)}, timeout=5)
    yield step("get_backdoor_port", host="compute-1")
