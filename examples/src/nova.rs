//! The interfaces of Nova 34.0.0: its hand-written `rpcapi.py` files, expressed as traits.
//!
//! - [`Compute`](compute_rpcapi::Compute): `ComputeAPI` of `compute/rpcapi.py`; topics `compute`
//!   and `compute-alt`; versions 6.5 and 5.13
//! - [`Conductor`](conductor_rpcapi::Conductor): `ConductorAPI` of `conductor/rpcapi.py`; topic
//!   `conductor`; version 3.0
//! - [`ComputeTask`](compute_task_rpcapi::ComputeTask): `ComputeTaskAPI` of `conductor/rpcapi.py`;
//!   topic `conductor`, namespace `compute_task`; version 1.26
//! - [`Scheduler`](scheduler_rpcapi::Scheduler): `SchedulerAPI` of `scheduler/rpcapi.py`; topic
//!   `scheduler`; version 4.5
//! - [`Base`](base_rpcapi::Base): `BaseAPI` of `baserpc.py`; the topic of each service, namespace
//!   `baseapi`; version 1.1
//!
//! `tests/recorded` compares the requests of their clients with recorded requests of Python's, for
//! every method under every cap. The exchange is the transport's: Nova's services set
//! `control_exchange = nova`.
//!
//! # From Python to attributes
//!
//! Each entry describes Python's code, and after the arrow the attributes that replace it.
//!
//! ## Compute services
//! - All methods: `_ver(ctxt, '5.0')`, 70 times, returns 6.0 or the equivalent version of the older
//!   major → `send = "6.0"`, `previous(version = "5.13", send = "5.0")`
//! - All methods: `VERSION_ALIASES` and `upgrade_levels`, where `auto` is the version of the oldest
//!   service, determined again after SIGHUP → `aliases(…)`, `SharedCap::configured`
//! - All methods: a router whose context has the cell's transport → `prepare().transport_by(…)`
//! - All methods except those for hosts: `_compute_host` returns an argument, or else the host of
//!   the instance, or else raises → `host = "instance.host"`, or a function in the expression
//! - 15 methods: `prepare_for_alt_rpcserver` uses `compute-alt`, but `compute` before 6.5 →
//!   `topic = "compute-alt", topic_since = "6.5"`
//! - 12 methods: `long_rpc_timeout`, and a monitor of `rpc_response_timeout`, read at each call →
//!   `timeout = long_rpc_timeout(), monitor = rpc_response_timeout()`
//! - `rebuild_instance`: four version checks over two majors remove `accel_uuids` silently, and
//!   raise if `reimage_boot_volume` or `target_state` is set; `node` is sent as `scheduled_node` →
//!   `since` on three arguments, one of them `required, or = "drop"`; `before(…, send = "…")` for
//!   each version; `name`
//! - `prep_resize`: before 6.0 `flavor` was `instance_type`, and before 5.1 the request spec was a
//!   dictionary → `before("6.0", name = "instance_type")`,
//!   `before("5.1", with = legacy_request_spec)`
//! - `resize_instance`: `flavor` as above; no request spec before 5.2; `compute-alt` → the same,
//!   and `since = "5.2", required, or = "drop"`
//! - `pre_live_migration`: for 5.x `block_migration` is null whatever the caller passes, and 6.0
//!   removed it → `until = "6.0", value = None`, so that the caller is not asked
//! - `check_instance_shared_storage`: the instance is sent only to 5.x, and always determines the
//!   host → `until = "6.0"` on the argument that `host = "…"` reads
//! - `prep_snapshot_based_resize_at_dest`, `finish_snapshot_based_resize_at_dest`: a request spec
//!   only for 5.x → `until = "6.0"`
//! - `build_and_run_instance`, `unshelve_instance`, `shelve_offload_instance`,
//!   `check_can_live_migrate_destination`, `finish_resize`, `revert_resize`,
//!   `finish_revert_resize`: arguments that old servers reject are removed, and 6.0 requires them →
//!   `since = "…", required, or = "drop"`, and `before(…, send = "…")`
//! - `shelve_instance`: the same, but accelerators raise → `since = "5.13", required`
//! - `remove_volume_connection`: `delete_attachment` is removed before 6.3 →
//!   `since = "6.3", or = "drop", default`
//! - `allow_share`, `deny_share`, `cache_images`, and six methods of resizes across cells: each
//!   raises its own error if the cap is too old → `since`, which does not compile, or is a
//!   `VersionCap` if the cap is only known later
//! - `drop_move_claim_at_destination`: a call because its caller must wait, not for a result →
//!   `-> ()`
//! - `stop_instance`, `confirm_resize`: `do_cast`, `cast` → `either`
//! - `host_maintenance_mode`: goes to `host`, and sends `host_param` as `host` → `route`,
//!   `name = "host"`
//! - `live_migration_force_complete`: the migration determines the host, and is not sent → `route`
//! - `external_instance_event`: the first of several instances determines the host →
//!   `host = "host_or(host.as_ref(), instances.first())"`
//! - `build_and_run_instance`, `rebuild_instance`: limits are always converted to a dictionary →
//!   their type is [`Limits`](objects::Limits), which [`limits`](objects::limits) creates
//! - `prep_resize`: the image is always converted to a dictionary → its type is
//!   [`Image`](objects::Image), which [`flat_dictionary`](objects::flat_dictionary) creates
//! - `supports_numa_live_migration`: asks whether 5.3 may be sent → `can_send_version`, or
//!   `narrow::<compute::V5_3>()`
//!
//! ## Scheduler
//! - `select_destinations`: four version checks raise for objects and alternates before 4.5, remove
//!   `instance_uuids` before 4.4, and replace the request spec by two dictionaries before 4.3 →
//!   `since` with `default` or `or = "drop"`, `before("4.3", rewrite = legacy_spec)`
//! - All other methods: `fanout=True` and a version → `fanout, since`
//!
//! ## Conductor
//! - `migrate_server`: six version checks remove three arguments, and convert flavor and instance
//!   to dictionaries; `do_cast` → `since` with `or = "drop"`, `before("1.10", with = flat_flavor)`,
//!   `before("1.6", with = flat_instance)`, `either`
//! - `build_instances`: six version checks remove and add arguments, convert a flavor inside a
//!   dictionary to a dictionary, and networks to tuples → `since`, `until = "1.7"`,
//!   `before("1.10", with = …)`, `before("1.9", with = network_tuples)`
//! - `rebuild_instance`: raises before 1.24 and 1.25 if arguments are set, and removes one before
//!   1.12 → `since` with `default`, alone, and with `or = "drop"`
//! - `schedule_and_build_instances`, `unshelve_instance`: remove an argument →
//!   `since = "…", or = "drop"`
//! - `cache_images`, `confirm_snapshot_based_resize`, `revert_snapshot_based_resize`,
//!   `attach_volume`: each raises its own error → `since`
//! - `attach_volume`: may take long if the caller waits → `either` with `timeout` and `monitor`,
//!   which a cast does not use
//! - `object_class_action`: looks up the versions of the objects that it knows → the caller passes
//!   them to `object_class_action_versions`
//!
//! ## Every service
//! - The class: a topic for each client, and a namespace → `topic = runtime, namespace = "baseapi"`
//! - `ping`: `timeout` → `prepare().timeout(…)`
//!
//! # Differences
//! - A cap that is too old: in Python each method raises its own error: `MigrationError`,
//!   `ServiceTooOld`, `NovaException` and others. Here the call does not compile, or is
//!   `CallError::VersionCap`.
//! - An optional argument whose setter is not called: Python sends its default, which raises the
//!   version. Here it is omitted, so that the version is as low as possible.
//! - `shelve_instance` before 5.13: Python ignores an empty list of accelerators. Here only `None`
//!   is ignored.
//! - `finish_revert_resize` without a host: Python sends it to any host. Here it is
//!   `CallError::MissingHost`.
//! - `build_instances` under 1.7: Python sends 1.8, which its own cap rejects. Here it carries 1.7.
//! - `build_instances` without networks before 1.9: Python raises an exception. Here it sends null.
//! - Caps of majors before 5.x, 4.x, 3.x and 1.x: with Python, every request fails. Here such a cap
//!   is rejected immediately.
//! - Python's servers still read request specs, instances and flavors that are dictionaries. Those
//!   here accept only objects, because clients since 5.1, 4.3 and 1.10 do not send others.
//! - `rpc_response_timeout` above a minute: in Python every call to a compute service then has a
//!   monitor of a minute. Here a caller may ask for that by `prepare().monitor(…)`.

pub mod base_rpcapi;
pub mod compute_rpcapi;
pub mod compute_task_rpcapi;
pub mod conductor_rpcapi;
pub mod notifications;
pub mod objects;
pub mod options;
pub mod scheduler_rpcapi;

use rpc_runtime::{Failure, RemoteError};

/// The scheduler's errors.
#[derive(Debug, thiserror::Error, RemoteError)]
#[remote(module = "nova.exception")]
pub enum SchedulerError {
    /// No host fits.
    #[error("No valid host was found. {reason}")]
    NoValidHost {
        /// The reason.
        reason: String,
    },
    /// An error that this version does not know.
    #[error(transparent)]
    #[remote(other)]
    Other(Failure),
}

/// A compute service's errors.
#[derive(Debug, thiserror::Error, RemoteError)]
#[remote(module = "nova.exception")]
pub enum ComputeError {
    /// A host cannot take an instance.
    #[error("Migration pre-check error: {reason}")]
    MigrationPreCheckError {
        /// The reason.
        reason: String,
    },
    /// An error that this version does not know.
    #[error(transparent)]
    #[remote(other)]
    Other(Failure),
}
