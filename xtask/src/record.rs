//! Recording what the RPC clients of Cinder and Nova send, for tests to compare with.

use std::{path::Path, process::Command};

use crate::{
    Error,
    process::{output, root, step},
    python,
};

/// Rewrites the recorded requests.
pub(crate) fn run() -> Result<(), Error> {
    record("cinder", &python::with_cinder()?)?;
    record("nova", &python::with_nova()?)
}

/// Runs the clients of one project, and says what is in the files.
fn record(project: &str, python: &Path) -> Result<(), Error> {
    let folder = root().join("tests/recorded");
    let mut command = Command::new(python);
    command.arg(folder.join("record.py")).arg(project).arg(&folder);
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    let said = step(format_args!("recording {project}"), || output(&mut command))?;
    eprint!("{said}");
    Ok(())
}
