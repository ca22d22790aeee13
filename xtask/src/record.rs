//! Records what the RPC clients and the notifiers of Cinder and Nova send, for tests to compare
//! with.

use std::{path::Path, process::Command};

use crate::{
    Error,
    process::{output, root, step},
    python,
};

/// Rewrites the recorded requests and notifications.
pub(crate) fn run() -> Result<(), Error> {
    for (project, python) in [("cinder", python::with_cinder()?), ("nova", python::with_nova()?)] {
        record("record.py", project, &python)?;
        record("notifications.py", project, &python)?;
    }
    Ok(())
}

/// Runs the clients or the notifiers of one project, and prints what was recorded.
fn record(program: &str, project: &str, python: &Path) -> Result<(), Error> {
    let folder = root().join("tests/recorded");
    let mut command = Command::new(python);
    command.arg(folder.join(program)).arg(project).arg(&folder);
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    let said = step(format_args!("recording {project} by {program}"), || output(&mut command))?;
    eprint!("{said}");
    Ok(())
}
