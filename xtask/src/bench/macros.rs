//! Measures how long the compiler takes for an interface.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use crate::{
    Error,
    process::{cargo, output, root, state, step},
};

const METHODS: usize = 200;
const MINORS: usize = 40;
const RUNS: usize = 5;

/// Runs the measurement.
pub(super) fn run() -> Result<(), Error> {
    let folder = state().join("bench-macros");
    write(&folder.join("Cargo.toml"), &manifest())?;
    // The versions of the dependencies are the workspace's.
    let lock = fs::read_to_string(root().join("Cargo.lock"));
    write(&folder.join("Cargo.lock"), &lock.map_err(|error| format!("no Cargo.lock: {error}"))?)?;
    write(&folder.join("src/lib.rs"), "")?;
    step(format_args!("checking the dependencies"), || output(&mut check(&folder)).map(drop))?;
    let empty = measured(&folder, "//! Nothing.\n")?;
    let small = measured(&folder, &interface(10, MINORS))?;
    let large = measured(&folder, &interface(METHODS, MINORS))?;
    println!("cargo check on top of the dependencies, best of {RUNS}:");
    for (what, time) in [
        ("an empty crate".to_owned(), empty),
        (format!("10 methods over {MINORS} minor versions"), small),
        (format!("{METHODS} methods over {MINORS} minor versions"), large),
    ] {
        println!("  {:>5.2} s  {what}", time.as_secs_f64());
    }
    Ok(())
}

fn manifest() -> String {
    let runtime = root().join("rpc-runtime");
    format!(
        "[package]\nname = \"bench-macros\"\nedition = \"2024\"\n\n[dependencies]\nrpc-runtime = {{ path = {:?}, \
         default-features = false }}\n\n[workspace]\n",
        runtime.display().to_string()
    )
}

fn check(folder: &Path) -> Command {
    let mut command = cargo();
    command.arg("check").arg("--quiet").current_dir(folder);
    command.env("CARGO_TARGET_DIR", folder.join("target"));
    command
}

/// Returns the shortest time of several checks of this source.
fn measured(folder: &Path, source: &str) -> Result<Duration, Error> {
    let file: PathBuf = folder.join("src/lib.rs");
    let mut times = Vec::new();
    for run in 0..RUNS {
        write(&file, &format!("{source}\n// {run}\n"))?;
        let begun = Instant::now();
        output(&mut check(folder))?;
        times.push(begun.elapsed());
    }
    Ok(times.into_iter().min().unwrap_or_default())
}

/// Returns an interface: calls and casts of all versions, half of them with a later argument.
fn interface(methods: usize, minors: usize) -> String {
    let mut code = "//! An interface.\nuse rpc_runtime::{Context, rpc_api};\n".to_owned();
    let _ = writeln!(code, "#[rpc_api(topic = \"bench\", version = \"3.{minors}\")]");
    code += "/// Many methods.\npub trait Bench {\n";
    for at in 0..methods {
        let since = at % (minors + 1);
        let later = since + at % 7;
        let argument = match at % 2 == 0 && later > since && later <= minors {
            true => format!(", #[arg(since = \"3.{later}\")] more: Option<String>"),
            false => String::new(),
        };
        let returns =
            if at % 3 == 0 { "" } else { " -> Result<Vec<String>, rpc_runtime::Failure>" };
        let _ = writeln!(
            code,
            "    /// Does one thing.\n    #[rpc(since = \"3.{since}\")]\n    async fn method_{at}(&self, ctx: Context, \
             name: String, size: u64{argument}){returns};"
        );
    }
    code + "}\n"
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    let folder = path.parent().map_or(Ok(()), fs::create_dir_all);
    let written = folder.and_then(|()| fs::write(path, text));
    written.map_err(|error| format!("cannot write {}: {error}", path.display()))
}
