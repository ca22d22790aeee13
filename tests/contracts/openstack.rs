//! Cinder's and Nova's interfaces in the examples: changes to what peers depend on are reviewed.

use examples::{cinder, nova};
use rpc_runtime::assert_contract;

#[test]
fn cinders_interfaces_are_what_their_contracts_say() {
    assert_contract!(
        cinder::scheduler_rpcapi::scheduler::INTERFACE,
        "../examples/contracts/cinder-scheduler.txt"
    );
    assert_contract!(
        cinder::volume_rpcapi::volume_manager::INTERFACE,
        "../examples/contracts/cinder-volume.txt"
    );
    assert_contract!(
        cinder::backup_rpcapi::backup_manager::INTERFACE,
        "../examples/contracts/cinder-backup.txt"
    );
}

#[test]
fn novas_interfaces_are_what_their_contracts_say() {
    assert_contract!(
        nova::compute_rpcapi::compute::INTERFACE,
        "../examples/contracts/nova-compute.txt"
    );
    assert_contract!(
        nova::compute_task_rpcapi::compute_task::INTERFACE,
        "../examples/contracts/nova-compute-task.txt"
    );
    assert_contract!(
        nova::conductor_rpcapi::conductor::INTERFACE,
        "../examples/contracts/nova-conductor.txt"
    );
    assert_contract!(
        nova::scheduler_rpcapi::scheduler::INTERFACE,
        "../examples/contracts/nova-scheduler.txt"
    );
    assert_contract!(nova::base_rpcapi::base::INTERFACE, "../examples/contracts/nova-base.txt");
}
