//! Any bytes for `rpc_runtime::fuzzing::notification`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rpc_runtime::fuzzing::notification(bytes));
