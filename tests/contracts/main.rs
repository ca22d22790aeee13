//! Contract files: the user's one-line test, and compatibility of all committed versions.

mod files;
mod matrix;
mod openstack;
