//! Nova's interfaces.

pub mod base_rpcapi;
pub mod compute_rpcapi;
pub mod compute_task_rpcapi;
pub mod conductor_rpcapi;
pub mod objects;
pub mod options;
pub mod scheduler_rpcapi;

use rpc_runtime::{Failure, RemoteError};

/// What the scheduler refuses.
#[derive(Debug, thiserror::Error, RemoteError)]
#[remote(module = "nova.exception")]
pub enum SchedulerError {
    /// No host fits.
    #[error("No valid host was found. {reason}")]
    NoValidHost {
        /// Why not.
        reason: String,
    },
    /// What this version does not know.
    #[error(transparent)]
    #[remote(other)]
    Other(Failure),
}

/// What a compute service refuses.
#[derive(Debug, thiserror::Error, RemoteError)]
#[remote(module = "nova.exception")]
pub enum ComputeError {
    /// A host cannot take an instance.
    #[error("Migration pre-check error: {reason}")]
    MigrationPreCheckError {
        /// Why not.
        reason: String,
    },
    /// What this version does not know.
    #[error(transparent)]
    #[remote(other)]
    Other(Failure),
}
