//! Python environments with the original library, each pinned to one of its releases.

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

/// The environments: what tells the tests where one is, and the file of its pins.
const ENVIRONMENTS: [(&str, &str); 3] = [
    ("RPC_TEST_PYTHON", "requirements"),
    ("RPC_TEST_PYTHON_14", "requirements-14"),
    ("RPC_TEST_PYTHON_12", "requirements-12"),
];

/// Returns, by setting, the Pythons that have the library.
pub(crate) fn interpreters() -> Result<Vec<(&'static str, PathBuf)>, Error> {
    let made = |(setting, pins)| interpreter(pins).map(|python| (setting, python));
    ENVIRONMENTS.into_iter().map(made).collect()
}

/// Returns the names of the settings.
pub(crate) fn settings() -> impl Iterator<Item = &'static str> {
    ENVIRONMENTS.into_iter().map(|(setting, _)| setting)
}

/// Returns the Python of one environment, making it if the pins have changed.
fn interpreter(pins: &str) -> Result<PathBuf, Error> {
    let pins_file = root().join(format!("tests/interop/{pins}.txt"));
    let wanted = fs::read_to_string(&pins_file)
        .map_err(|error| format!("cannot read {}: {error}", pins_file.display()))?;
    let folder = state().join(format!("venv-{pins}"));
    let (python, stamp) = (folder.join("bin/python"), folder.join("pins"));
    // Two runs at once: the second waits, and finds it done.
    let _lock = lock()?;
    if python.is_file() && fs::read_to_string(&stamp).is_ok_and(|made| made == wanted) {
        return Ok(python);
    }
    step("installing the Python library that the tests talk to", || {
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
    // Debian keeps `venv` in a package of its own.
    install(&PYTHON)?;
    venv().map(drop)
}
