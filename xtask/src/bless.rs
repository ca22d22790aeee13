//! Rewrites the files that tests compare with.

use crate::{
    Error,
    process::{cargo, run},
};

/// Rewrites the golden expansions, the compiler's messages, and the fuzzers' seed inputs.
pub(crate) fn run_all() -> Result<(), Error> {
    run(cargo().args(["test", "--package", "rpc-macros"]).env("BLESS", "1"))?;
    let corpus = ["test", "--package", "rpc-runtime", "--lib", "corpus"];
    run(cargo().args(corpus).env("BLESS", "1"))?;
    run(cargo().args(["test", "--package", "tests", "--test", "ui"]).env("TRYBUILD", "overwrite"))
}
