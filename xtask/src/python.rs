//! Python environments, pinned: releases of the original library, Cinder, and Nova.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::Command,
};

use crate::{
    Error,
    process::{Packages, find, install, output, root, state, step},
};

const PYTHON: Packages = Packages {
    apt: &["python3", "python3-venv"],
    dnf: &["python3", "python3-pip"],
    apk: &["python3", "py3-pip"],
    brew: &["python3"],
};

/// The environments of the tests: the variable that passes the interpreter's path to the tests, and
/// the file of pins.
const ENVIRONMENTS: [(&str, &str); 4] = [
    ("RPC_TEST_PYTHON", "tests/interop/requirements.txt"),
    ("RPC_TEST_PYTHON_14", "tests/interop/requirements-14.txt"),
    ("RPC_TEST_PYTHON_12", "tests/interop/requirements-12.txt"),
    CINDER,
];
const CINDER: (&str, &str) = ("RPC_TEST_CINDER_PYTHON", "tests/cinder/requirements.txt");

/// Returns the interpreters with the library, by variable.
pub(crate) fn interpreters() -> Result<Vec<(&'static str, PathBuf)>, Error> {
    let made = |(setting, pins)| interpreter(setting, pins).map(|python| (setting, python));
    ENVIRONMENTS.into_iter().map(made).collect()
}

/// Returns the names of the variables.
pub(crate) fn settings() -> impl Iterator<Item = &'static str> {
    ENVIRONMENTS.into_iter().map(|(setting, _)| setting)
}

/// Returns the interpreter with the newest release of the original library.
pub(crate) fn with_oslo() -> Result<PathBuf, Error> {
    let (setting, pins) = ENVIRONMENTS[0];
    interpreter(setting, pins)
}

/// Returns the interpreter with Cinder, which the tests use, too.
pub(crate) fn with_cinder() -> Result<PathBuf, Error> {
    let (setting, pins) = CINDER;
    interpreter(setting, pins)
}

/// Returns the interpreter with Nova. No test uses it, so only this call installs it.
pub(crate) fn with_nova() -> Result<PathBuf, Error> {
    environment("nova_python", "tests/recorded/requirements-nova.txt")
}

fn interpreter(setting: &str, pins: &str) -> Result<PathBuf, Error> {
    environment(&setting.trim_start_matches("RPC_TEST_").to_lowercase(), pins)
}

/// Returns the interpreter of one environment. Creates the environment again if its pins have
/// changed.
fn environment(name: &str, pins: &str) -> Result<PathBuf, Error> {
    let pins_file = root().join(pins);
    let wanted = fs::read_to_string(&pins_file)
        .map_err(|error| format!("cannot read {}: {error}", pins_file.display()))?;
    let folder = state().join(format!("venv-{name}"));
    let (python, stamp) = (folder.join("bin/python"), folder.join("pins"));
    // If two runs need it, the second waits and finds it installed.
    let _lock = lock()?;
    if python.is_file() && fs::read_to_string(&stamp).is_ok_and(|made| made == wanted) {
        return Ok(python);
    }
    step(format_args!("installing {pins}"), || {
        let _ = fs::remove_dir_all(&folder);
        make(&folder)?;
        let pip =
            ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
        output(Command::new(&python).args(pip).arg(&pins_file))?;
        fs::write(&stamp, &wanted)
            .map_err(|error| format!("cannot write {}: {error}", stamp.display()))
    })?;
    Ok(python)
}

fn lock() -> Result<File, Error> {
    let path = state().join("venv.lock");
    let locked = fs::create_dir_all(state()).and_then(|()| File::create(&path)).and_then(|file| {
        file.lock()?;
        Ok(file)
    });
    locked.map_err(|error| format!("cannot lock {}: {error}", path.display()))
}

fn make(folder: &PathBuf) -> Result<(), Error> {
    let venv = || output(Command::new("python3").args(["-m", "venv"]).arg(folder));
    if find("python3").is_some() && venv().is_ok() {
        return Ok(());
    }
    // Debian has `venv` in a separate package.
    install(&PYTHON)?;
    venv().map(drop)
}
