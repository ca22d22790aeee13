//! Nova's interfaces, as those of Nova 34.0.0: what its hand-written `rpcapi.py` files do, said in traits.
//!
//! | Trait | Python | Topic | Version |
//! |---|---|---|---|
//! | [`Compute`](compute_rpcapi::Compute) | `compute/rpcapi.py`, `ComputeAPI` | `compute`, `compute-alt` | 6.5, and 5.13 |
//! | [`Conductor`](conductor_rpcapi::Conductor) | `conductor/rpcapi.py`, `ConductorAPI` | `conductor` | 3.0 |
//! | [`ComputeTask`](compute_task_rpcapi::ComputeTask) | `conductor/rpcapi.py`, `ComputeTaskAPI` | `conductor`, in the namespace `compute_task` | 1.26 |
//! | [`Scheduler`](scheduler_rpcapi::Scheduler) | `scheduler/rpcapi.py`, `SchedulerAPI` | `scheduler` | 4.5 |
//! | [`Base`](base_rpcapi::Base) | `baserpc.py`, `BaseAPI` | that of each service, in the namespace `baseapi` | 1.1 |
//!
//! `tests/recorded` compares what their clients send with what Python's were recorded to send, for every method under
//! every cap. The exchange is the transport's: Nova's services have `control_exchange = nova`.
//!
//! # What Python does by hand
//!
//! ## Compute services
//! | Where | By hand | Here |
//! |---|---|---|
//! | everywhere | `_ver(ctxt, '5.0')`, 70 times: 6.0 or what the older major calls the same | `send = "6.0"`, `previous(version = "5.13", send = "5.0")` |
//! | everywhere | `VERSION_ALIASES` and `upgrade_levels`, `auto` from the oldest service, asked again after SIGHUP | `aliases(…)`, `SharedCap::configured` |
//! | everywhere | a router, whose context has the cell's transport | `prepare().transport_by(…)` |
//! | all but those for hosts | `_compute_host`: an argument, or else the host of the instance, or else an error | `host = "instance.host"`, or a function in the expression |
//! | 15 methods | `prepare_for_alt_rpcserver`: `compute-alt`, but `compute` before 6.5 | `topic = "compute-alt", topic_since = "6.5"` |
//! | 12 methods | `long_rpc_timeout`, and a monitor of `rpc_response_timeout`, read at each call | `timeout = long_rpc_timeout(), monitor = rpc_response_timeout()` |
//! | `rebuild_instance` | four rungs over two majors: `accel_uuids` goes silently, `reimage_boot_volume` and `target_state` are errors if set; `node` is sent as `scheduled_node` | `since` on three arguments, one of them `required, or = "drop"`; `before(…, send = "…")` for each rung; `name` |
//! | `prep_resize` | `flavor` was `instance_type` before 6.0; the request spec a dictionary before 5.1 | `before("6.0", name = "instance_type")`, `before("5.1", with = legacy_request_spec)` |
//! | `resize_instance` | `flavor` as above; no request spec before 5.2; `compute-alt` | the same, and `since = "5.2", required, or = "drop"` |
//! | `pre_live_migration` | `block_migration` is null for 5.x, whatever the caller says, and gone in 6.0 | `until = "6.0", value = None`: no caller is asked |
//! | `check_instance_shared_storage` | the instance is sent to 5.x only, and always says where to | `until = "6.0"` on what `host = "…"` looks at |
//! | `prep_snapshot_based_resize_at_dest`, `finish_snapshot_based_resize_at_dest` | a request spec for 5.x only | `until = "6.0"` |
//! | `build_and_run_instance`, `unshelve_instance`, `shelve_offload_instance`, `check_can_live_migrate_destination`, `finish_resize`, `revert_resize`, `finish_revert_resize` | arguments that old servers do not take, popped; 6.0 does not do without | `since = "…", required, or = "drop"`, and `before(…, send = "…")` |
//! | `shelve_instance` | the same, but an error if there are accelerators | `since = "5.13", required` |
//! | `remove_volume_connection` | `delete_attachment` is popped before 6.3 | `since = "6.3", or = "drop", default` |
//! | `allow_share`, `deny_share`, `cache_images`, six methods of resizes across cells | an error of its own each if the cap is too old | `since`: does not compile, or is a `VersionCap` where the cap is only known later |
//! | `drop_move_claim_at_destination` | a call because its caller has to wait, not for a result | `-> ()` |
//! | `stop_instance`, `confirm_resize` | `do_cast`, `cast` | `either` |
//! | `host_maintenance_mode` | goes to `host`, and sends `host_param` as `host` | `route`, `name = "host"` |
//! | `live_migration_force_complete` | the migration says where to, and is not sent | `route` |
//! | `external_instance_event` | the first of several instances says where to | `host = "host_or(host.as_ref(), instances.first())"` |
//! | `build_and_run_instance`, `rebuild_instance` | limits are made a dictionary, always | their type is [`Limits`](objects::Limits), which [`limits`](objects::limits) makes |
//! | `prep_resize` | the image is made a dictionary, always | its type is [`Image`](objects::Image), which [`flat_dictionary`](objects::flat_dictionary) makes |
//! | `supports_numa_live_migration` | asks whether 5.3 may be sent | `can_send_version`, or `narrow::<compute::V5_3>()` |
//!
//! ## Scheduler
//! | Where | By hand | Here |
//! |---|---|---|
//! | `select_destinations` | four rungs: errors for objects and alternates before 4.5, `instance_uuids` goes before 4.4, two dictionaries in place of the request spec before 4.3 | `since` with `default` or `or = "drop"`, `before("4.3", rewrite = legacy_spec)` |
//! | the others | `fanout=True` and a version | `fanout, since` |
//!
//! ## Conductor
//! | Where | By hand | Here |
//! |---|---|---|
//! | `migrate_server` | six rungs: three arguments go, flavor and instance become dictionaries; `do_cast` | `since` with `or = "drop"`, `before("1.10", with = flat_flavor)`, `before("1.6", with = flat_instance)`, `either` |
//! | `build_instances` | six rungs: arguments go, others come, a flavor inside of a dictionary becomes a dictionary, networks become tuples | `since`, `until = "1.7"`, `before("1.10", with = …)`, `before("1.9", with = network_tuples)` |
//! | `rebuild_instance` | errors if set before 1.24 and 1.25, popped before 1.12 | `since` with `default`, alone, and with `or = "drop"` |
//! | `schedule_and_build_instances`, `unshelve_instance` | an argument is popped | `since = "…", or = "drop"` |
//! | `cache_images`, `confirm_snapshot_based_resize`, `revert_snapshot_based_resize`, `attach_volume` | an error of its own each | `since` |
//! | `attach_volume` | long if waited for | `either` with `timeout` and `monitor`, which a cast has no use for |
//! | `object_class_action` | looks up the versions of objects that it knows | the caller gives them to `object_class_action_versions` |
//!
//! ## Every service
//! | Where | By hand | Here |
//! |---|---|---|
//! | the class | a topic for each client, a namespace | `topic = runtime, namespace = "baseapi"` |
//! | `ping` | `timeout` | `prepare().timeout(…)` |
//!
//! # What is not the same
//! | Where | Python | Here |
//! |---|---|---|
//! | a cap that is too old | each method has an error of its own: `MigrationError`, `ServiceTooOld`, `NovaException` … | it does not compile, or is `CallError::VersionCap` |
//! | an optional argument whose setter is not called | is sent with its default, and raises the version | is left out, so that the version is as low as can be |
//! | `shelve_instance` before 5.13 | an empty list of accelerators is none | only `None` says nothing |
//! | `finish_revert_resize` without a host | goes to any host | `CallError::MissingHost` |
//! | `build_instances` under 1.7 | goes out as 1.8, which its own cap refuses | goes out as 1.7 |
//! | `build_instances` without networks before 1.9 | falls over | sends null |
//! | caps of majors before 5.x, 4.x, 3.x and 1.x | nothing is ever sent | such a cap is refused at once |
//! | servers | still read request specs, instances and flavors that are dictionaries | take objects only: clients since 5.1, 4.3 and 1.10 send no other |
//! | `rpc_response_timeout` above a minute | every call to a compute service has a monitor of a minute | `prepare().monitor(…)`, for who wants that |

pub mod base_rpcapi;
pub mod compute_rpcapi;
pub mod compute_task_rpcapi;
pub mod conductor_rpcapi;
pub mod notifications;
pub mod objects;
pub mod options;
pub mod scheduler_rpcapi;

use rpc_runtime::{Failure, RemoteError};

/// What the scheduler refuses.
#[derive(Debug, thiserror::Error, RemoteError)]
#[remote(module = "nova.exception")]
pub enum SchedulerError {
    /// No host fits.
    #[error("No valid host was found. {reason}")]
    NoValidHost {
        /// Why not.
        reason: String,
    },
    /// What this version does not know.
    #[error(transparent)]
    #[remote(other)]
    Other(Failure),
}

/// What a compute service refuses.
#[derive(Debug, thiserror::Error, RemoteError)]
#[remote(module = "nova.exception")]
pub enum ComputeError {
    /// A host cannot take an instance.
    #[error("Migration pre-check error: {reason}")]
    MigrationPreCheckError {
        /// Why not.
        reason: String,
    },
    /// What this version does not know.
    #[error(transparent)]
    #[remote(other)]
    Other(Failure),
}
