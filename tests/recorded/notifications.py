"""Records the notifications of Cinder and Nova: notifications.py cinder|nova FOLDER.

Their unmodified code emits events of invented volumes and instances, on a transport that records
messages. It builds the messages as the RabbitMQ driver does.
"""

import datetime
import json
import os
import sys
import tempfile
import warnings
from unittest import mock

warnings.simplefilter("ignore")

import oslo_messaging  # noqa: E402
from oslo_config import cfg  # noqa: E402
from oslo_messaging._drivers import amqp, common, impl_fake  # noqa: E402

MESSAGES = []
FOLDER = os.path.dirname(os.path.abspath(__file__))


def keep(self, target, ctxt, message, version, retry=None):
    """Records a notification instead of sending it."""
    body = dict(message)
    amqp._add_unique_id(body)
    amqp.pack_context(body, ctxt)
    # The recording must not depend on the folder of this program.
    body = json.loads(json.dumps(body).replace(FOLDER, "."))
    text = json.dumps(common.serialize_msg(body) if version >= 2 else body)
    MESSAGES.append({"exchange": cfg.CONF.control_exchange, "routing_key": target.topic, "body": text})


def configure(service, lines=""):
    """Reads a configuration file with more lines, and replaces the sending of notifications."""
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write("[DEFAULT]\nhost = host-1\ntransport_url = fake://\n")
        file.write("[oslo_messaging_notifications]\ndriver = messagingv2\n")
        file.write(lines)
        file.flush()
        cfg.CONF(["--config-file", file.name], project=service)
    oslo_messaging.set_transport_defaults(service)
    impl_fake.FakeDriver.send_notification = keep


def cinder():
    from cinder import context, objects, rpc

    objects.register_all()
    from cinder.common import config  # noqa: F401
    from cinder.scheduler import manager
    from cinder.volume import volume_utils

    configure("cinder")
    rpc.init(cfg.CONF)
    ctxt = context.RequestContext(
        "user-1", "project-1", auth_token="canary", request_id="req-11111111-1111-1111-1111-111111111111"
    )
    created = datetime.datetime(2026, 11, 21, 10, 15, tzinfo=datetime.timezone.utc)
    volume = objects.Volume(
        ctxt,
        id="8b5a1d5e-3a2c-4a63-9b1a-3f3c2a2c7d10",
        user_id="user-1",
        project_id="project-1",
        host="storage-1@lvm#pool",
        availability_zone="nova",
        volume_type_id="4e2a8f6a-0f5f-4a3c-8b0f-2f1f6a1c9d22",
        display_name="data é",
        launched_at=created,
        created_at=created,
        status="available",
        snapshot_id=None,
        size=10,
        replication_status=None,
        replication_extended_status=None,
        replication_driver_data=None,
        admin_metadata={},
        metadata={"purpose": "test"},
    )
    snapshot = objects.Snapshot(
        ctxt,
        id="1d2f3a4b-5c6d-4e7f-8a9b-0c1d2e3f4a5b",
        volume_id=volume.id,
        user_id="user-1",
        project_id="project-1",
        display_name="snap",
        status="available",
        volume_size=10,
        created_at=created,
        deleted=False,
        metadata={},
        volume=volume,
    )
    backup = objects.Backup(
        ctxt,
        id="2e3f4a5b-6c7d-4e8f-9a0b-1c2d3e4f5a6b",
        volume_id=volume.id,
        user_id="user-1",
        project_id="project-1",
        host="backup-1",
        availability_zone="nova",
        display_name="copy",
        created_at=created,
        status="creating",
        size=10,
        service_metadata=None,
        service=None,
        fail_reason=None,
        parent_id=None,
        num_dependent_backups=0,
        snapshot_id=None,
    )
    database = mock.Mock()
    database.volume_attachment_get_all_by_volume_id.return_value = []
    database.volume_glance_metadata_get.return_value = []
    database.volume_get.return_value = volume
    for patch in (
        mock.patch.object(volume_utils, "db", database),
        mock.patch.object(manager, "db", database),
        mock.patch.object(objects.Volume, "get_by_id", return_value=volume),
        mock.patch.object(objects.Volume, "save"),
    ):
        patch.start()
    for event in ("create.start", "create.end", "resize.end", "attach.end", "delete.end"):
        volume_utils.notify_about_volume_usage(ctxt, volume, event, host="storage-1@lvm")
    volume_utils.notify_about_snapshot_usage(ctxt, snapshot, "create.end", host="storage-1@lvm")
    volume_utils.notify_about_backup_usage(ctxt, backup, "create.end", host="backup-1")
    manager.SchedulerManager._set_volume_state_and_notify(
        mock.Mock(),
        "create_volume",
        {"volume_state": {"status": "error"}},
        ctxt,
        ValueError("No valid backend was found"),
        {"volume_id": volume.id, "volume_properties": {"size": 10}},
        "No valid backend was found",
    )


