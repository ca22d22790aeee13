//! Contract files: an interface as text beside the code, and a test of one line that fails when a peer would notice a
//! change.
//!
//! ```no_run
//! # use rpc_runtime::{Context, rpc_api};
//! #[rpc_api(topic = "tally", version = "1.1")]
//! trait Tally {
//!     async fn count(&self, ctx: Context, name: String) -> u32;
//! }
//!
//! // #[test]
//! fn no_peer_of_tally_breaks() {
//!     rpc_runtime::assert_contract!(tally::INTERFACE, "contracts/tally.txt");
//! }
//! ```
//!
//! The file is committed. Its lines are what is released. The test fails on every difference, says for each whether a
//! deployed peer would break over it, by a rule with a stable name, and which version makes it legal. Where nothing breaks,
//! `RPC_CONTRACT=accept cargo test` writes the file anew; `RPC_CONTRACT=break` does so in any case, for what was never
//! deployed.

use std::{env, fs, io, path::Path};

pub use rpc_idl::contract::{Change, Contract, Form, Legal, ParseError, Rule, compare, write};

use crate::Interface;

/// Checks that an interface is what its contract file says, which is looked for in the package of the caller.
///
/// See [`contract`](crate::contract) for what it says if it is not, and for how to write the file.
///
/// # Panics
/// If the interface has changed, or the file cannot be read.
#[macro_export]
macro_rules! assert_contract {
    ($interface:expr, $path:expr $(,)?) => {
        if let ::core::result::Result::Err(error) = $crate::contract::check(
            &$interface,
            ::std::path::Path::new(::core::env!("CARGO_MANIFEST_DIR")).join($path),
            $crate::contract::Rewrite::from_env(),
        ) {
            ::core::panic!("{error}");
        }
    };
}

/// Whether a contract file is to be written anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rewrite {
    /// No: a difference is an error.
    #[default]
    Never,
    /// If no deployed peer breaks over the differences, or there is no file yet.
    Safe,
    /// In any case.
    Always,
}

impl Rewrite {
    /// Reads the environment variable `RPC_CONTRACT`: `accept` is [`Safe`](Self::Safe), `break` is
    /// [`Always`](Self::Always), and anything else is [`Never`](Self::Never).
    #[must_use]
    pub fn from_env() -> Self {
        match env::var("RPC_CONTRACT").as_deref() {
            Ok("accept") => Self::Safe,
            Ok("break") => Self::Always,
            _ => Self::Never,
        }
    }
}

/// An interface is not what its contract says.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContractError {
    /// It has changed.
    #[error("{} has changed since {path} was written:\n{}{}", .interface, lines(.changes), advice(.changes))]
    Changed {
        /// The interface.
        interface: String,
        /// The file.
        path: String,
        /// How it has changed: first what breaks deployed peers.
        changes: Vec<Change>,
    },
    /// There is no such file.
    #[error("there is no {path}: `RPC_CONTRACT=accept cargo test` writes it")]
    Missing {
        /// The file.
        path: String,
    },
    /// The file is no contract.
    #[error("{path} is no contract: {error}")]
    Malformed {
        /// The file.
        path: String,
        /// Why not.
        error: ParseError,
    },
    /// The file cannot be read or written.
    #[error("{path} cannot be read or written: {error}")]
    File {
        /// The file.
        path: String,
        /// Why not.
        error: io::Error,
    },
}

fn lines(changes: &[Change]) -> String {
    changes.iter().map(|change| format!("  {change}\n")).collect()
}

fn advice(changes: &[Change]) -> &'static str {
    if changes.iter().any(Change::breaks) {
        "Write it so that it is legal; or, if none of that was ever deployed, `RPC_CONTRACT=break cargo test`"
    } else {
        "Nobody breaks: `RPC_CONTRACT=accept cargo test` writes the file anew"
    }
}

/// Checks that an interface is what its contract file says, or writes the file anew.
///
/// # Errors
/// If it is not, or if the file cannot be read or written.
pub fn check(
    interface: &Interface<'_>,
    path: impl AsRef<Path>,
    rewrite: Rewrite,
) -> Result<(), ContractError> {
    let file = path.as_ref();
    let path = || file.display().to_string();
    let text = match fs::read_to_string(file) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(ContractError::File { path: path(), error }),
    };
    // One that a merge has spoilt is not written over by accident.
    let kept = match text.map(|text| text.parse::<Contract>()) {
        Some(Err(error)) if rewrite != Rewrite::Always => {
            return Err(ContractError::Malformed { path: path(), error });
        }
        None if rewrite == Rewrite::Never => return Err(ContractError::Missing { path: path() }),
        kept => kept.and_then(Result::ok),
    };
    let new = Contract::of(interface);
    let changes = kept.as_ref().map(|kept| compare(kept, &new));
    if changes.as_ref().is_some_and(Vec::is_empty) {
        return Ok(());
    }
    let changes = changes.unwrap_or_default();
    let is_refused = match rewrite {
        Rewrite::Never => true,
        Rewrite::Safe => changes.iter().any(Change::breaks),
        Rewrite::Always => false,
    };
    if is_refused {
        let interface = interface.name.to_owned();
        return Err(ContractError::Changed { interface, path: path(), changes });
    }
    let folder = file.parent().map_or(Ok(()), fs::create_dir_all);
    let written = folder.and_then(|()| fs::write(file, new.to_string()));
    written.map_err(|error| ContractError::File { path: path(), error })
}
