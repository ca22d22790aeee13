//! What our clients send, beside what the unmodified Python clients of Cinder and Nova were recorded to send, for every
//! method and every cap: names, arguments, versions, namespaces, targets, times. `cargo xtask record` makes the files.

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
