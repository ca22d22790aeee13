//! libfaketime, which gives a test's program a wrong wall clock.

use std::{path::PathBuf, process::Command};

use crate::{
    Error,
    process::{Packages, install},
};

const FAKETIME: Packages = Packages {
    apt: &["libfaketime"],
    dnf: &["libfaketime"],
    apk: &["libfaketime"],
    brew: &["libfaketime"],
};

/// The library's paths in distributions.
const PLACES: [&str; 6] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib64/faketime/libfaketime.so.1",
    "/usr/lib/faketime/libfaketime.so.1",
    "/usr/local/lib/faketime/libfaketime.so.1",
    "/usr/lib/libfaketime.so.1",
];

/// Passes the library's path to a test program, and installs the library if necessary. On systems
/// other than Linux the tests run without it.
pub(crate) fn tell(command: &mut Command) -> Result<(), Error> {
    if !cfg!(target_os = "linux") {
        return Ok(());
    }
    if find().is_none() {
        install(&FAKETIME)?;
    }
    let library = find().ok_or("libfaketime is installed, and not where it was expected")?;
    command.env("RPC_TEST_FAKETIME", library);
    Ok(())
}

fn find() -> Option<PathBuf> {
    PLACES.map(PathBuf::from).into_iter().find(|place| place.exists())
}
