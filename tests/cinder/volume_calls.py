"""Calls of all methods of `cinder.volume.rpcapi.VolumeAPI`."""

from cinder.scheduler import host_manager

import samples
from call import Call

CONNECTOR = {"host": "compute-1", "ip": "192.0.2.7", "multipath": False, "wwpns": ["50014380242b9751"]}
FOUND = {"retry": {"num_attempts": 1, "hosts": []}, "limits": None}


class Calls:
    """The calls that a cap allows."""

    def __init__(self, can):
        self._can = can

    def _to(self, backend="node-1@ceph"):
        # Before 3.6, a back end is a host of the common topic. Since then it has its own topic.
        host, _, _ = backend.partition("@")
        return f"cinder-volume.{backend}.{host}" if self._can("3.6") else f"cinder-volume.{backend}"

    def _cast(self, name, given, sent=None, since="3.0", **more):
        """Returns a cast. By default, its arguments are sent as they are given."""
        sent = given if sent is None else sent
        return Call(name, given, sent if self._can(since) else None, more.pop("to", self._to()), **more)

    def _call(self, name, given, sent=None, since="3.0", **more):
        return self._cast(name, given, sent, since, awaited=True, **more)

    def volumes(self):
        volume, new = samples.volume(), samples.volume(11, samples.OTHER_HOST)
        spec, ref = samples.request_spec(), {"source-name": "lun 0"}
        given = {"volume": volume, "request_spec": spec, "filter_properties": FOUND}
        yield self._cast("create_volume", given, {**given, "allow_reschedule": True})
        given = {"volume": volume, "unmanage_only": False, "cascade": True}
        yield self._cast("delete_volume", given)
        image = {"id": samples.uuid(30), "container_format": "bare", "size": 2**40}
        yield self._cast("copy_volume_to_image", {"volume": volume, "image_meta": image},
                         {"volume_id": volume.id, "image_meta": image})
        yield self._cast("manage_existing", {"volume": volume, "ref": ref})
        given = {"volume": volume, "image_meta": image, "image_snap": samples.uuid(31)}
        sent = given if self._can("3.20") else {"volume": volume, "image_meta": image}
        yield self._cast("reimage", given, sent, since="3.18")
        given = {"volume": volume, "new_size": 8, "reservations": [samples.uuid(9)]}
        yield self._cast("extend_volume", given)
        yield self._cast("extend_volume_completion", {**given, "error": True}, since="3.19")
        given = {"volume": volume, "new_volume": new, "error": False}
        yield self._call("migrate_volume_completion", given)
        yield self._call("update_migrated_volume",
                         {"volume": volume, "new_volume": new, "original_volume_status": "in-use"},
                         {"volume": volume, "new_volume": new, "volume_status": "in-use"}, to=self._to("node-2@nfs"))
        given = {"volume": volume, "new_user": "bob", "new_project": "projet", "no_snapshots": True}
        sent = {"volume_id": volume.id, "new_user": "bob", "new_project": "projet"}
        yield self._call("accept_transfer", given, {**sent, "no_snapshots": True} if self._can("3.16") else sent)
        yield self._call("secure_file_operations_enabled", {"volume": volume})

    def moves(self):
        volume = samples.volume()
        backend = host_manager.BackendState(samples.OTHER_HOST, "cluster-a@ceph", {"free_capacity_gb": 1.5})
        host = {"host": samples.OTHER_HOST, "capabilities": {"free_capacity_gb": 1.5}}
        if self._can("3.5"):
            host["cluster_name"] = "cluster-a@ceph"
        given = {"volume": volume, "dest_backend": backend, "force_host_copy": True}
        yield self._cast("migrate_volume", given, {"volume": volume, "host": host, "force_host_copy": True})
        more = {"volume": volume, "new_type_id": samples.uuid(22), "migration_policy": "on-demand",
                "reservations": [samples.uuid(9)], "old_reservations": None}
        yield self._cast("retype", {**more, "dest_backend": backend}, {**more, "host": host})

    def connections(self):
        volume, attachment = samples.volume(), samples.uuid(40)
        given = {"volume": volume, "instance_uuid": samples.uuid(41), "host_name": None, "mountpoint": "/dev/vdb",
                 "mode": "rw"}
        sent = {**given, "volume_id": volume.id}
        if not self._can("3.3"):
            del sent["volume"]
        yield self._call("attach_volume", given, sent)
        given = {"volume": volume, "attachment_id": attachment}
        sent = {"volume_id": volume.id, "attachment_id": attachment}
        yield self._call("detach_volume", given, sent | given if self._can("3.4") else sent)
        yield self._call("initialize_connection", {"volume": volume, "connector": CONNECTOR})
        yield self._call("initialize_connection", {"volume": volume, "connector": {}}, variant="that fails")
        yield self._call("terminate_connection", {"volume": volume, "connector": CONNECTOR, "force": True},
                         {"volume_id": volume.id, "connector": CONNECTOR, "force": True})
        sent = {"volume_id": volume.id}
        yield self._call("remove_export", {"volume": volume, "sync": True}, sent, variant="and wait")
        yield self._cast("remove_export", {"volume": volume}, sent)
        given = {"vref": volume, "connector": CONNECTOR, "attachment_id": attachment}
        yield self._call("attachment_update", given, since="3.9")
        yield self._call("attachment_delete", {"attachment_id": attachment, "vref": volume}, since="3.9")

    def snapshots(self):
        volume, snapshot = samples.volume(), samples.snapshot()
        yield self._cast("create_snapshot", {"volume": volume, "snapshot": snapshot}, {"snapshot": snapshot})
        yield self._cast("delete_snapshot", {"snapshot": snapshot, "unmanage_only": True})
        yield self._cast("revert_to_snapshot", {"volume": volume, "snapshot": snapshot}, since="3.15")
        given = {"snapshot": snapshot, "ref": "a name", "backend": samples.HOST}
        yield self._cast("manage_existing_snapshot", given, {"snapshot": snapshot, "ref": "a name"})
        sent = {"snapshot_id": snapshot.id, "connector": CONNECTOR}
        given = {"snapshot": snapshot, "connector": CONNECTOR}
        yield self._call("initialize_connection_snapshot", given, sent, since="3.13")
        yield self._call("terminate_connection_snapshot", given, {**sent, "force": False}, since="3.13")
        given, sent = {"snapshot": snapshot}, {"snapshot_id": snapshot.id}
        yield self._call("remove_export_snapshot", {**given, "sync": True}, sent, since="3.13", variant="and wait")
        yield self._cast("remove_export_snapshot", given, sent, since="3.13")

    def groups(self):
        group, other, taken = samples.group(), samples.group(12), samples.group_snapshot()
        yield self._cast("create_group", {"group": group})
        yield self._cast("delete_group", {"group": group})
        ids = f"{samples.uuid(1)},{samples.uuid(11)}"
        yield self._cast("update_group", {"group": group, "add_volumes": ids, "remove_volumes": None})
        given = {"group": group, "group_snapshot": taken, "source_group": other}
        yield self._cast("create_group_from_src", given)
        yield self._cast("create_group_snapshot", {"group_snapshot": taken})
        yield self._cast("delete_group_snapshot", {"group_snapshot": taken})
        yield self._cast("enable_replication", {"group": group}, since="3.14")
        yield self._cast("disable_replication", {"group": group}, since="3.14")
        given = {"group": group, "allow_attached_volume": True, "secondary_backend_id": "replica"}
        yield self._cast("failover_replication", given, since="3.14")
        yield self._call("list_replication_targets", {"group": group}, since="3.14")

    def backups(self):
        given = {"backup": samples.backup(), "volume": samples.volume()}
        sent = {"backup": given["backup"], "want_objects": True, "async_call": True}
        if self._can("3.17"):
            yield self._cast("get_backup_device", given, sent)
        elif self._can("3.2"):
            del sent["async_call"]
            yield self._call("get_backup_device", given, sent)
        else:
            # The API converts the returned dictionary to an object.
            yield self._call("get_backup_device", given, {"backup": given["backup"]}, converted=True)

    def backends(self):
        service = samples.service()
        yield self._cast("publish_service_capabilities", {}, to="cinder-volume", fanout=True)
        yield self._call("get_capabilities", {"backend_id": samples.HOST, "discover": True}, {"discover": True})
        sent = {"marker": {"source-name": "lun 0"}, "limit": 10, "offset": None, "sort_keys": ["size"],
                "sort_dirs": ["desc"]}
        given = {**sent, "service": service}
        if self._can("3.10"):
            sent["want_objects"] = True
        yield self._call("get_manageable_volumes", given, sent)
        yield self._call("get_manageable_snapshots", given, sent)
        yield self._call("freeze_host", {"service": service}, {})
        yield self._call("thaw_host", {"service": service}, {})
        name = "failover" if self._can("3.8") else "failover_host"
        yield self._cast("failover", {"service": service, "secondary_backend_id": "replica"},
                         {"secondary_backend_id": "replica"}, wire_name=name)

    def clusters(self):
        service = samples.service(cluster_name="cluster-a@ceph")
        updates = {"replication_status": "failed-over", "active_backend_id": "replica"}
        yield self._cast("failover_completed", {"service": service, "updates": updates}, {"updates": updates},
                         since="3.8", to="cinder-volume.cluster-a@ceph", fanout=True)
        given = {"cleanup_request": samples.cleanup_request(cluster_name="cluster-a@ceph")}
        yield self._cast("do_cleanup", given, since="3.7", to=self._to("cluster-a@ceph"))

    def logs(self):
        sent = {"log_request": samples.log_level()}
        given = {**sent, "service": samples.service()}
        yield self._cast("set_log_levels", given, sent, since="3.12")
        yield self._call("get_log_levels", given, sent, since="3.12")


def calls(can):
    """Yields the calls. `can` returns whether the cap allows a version."""
    made = Calls(can)
    for family in (made.volumes, made.moves, made.connections, made.snapshots, made.groups, made.backups,
                   made.backends, made.clusters, made.logs):
        yield from family()
