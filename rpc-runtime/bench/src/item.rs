//! What is sent.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A request and its reply.
    Call,
    /// The same, of a method that may run twice without harm.
    IdempotentCall,
    /// A request without a reply, which the broker has confirmed.
    Cast,
    /// The same, to ten servers.
    Fanout,
    /// A notification, which the broker has confirmed.
    Notification,
}

impl Kind {
    /// How many servers listen.
    pub(crate) const FANOUT: usize = 10;
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Ok(match name {
            "call" => Self::Call,
            "idempotent-call" => Self::IdempotentCall,
            "cast" => Self::Cast,
            "fanout" => Self::Fanout,
            "notification" => Self::Notification,
            _ => return Err(format!("nothing is called `{name}`")),
        })
    }
}

/// A small struct, made larger by its text.
#[derive(Clone, Deserialize, Serialize)]
#[cfg_attr(feature = "peers", derive(PartialEq, prost::Message))]
pub(crate) struct Item {
    #[cfg_attr(feature = "peers", prost(uint64, tag = "1"))]
    pub(crate) id: u64,
    #[cfg_attr(feature = "peers", prost(string, tag = "2"))]
    pub(crate) name: String,
    #[cfg_attr(feature = "peers", prost(string, tag = "3"))]
    pub(crate) data: String,
}

impl Item {
    /// Makes one of about so many bytes.
    pub(crate) fn of(bytes: usize) -> Self {
        let name = "volume-0001".to_owned();
        Self { id: 4711, data: "x".repeat(bytes.saturating_sub(8 + name.len())), name }
    }
}

/// The exchange of both ends: a deployment's own, so that nothing else is measured.
pub(crate) const EXCHANGE: &str = "bench";
