//! Requests of this library's clients, compared with the recorded ones of Cinder's and Nova's
//! unmodified Python clients, for every method and every cap: names, arguments, versions,
//! namespaces, targets, timeouts. `cargo xtask record` makes the files.

mod cinder_backup;
mod cinder_scheduler;
mod cinder_volume;
mod compare;
mod managers;
mod notifications;
mod nova_base;
mod nova_compute;
mod nova_compute_task;
mod nova_conductor;
mod nova_scheduler;
mod recording;
mod taken;
