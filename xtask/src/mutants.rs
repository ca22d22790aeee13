//! Mutants: small changes to the code that decides the wire format, and whether a test detects
//! them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    Error,
    process::{root, state},
    tools,
};

/// The version of cargo-mutants.
const VERSION: &str = "27.1.0";
/// How many percent of the mutants must be caught.
const WANTED: usize = 95;

/// A part of the code to change, and the tests that should detect it.
struct Area {
    name: &'static str,
    files: &'static [&'static str],
    /// Packages whose tests run beside the package's own.
    tested_by: &'static [&'static str],
    /// Arguments for `cargo test`. They select as few tests as possible, because each mutant waits
    /// for all of them.
    tests: &'static [&'static str],
    /// Equivalent mutants, as expressions over their names. Each has its reason in a comment.
    same: &'static [&'static str],
}

const AREAS: &[Area] = &[
    Area {
        name: "topology",
        files: &[
            "rpc-runtime/src/transport/rabbit/topology.rs",
            "rpc-runtime/src/transport/rabbit/names.rs",
        ],
        tested_by: &[],
        tests: &["--lib", "--", "rabbit::topology", "rabbit::names"],
        same: &[],
    },
    Area {
        name: "replies",
        files: &[
            "rpc-runtime/src/replies.rs",
            "rpc-runtime/src/pending.rs",
            "rpc-runtime/src/transport/rabbit/absent.rs",
            "rpc-runtime/src/transport/rabbit/confirms.rs",
            "rpc-runtime/src/transport/rabbit/stream.rs",
        ],
        tested_by: &[],
        tests: &[
            "--lib",
            "--",
            "replies",
            "pending::tests",
            "rabbit::absent",
            "rabbit::confirms",
            "rabbit::stream",
        ],
        same: &[],
    },
    Area {
        name: "duplicates",
        files: &["rpc-runtime/src/duplicates.rs"],
        tested_by: &[],
        tests: &["--lib", "--", "duplicates"],
        same: &[],
    },
    Area {
        name: "dispatch",
        files: &["rpc-runtime/src/dispatch.rs"],
        tested_by: &["tests"],
        tests: &["--lib", "--test", "calls", "--", "dispatch", "versions", "basics", "failures"],
        same: &[],
    },
    Area {
        name: "versions",
        files: &[
            "idl/src/version.rs",
            "idl/src/interface.rs",
            "idl/src/interface/method.rs",
            "idl/src/interface/versions.rs",
        ],
        tested_by: &[],
        tests: &["--lib"],
        same: &[],
    },
    Area {
        name: "envelope",
        files: &[
            "rpc-runtime/src/envelope.rs",
            "rpc-runtime/src/envelope/context.rs",
            "rpc-runtime/src/envelope/read.rs",
        ],
        tested_by: &[],
        tests: &["--lib", "--", "envelope", "corpus", "limits"],
        // They already return `Ok(())`.
        same: &[
            r"Members<'_>>::(end|serialize_none|serialize_unit|serialize_unit_struct) -> Result",
        ],
    },
    Area {
        name: "drain",
        files: &[
            "rpc-runtime/src/server/request.rs",
            "rpc-runtime/src/server/run.rs",
            "rpc-runtime/src/server/running.rs",
        ],
        tested_by: &["tests"],
        tests: &["--lib", "--test", "calls"],
        // A delivery that is not requeued here is requeued when its channel closes, which the
        // server does next.
        same: &[r"replace give_back with \(\)"],
    },
    Area {
        name: "notify",
        files: &[
            "rpc-runtime/src/notify/spool.rs",
            "rpc-runtime/src/envelope/notification.rs",
            "rpc-runtime/src/notify/filter.rs",
            "rpc-runtime/src/notify/routing.rs",
            "rpc-runtime/src/notify/emission.rs",
            "rpc-runtime/src/notify/incoming.rs",
            "rpc-runtime/src/notify/notifier.rs",
            "rpc-runtime/src/notify/running.rs",
            "rpc-runtime/src/notify/listener.rs",
            "rpc-runtime/src/notify/handler.rs",
            "rpc-runtime/src/notify/driver.rs",
        ],
        tested_by: &["tests"],
        tests: &[
            "--lib",
            "--test",
            "notifications",
            "--",
            "envelope::notification",
            "notify::",
            "batches::",
            "emitting::",
            "listening::",
            "--skip",
            // Models of races take longer than all other tests, and detect nothing more.
            "::model::",
        ],
        same: &[
            // A delivery that is not requeued here is requeued when it is dropped.
            r"running.rs.*replace give_back with \(\)",
            // They only sweep sooner.
            r"replace (> with >=|\* with [+/]) in Aging::add",
        ],
    },
];

