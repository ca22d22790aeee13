//! The checks that need no broker.

mod faults;
mod tidy;

use std::{fs, process::Command, time::Duration};

use crate::{
    Error,
    process::{cargo, output, root, step, within},
};

/// How long an example may run.
const EXAMPLE_LIMIT: Duration = Duration::from_secs(120);
/// How many crates a user of the runtime builds at most.
const CRATE_LIMIT: usize = 110;

/// Runs every check, also after one has failed.
pub(crate) fn run() -> Result<(), Error> {
    let mut failed = Vec::new();
    let mut check = |what: &str, work: &mut dyn FnMut() -> Result<(), Error>| {
        if let Err(error) = step(what, work) {
            eprintln!("{error}");
            failed.push(what.to_owned());
        }
    };
    check("format", &mut || quiet(cargo().args(["fmt", "--all", "--check"])));
    check("lints", &mut || {
        quiet(cargo().args([
            "clippy",
            "--quiet",
            "--workspace",
            "--all-targets",
            "--",
            "--deny",
            "warnings",
        ]))
    });
    check("documentation", &mut || {
        quiet(
            cargo()
                .args(["doc", "--quiet", "--workspace", "--no-deps"])
                .env("RUSTDOCFLAGS", "--deny warnings"),
        )
    });
    // Code that only fuzzers use is compiled here, so that it keeps compiling.
    check("fuzz targets", &mut || {
        let build = ["rustc", "--quiet", "--package", "rpc-runtime", "--lib", "--profile", "check"];
        quiet(cargo().args(build).args(["--", "--cfg", "fuzzing", "--deny", "warnings"]))
    });
    check("dependencies", &mut dependencies);
    check("tidiness", &mut || tidy::check(&root()));
    for example in examples()? {
        check(&format!("example {example}"), &mut || run_example(&example));
    }
    check("TLS is missed by name", &mut without_tls);
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
}

fn quiet(command: &mut Command) -> Result<(), Error> {
    output(command).map(drop)
}

/// Checks that the runtime stays light to build, with one syn.
fn dependencies() -> Result<(), Error> {
    let tree = ["tree", "--package", "rpc-runtime", "--edges", "normal,build", "--prefix", "none"];
    let text = output(cargo().args(tree))?;
    let mut crates: Vec<_> = text
        .lines()
        .map(|line| line.trim_end_matches(" (*)"))
        .filter(|line| !line.is_empty())
        .collect();
    crates.sort_unstable();
    crates.dedup();
    if crates.len() >= CRATE_LIMIT {
        return Err(format!(
            "rpc-runtime builds {} crates; the limit is below {CRATE_LIMIT}",
            crates.len()
        ));
    }
    let syns: Vec<_> = crates.iter().filter(|name| name.starts_with("syn v")).collect();
    if syns.len() > 1 {
        return Err(format!("rpc-runtime builds more than one syn: {syns:?}"));
    }
    eprintln!("       rpc-runtime builds {} crates", crates.len());
    Ok(())
}

fn examples() -> Result<Vec<String>, Error> {
    let folder = root().join("examples/src/bin");
    let entries = fs::read_dir(&folder)
        .map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
    let mut names: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path().file_stem()?.to_string_lossy().into_owned()))
        .collect();
    names.sort_unstable();
    Ok(names)
}

/// Checks the error for a TLS URL in a build without TLS. Examples are such builds; test programs
/// have TLS.
fn without_tls() -> Result<(), Error> {
    let run = ["run", "--quiet", "--package", "examples", "--bin", "create_volume", "--"];
    let secured = ["--url", "amqps://localhost/"];
    match output(cargo().args(run).args(secured)) {
        Err(said) if said.contains("enable the feature `tls`") => Ok(()),
        Err(said) => Err(format!("it does not say which feature is missing: {said}")),
        Ok(_) => Err("it connects without TLS".to_owned()),
    }
}

/// Runs an example on the embedded broker.
fn run_example(name: &str) -> Result<(), Error> {
    let name = name.to_owned();
    output(cargo().args(["build", "--quiet", "--package", "examples", "--bin", &name]))?;
    let run =
        move || output(cargo().args(["run", "--quiet", "--package", "examples", "--bin", &name]));
    match within(EXAMPLE_LIMIT, run) {
        Some(done) => done.map(drop),
        None => Err(format!("it ran for more than {EXAMPLE_LIMIT:?}")),
    }
}
