//! A Python environment with the original library, pinned.

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

/// Returns the Python that has the library, making its environment if the pins have changed.
pub(crate) fn interpreter() -> Result<PathBuf, Error> {
    let pins_file = root().join("tests/interop/requirements.txt");
    let pins = fs::read_to_string(&pins_file)
        .map_err(|error| format!("cannot read {}: {error}", pins_file.display()))?;
    let folder = state().join("venv");
    let (python, stamp) = (folder.join("bin/python"), folder.join("pins"));
    // Two runs at once: the second waits, and finds it done.
    let _lock = lock()?;
    if python.is_file() && fs::read_to_string(&stamp).is_ok_and(|made| made == pins) {
        return Ok(python);
    }
    step("installing the Python library that the tests talk to", || {
        let _ = fs::remove_dir_all(&folder);
        make(&folder)?;
        let pip =
            ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
        output(Command::new(&python).args(pip).arg(&pins_file))?;
        fs::write(&stamp, &pins)
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
