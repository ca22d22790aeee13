//! Runs the fuzz targets of `rpc-runtime/fuzz`, which read arbitrary bytes.
//!
//! The stable toolchain suffices, because no sanitizer is used: this project has no `unsafe` code
//! to check.

use std::{fs, path::Path};

use crate::{
    Error,
    process::{root, run, state},
    tools,
};

/// The version of cargo-fuzz.
const VERSION: &str = "0.13.2";
/// The time in seconds and the memory in MiB that one input may take.
const LIMITS: [&str; 2] = ["-timeout=20", "-rss_limit_mb=2048"];

/// Fuzzes one target, or each of them for the same time.
pub(crate) fn run_targets(only: Option<&str>, seconds: u32) -> Result<(), Error> {
    let folder = root().join("rpc-runtime/fuzz");
    let names = targets(&folder.join("fuzz_targets"))?;
    let chosen: Vec<_> =
        names.iter().filter(|name| only.is_none_or(|only| only == **name)).collect();
    if chosen.is_empty() {
        return Err(format!("there is no such target; there are: {}", names.join(", ")));
    }
    // The versions of the dependencies are the workspace's.
    fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock"))
        .map_err(|error| format!("cannot copy Cargo.lock: {error}"))?;
    chosen.into_iter().try_for_each(|name| fuzz(&folder, name, seconds))
}

/// Returns the names of the targets.
fn targets(folder: &Path) -> Result<Vec<String>, Error> {
    let files = fs::read_dir(folder)
        .map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
    let mut names: Vec<_> = files
        .filter_map(|file| Some(file.ok()?.path().file_stem()?.to_string_lossy().into_owned()))
        .collect();
    names.sort_unstable();
    Ok(names)
}

fn fuzz(folder: &Path, name: &str, seconds: u32) -> Result<(), Error> {
    // New inputs are kept between runs, apart from the committed ones.
    let (learnt, found) = (state().join("fuzz").join(name), state().join("fuzz-found"));
    for folder in [&learnt, &found] {
        fs::create_dir_all(folder)
            .map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    }
    let mut command = tools::command("cargo-fuzz", VERSION)?;
    command.current_dir(root().join("rpc-runtime"));
    command.args(["run", "--sanitizer", "none", "--target-dir"]).arg(state().join("fuzz-target"));
    command.arg(name).arg(&learnt).arg(folder.join("corpus").join(name)).arg("--").args(LIMITS);
    command.arg(format!("-max_total_time={seconds}")).arg("-print_final_stats=1");
    command.arg(format!("-artifact_prefix={}/{name}-", found.display()));
    run(&mut command).map_err(|error| {
        format!(
            "{error}\nfix what is shown above, and keep the file from {} in {} as `found-…`",
            found.display(),
            folder.join("corpus").join(name).display()
        )
    })
}