def nova():
    from nova import context, objects, rpc

    objects.register_all()
    from nova.compute import utils
    from nova.network import model

    configure("nova", "[notifications]\nnotification_format = both\n")
    rpc.init(cfg.CONF)
    ctxt = context.RequestContext(
        "user-1", "project-1", auth_token="canary", request_id="req-11111111-1111-1111-1111-111111111111"
    )
    created = datetime.datetime(2026, 11, 21, 10, 15, tzinfo=datetime.timezone.utc)
    flavor = objects.Flavor(
        id=1,
        name="small",
        memory_mb=512,
        vcpus=1,
        root_gb=1,
        ephemeral_gb=0,
        flavorid="a22d5517-147c-4147-a0d1-e698df5cd4e3",
        swap=0,
        rxtx_factor=1.0,
        vcpu_weight=0,
        disabled=False,
        is_public=True,
        extra_specs={"hw:numa_nodes": "1"},
        projects=[],
        description=None,
    )
    unset = {name: None for name, field in objects.Instance.fields.items() if field.nullable}
    instance = objects.Instance(
        ctxt,
        **{
            **unset,
            "id": 1,
            "uuid": "178b0921-8f85-4257-88b6-2e743b5a975c",
            "user_id": "user-1",
            "project_id": "project-1",
            "display_name": "server é",
            "display_description": "server é",
            "hostname": "server",
            "host": "compute-1",
            "node": "compute-1",
            "launched_on": "compute-1",
            "cell_name": "",
            "availability_zone": "nova",
            "image_ref": "155d900f-4e14-4e4c-a73d-069cbf4541e6",
            "instance_type_id": 1,
            "flavor": flavor,
            "created_at": created,
            "launched_at": created,
            "updated_at": created,
            "vm_state": "active",
            "power_state": 1,
            "progress": 0,
            "memory_mb": 512,
            "vcpus": 1,
            "root_gb": 1,
            "ephemeral_gb": 0,
            "metadata": {"purpose": "test"},
            "system_metadata": {},
            "locked": False,
            "auto_disk_config": False,
            "deleted": False,
            "cleaned": False,
            "info_cache": objects.InstanceInfoCache(network_info=model.NetworkInfo([])),
            "tags": objects.TagList(objects=[]),
            "keypairs": objects.KeyPairList(objects=[]),
        },
    )
    blocks = objects.BlockDeviceMappingList(objects=[])
    with mock.patch("nova.notifications.objects.instance.SharePayload.from_instance", return_value=[]):
        for phase in ("start", "end"):
            utils.notify_about_instance_create(ctxt, instance, "compute-1", phase=phase, bdms=blocks)
        utils.notify_about_instance_action(ctxt, instance, "compute-1", "delete", phase="end", bdms=blocks)
        try:
            raise ValueError("no power")
        except ValueError as error:
            utils.notify_about_instance_action(
                ctxt, instance, "compute-1", "reboot", phase="error", exception=error, bdms=blocks
            )
    url = "http://glance/images/155d900f-4e14-4e4c-a73d-069cbf4541e6"
    with mock.patch("nova.image.glance.API.generate_image_url", return_value=url):
        notifier = rpc.get_notifier("compute", "compute-1")
        utils.notify_about_instance_usage(notifier, ctxt, instance, "create.end", network_info=model.NetworkInfo([]))


def main():
    project, folder = sys.argv[1:]
    {"cinder": cinder, "nova": nova}[project]()
    with open(f"{folder}/{project}-notifications.json", "w") as file:
        json.dump(MESSAGES, file, indent=1, ensure_ascii=False)
        file.write("\n")
    print(f"{project}: {len(MESSAGES)} notifications")


main()