/// Mutates the files of one area, or of all.
pub(crate) fn run(only: Option<&str>, file: Option<&str>) -> Result<(), Error> {
    let names: Vec<_> = AREAS.iter().map(|area| area.name).collect();
    let chosen = AREAS.iter().filter(|area| only.is_none_or(|only| only == area.name));
    let mut wrong = Vec::new();
    let mut asked = 0;
    for area in chosen {
        asked += 1;
        let counts = mutate(area, file)?;
        let line = counts.line(area.name);
        println!("{line}");
        if !counts.are_enough() {
            wrong.push(line);
        }
    }
    match (asked, wrong.is_empty()) {
        (0, _) => Err(format!("there is no such area; there are: {}", names.join(", "))),
        (_, true) => Ok(()),
        (_, false) => Err(format!("fewer than {WANTED} % are caught:\n{}", wrong.join("\n"))),
    }
}

/// The number of mutants by outcome.
struct Counts {
    caught: usize,
    timeout: usize,
    missed: usize,
    unviable: usize,
}

impl Counts {
    fn read(folder: &Path) -> Self {
        let lines =
            |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default().lines().count();
        let [caught, timeout, missed, unviable] =
            ["caught.txt", "timeout.txt", "missed.txt", "unviable.txt"].map(lines);
        Self { caught, timeout, missed, unviable }
    }

    /// A test that times out counts as caught: an endless loop does not go unnoticed.
    fn are_enough(&self) -> bool {
        let seen = self.caught + self.timeout;
        seen * 100 >= WANTED * (seen + self.missed)
    }

    fn line(&self, name: &str) -> String {
        let Self { caught, timeout, missed, unviable } = self;
        format!(
            "{name:>10}: {caught} caught, {timeout} endless, {missed} missed, {unviable} do not compile"
        )
    }
}

fn mutate(area: &Area, file: Option<&str>) -> Result<Counts, Error> {
    let folder: PathBuf = state().join("mutants").join(area.name);
    fs::create_dir_all(&folder)
        .map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    let mut command = tools::command("cargo-mutants", VERSION)?;
    command.arg("--output").arg(&folder).args(["--no-shuffle", "--dir"]).arg(root());
    for file in area.files.iter().filter(|name| file.is_none_or(|file| name.ends_with(file))) {
        command.args(["--file", file]);
    }
    for same in area.same {
        command.args(["--exclude-re", same]);
    }
    // With the features of `tests`, so that no mutant is built twice.
    command.args(["--all-features", "--"]);
    // `--test-package` affects mutants only: the run without one would lack these tests.
    command.args(area.tested_by.iter().flat_map(|package| ["--package", package]));
    command.args(area.tests);
    // Building takes most of the time, so all mutants share dependencies, and debug information and
    // most cases of properties are left out.
    command.env("CARGO_TARGET_DIR", state().join("mutants-target"));
    command.envs([("CARGO_INCREMENTAL", "1"), ("PROPTEST_CASES", "64")]);
    command.envs([("CARGO_PROFILE_DEV_DEBUG", "none"), ("CARGO_PROFILE_TEST_DEBUG", "none")]);
    // Tests against a broker are too slow to run a hundred times.
    command.env_remove("RPC_TEST_RABBIT_URL").env_remove("RPC_TEST_REQUIRE_BROKER");
    let status = command.status().map_err(|error| format!("cannot run cargo-mutants: {error}"))?;
    // Mutants that are missed or time out are not an error of the tool.
    match status.code() {
        Some(0 | 2 | 3) => Ok(Counts::read(&folder.join("mutants.out"))),
        _ => Err(format!("cargo-mutants failed: {status}")),
    }
}
