//! Rewriting what tests compare with.

use crate::{
    Error,
    process::{cargo, run},
};

/// Rewrites the golden expansions and the compiler's messages.
pub(crate) fn run_all() -> Result<(), Error> {
    run(cargo().args(["test", "--package", "rpc-macros"]).env("BLESS", "1"))?;
    run(cargo().args(["test", "--package", "tests", "--test", "ui"]).env("TRYBUILD", "overwrite"))
}
