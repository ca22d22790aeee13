//! Cargo's additional tools, in pinned versions.

use std::{path::PathBuf, process::Command};

use crate::{
    Error,
    process::{cargo, output, state, step},
};

/// Returns the path of a tool, and installs it if this version is missing.
pub(crate) fn tool(name: &str, version: &str) -> Result<PathBuf, Error> {
    let folder = state().join("tools").join(format!("{name}-{version}"));
    let path = folder.join("bin").join(name);
    if path.is_file() {
        return Ok(path);
    }
    step(format_args!("installing {name} {version}"), || {
        let mut install = cargo();
        install.args(["install", "--quiet", "--locked", "--version", version, "--root"]);
        install.arg(&folder).arg(name);
        // Build results are not kept, because each tool is built once.
        install.env("CARGO_TARGET_DIR", folder.join("target"));
        let done = output(&mut install).map(drop);
        let _ = std::fs::remove_dir_all(folder.join("target"));
        done
    })
    .map_err(|error| format!("{error}\nno crates.io? Put a `{name}` at {}", path.display()))?;
    Ok(path)
}

/// Returns a command that runs a tool as cargo does.
pub(crate) fn command(name: &str, version: &str) -> Result<Command, Error> {
    let mut command = Command::new(tool(name, version)?);
    command.arg(name.trim_start_matches("cargo-"));
    command.current_dir(crate::process::root());
    Ok(command)
}
