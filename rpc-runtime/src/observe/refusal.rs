//! Why a server refuses a request, as events and counts name it.

use std::fmt;

use super::{Count, Counts};

/// Why a server refused a request: in [`Event::Refused`](crate::Event::Refused). No method ran.
///
/// A call's caller gets the failure. A cast's caller learns nothing, so its server logs a warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum RefusalKind {
    /// No interface of the server has the method.
    NoSuchMethod,
    /// No interface of the server serves the version, or the namespace.
    UnsupportedVersion,
    /// An argument is missing, unknown, or of another type.
    BadArguments,
    /// An argument is a versioned object of another class, or of another major version.
    IncompatibleObject,
    /// The request has more JSON values than [`value_limit`](crate::TransportBuilder::value_limit)
    /// allows.
    TooManyValues,
}

impl RefusalKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NoSuchMethod => "no such method",
            Self::UnsupportedVersion => "unsupported version",
            Self::BadArguments => "bad arguments",
            Self::IncompatibleObject => "incompatible object",
            Self::TooManyValues => "too many values",
        }
    }

    pub(crate) fn count(self, counts: &Counts) -> &Count {
        match self {
            Self::NoSuchMethod => &counts.requests_no_such_method,
            Self::UnsupportedVersion => &counts.requests_unsupported_version,
            Self::BadArguments => &counts.requests_bad_arguments,
            Self::IncompatibleObject => &counts.requests_incompatible_object,
            Self::TooManyValues => &counts.requests_too_many_values,
        }
    }
}

impl fmt::Display for RefusalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
