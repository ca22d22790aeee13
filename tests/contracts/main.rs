//! Contract files: what the test of one line says, and that peers of every committed version understand each other.

mod files;
mod matrix;
mod openstack;
